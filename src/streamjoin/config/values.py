"""The kinds of single values that a configuration has. Each says what is allowed, to people and to editors."""

import difflib
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final, NoReturn
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from streamjoin.config.datetime_pattern import formatting_problems, parsing_problems
from streamjoin.moments import in_utc

RESERVED_PREFIXES: Final = ("_hoodie_", "_pending_", "_reference_", "_stored_")
# Columns that travel beside an event's own, from stage to stage.
RESERVED_COLUMNS: Final = frozenset(
    {"_detail", "_end", "_event", "_matched", "_ordering_us", "_partition", "_sequence_number"}
    | {"_reason", "_record", "_superseded", "_unmatched"}
)

_HIGHEST_PORT: Final = 65535
_SIZE: Final = re.compile(r"([0-9]+)\s*(B|[kK]B|MB|GB|KiB|MiB|GiB)?")
_UNIT_BYTES: Final = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
# Source: Amazon S3 user guide, "General purpose bucket naming rules".
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PATHS_ALLOWED: Final = "allowed: s3://bucket/prefix, file:/absolute/path, or a path on this machine"


def refuse(text: str) -> NoReturn:
    """Raise the error that `problems` shows as `text`, after the key's path and what was found."""
    raise PydanticCustomError("streamjoin", "{text}", {"text": text})


def did_you_mean(found: object, allowed: list[str]) -> str:
    """Return `did you mean '…'? ` for the nearest of `allowed`, or nothing."""
    by_lower = {name.lower(): name for name in allowed}
    near = difflib.get_close_matches(found.lower(), by_lower, 1, cutoff=0.6) if isinstance(found, str) else []
    return f"did you mean '{by_lower[near[0]]}'? " if near else ""


def reserved_problem(name: str) -> str | None:
    """Return why a column can't have this name, or None."""
    lowered = name.lower()
    if lowered in RESERVED_COLUMNS or lowered.startswith(RESERVED_PREFIXES):
        return (
            f"'{name}' is reserved for {'Hudi' if lowered.startswith('_hoodie_') else 'streamjoin'}; use another name"
        )
    return None


class Choice:
    """One of a few words."""

    def __init__(self, **meanings: str) -> None:
        self._meanings = meanings

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check by word; the annotation's `Literal` is for type checkers."""
        return core_schema.no_info_plain_validator_function(self._check)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """List the words, with what editors show beside each."""
        return {"type": "string", "enum": list(self._meanings), "enumDescriptions": list(self._meanings.values())}

    def _check(self, value: object) -> object:
        words = list(self._meanings)
        if value not in words:
            refuse(f"{did_you_mean(value, words)}allowed: {', '.join(words)}")
        return value


class Matching:
    """Text of one form; `allowed` says it in words."""

    def __init__(self, pattern: str, allowed: str) -> None:
        self._pattern, self._allowed = re.compile(pattern), allowed

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check the form after the type."""
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Add the form, which may also come from a variable of the environment."""
        return {**handler(schema), "pattern": rf"^(?:{self._pattern.pattern})$|\$\{{"}

    def _check(self, value: str) -> str:
        if not self._pattern.fullmatch(value):
            refuse(f"allowed: {self._allowed}")
        return value


class OneOrMapped:
    """A column's name, or a mapping whose values are such."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check a name here and a mapping as one, so that a problem has the path that it has in the file."""
        return core_schema.no_info_wrap_validator_function(
            self._check,
            handler.generate_schema(dict[Text, ColumnName]),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda value: value),
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Describe both forms."""
        return {"anyOf": [{"type": "string", "minLength": 1}, handler(schema)]}

    def _check(self, value: object, handler: core_schema.ValidatorFunctionWrapHandler) -> object:
        if isinstance(value, str):
            return _column_name(_not_blank(value))
        if not isinstance(value, Mapping) or not value:
            refuse("allowed: the name of a column, or a mapping {reference: column}")
        return handler(value)


def _no_boolean(value: object) -> object:
    if isinstance(value, bool):
        refuse("allowed: a number")
    return value


def _size(value: object) -> object:
    if isinstance(value, str):
        found = _SIZE.fullmatch(value.strip())
        if found:
            return int(found[1]) * _UNIT_BYTES[(found[2] or "B").lower()]
    if isinstance(value, bool) or not isinstance(value, int):
        refuse("allowed: a number of bytes, or a size such as 512KiB, 256MiB or 10MB")
    return value


def _moment(value: object) -> object:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            value = None
    elif isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if not isinstance(value, datetime):
        refuse("allowed: an ISO 8601 time such as 2026-01-31T00:00:00Z (UTC if no zone is given)")
    try:
        return in_utc(value)
    except OverflowError:
        refuse("allowed: a time that is in the years 1 to 9999 in UTC too")


def _check_s3(path: str) -> None:
    bucket, _, prefix = path.removeprefix("s3://").partition("/")
    if not _BUCKET.fullmatch(bucket):
        # What stands there may be a key before an @: it is shown, redacted, by what tells of the value.
        refuse(
            "that can't be a bucket's name; allowed: 3 to 63 lower case letters, digits, dots and hyphens, the first "
            "and the last a letter or digit"
        )
    if not prefix or prefix.startswith("/"):
        refuse("allowed: s3://bucket/prefix, with a prefix (the root of a bucket can't be a table)")


def check_path(value: str) -> str:
    """Return a path without the slash at its end; refuse what Hadoop, S3 and catalogs take for different places."""
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):", value)
    word = scheme[1].lower() if scheme else ""
    if word in ("s3a", "s3n"):
        refuse(f"use s3:// instead of {word}://, which catalogs and Athena don't open")
    if word not in ("", "s3", "file") or not value.strip():
        refuse(_PATHS_ALLOWED)
    if word == "s3":
        _check_s3(value)
    if word == "file" and not re.match(r"file:(/|///)[^/]", value):
        refuse("allowed: file:/absolute/path")
    if re.search(r"[*?#{}\[\]\0-\x1f]", value) or value.startswith("~"):
        refuse("allowed: a whole path, without ~ and without the characters * ? # { } [ ] and control characters")
    # Hadoop removes them, S3 doesn't: rows and position would be in two places.
    if re.search(r"(?<![:/])//|/\.{1,2}(/|$)", value):
        refuse("allowed: a path without empty parts, and without the parts . and ..")
    return value.rstrip("/")


def _zone(value: str) -> str:
    known = available_timezones()
    # Small images have no time zone database; Java brings its own.
    if value != "UTC" and known and value not in known:
        near = did_you_mean(value, sorted(known))
        refuse(f"{near}allowed: UTC or the name of a time zone such as Europe/Berlin")
    return value


def _pattern(problems: Callable[[str], list[str]]) -> AfterValidator:
    def check(value: str) -> str:
        found = problems(value)
        if found:
            refuse(f"{'; '.join(found)}. Allowed: a Java DateTimeFormatter pattern such as yyyy-MM-dd or M/d/yy")
        return value

    return AfterValidator(check)


def _column_name(value: str) -> str:
    reserved = reserved_problem(value)
    if reserved:
        refuse(reserved)
    return value


def _not_blank(value: str) -> str:
    if not value.strip():
        refuse("allowed: text that is not empty")
    return value


def _names_to_mapping(value: object) -> object:
    if isinstance(value, Mapping):
        return value
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        refuse("allowed: a list of attribute names, or a mapping {attribute: output name}")
    twice = sorted({name for name in value if value.count(name) > 1})
    if twice:
        refuse(f"'{twice[0]}' is listed twice; allowed: every attribute once")
    return {name: name for name in value}


def _once(value: list[str]) -> list[str]:
    lowered = [name.lower() for name in value]
    twice = next((name for index, name in enumerate(value) if name.lower() in lowered[:index]), None)
    if twice is not None:
        refuse(f"'{twice}' is listed twice; allowed: every name once")
    return value


def _port(value: int) -> int:
    if not 0 < value <= _HIGHEST_PORT:
        refuse(f"allowed: 1 to {_HIGHEST_PORT}")
    return value


def _option_value(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


Count = Annotated[int, Field(gt=0), BeforeValidator(_no_boolean)]
Port = Annotated[int, AfterValidator(_port), BeforeValidator(_no_boolean)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False), BeforeValidator(_no_boolean)]
SecondsOrZero = Annotated[float, Field(ge=0, allow_inf_nan=False), BeforeValidator(_no_boolean)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False), BeforeValidator(_no_boolean)]
SizeBytes = Annotated[
    int,
    BeforeValidator(_size),
    Field(gt=0),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": f"^{_SIZE.pattern}$"}]}),
]
Moment = Annotated[datetime, BeforeValidator(_moment)]
Text = Annotated[str, AfterValidator(_not_blank), Field(json_schema_extra={"minLength": 1})]
Path = Annotated[str, AfterValidator(check_path)]
Zone = Annotated[str, AfterValidator(_zone)]
ParsingPattern = Annotated[str, _pattern(parsing_problems)]
FormattingPattern = Annotated[str, _pattern(formatting_problems)]
ColumnName = Annotated[Text, AfterValidator(_column_name)]
AttributeColumns = Annotated[
    dict[Text, ColumnName],
    BeforeValidator(_names_to_mapping),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
                {"type": "object", "additionalProperties": {"type": "string"}},
            ]
        }
    ),
]
VersionColumns = Annotated[str | dict[str, str], OneOrMapped()]
ColumnNames = Annotated[list[Text], AfterValidator(_once)]
OptionValue = Annotated[
    str,
    BeforeValidator(_option_value),
    WithJsonSchema({"type": ["string", "number", "boolean"]}),
]
