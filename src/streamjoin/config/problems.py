"""What is wrong with a configuration, a line each: path of the key, what was found, what is allowed."""

import re
from collections.abc import Mapping
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError

from streamjoin.config.values import did_you_mean

KeyPath = tuple[str | int, ...]

# Keys that other jobs have, so that they are refused as such instead of as a slip of the pen.
_OTHER_JOBS: Final[dict[tuple[str, ...], dict[str, str]]] = {
    (): {
        **dict.fromkeys(("payload", "references", "output"), "enrich"),
        **dict.fromkeys(("table_mappings", "target"), "replicate"),
        **dict.fromkeys(("unlisted_tables", "journal"), "capture"),
        "tables": "capture and backfill",
        "where": "backfill",
    },
    ("source",): {
        "mysql": "replicate",
        "kinesis": "enrich and capture",
        "dynamodb_stream": "capture",
        "dynamodb_table": "backfill",
        "dynamodb_export": "backfill",
    },
    ("tables",): {"fixed_partition": "backfill"},
    ("tables", "sink", "hudi"): {"ordering": "enrich"},
}
_SECRET_NAME: Final = re.compile(r"pass(word|wd|phrase)|secret|token|credential|private|api_?key|access_?key", re.I)
_VARIABLE_NAME: Final = re.compile(r"\$\{([A-Za-z0-9_]+)")
_PLAIN_KEY: Final = re.compile(r"[^\s.\[\]'\"]+")
_USER_INFO: Final = re.compile(r"://.*@")
_LONGEST_SHOWN: Final = 60
_ALLOWED: Final = {
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "dict_type": "a mapping, key: value",
    "finite_number": "a finite number",
    "float_parsing": "a number",
    "float_type": "a number",
    "greater_than": "a number greater than {gt:g}",
    "greater_than_equal": "a number of at least {ge:g}",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "list_type": "a list, each element behind a -",
    "string_type": "text (put a number or a date in quotes)",
    "too_short": "at least {min_length} of them",
}


class Unset:
    """Stands in a mapping for a value whose environment variable is not set; that problem is told once, elsewhere.

    Args:
        problems: It, wherever the value goes from where it was read.
    """

    def __init__(self, *problems: str) -> None:
        self.problems = problems


def dotted(path: KeyPath) -> str:
    """Return `path` as it is written in messages: `references[0].on`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN_KEY.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f"['{part}']"
    return text


def is_secret(name: str) -> bool:
    """Tell whether a key or an environment variable of this name is likely to hold a secret."""
    return _SECRET_NAME.search(name) is not None


def _has_secret(text: str) -> bool:
    """Tell whether `text`, as it stands in the file, takes a variable that is likely a secret."""
    return any(map(is_secret, _VARIABLE_NAME.findall(text)))


def shown(value: object) -> str:
    """Return how `value` is named in a message."""
    if isinstance(value, str):
        text = _USER_INFO.sub("://…@", value)
        return f"'{text[:_LONGEST_SHOWN]}…'" if len(text) > _LONGEST_SHOWN else f"'{text}'"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, Mapping):
        return "a mapping"
    return "a list" if isinstance(value, list | tuple) else f"a value of type {type(value).__name__}"


def explain(error: ValidationError, model: type[BaseModel], written: Mapping[KeyPath, str]) -> list[str]:
    """Return one line for each problem of `error`.

    Args:
        error: What validating a mapping against `model` raised.
        model: The model of the whole configuration.
        written: Scalars as they stand in the file, where variables were put in; shown instead of their values.
    """
    lines = []
    for details in error.errors(include_url=False):
        path, kind, value = tuple(details["loc"]), details["type"], details["input"]
        if kind == "missing":
            lines.append(f"{dotted(path)}: missing; {_description(model, path)}")
        elif kind == "extra_forbidden":
            lines.append(f"{dotted(path)}: {_unknown(model, path)}")
        elif not _holds_unset(value):
            if path and path[-1] == "[key]":
                path = path[:-1]
            found = "(hidden)" if any(is_secret(str(part)) for part in path) else shown(written.get(path, value))
            allowed = _allowed(details, model, path)
            if any(place[: len(path)] == path and _has_secret(text) for place, text in written.items()):
                # What is allowed may quote a word of the value, which `redact` would not know.
                allowed = "its value is not allowed here, and hidden"
            lines.append(f"{dotted(path) or 'the whole file'}: found {found}; {allowed}")
    return lines


def places_without_mapping(error: ValidationError) -> list[KeyPath]:
    """Return where something else stands in place of a mapping."""
    return [tuple(details["loc"]) for details in error.errors(include_url=False) if details["type"] == "model_type"]


def _allowed(details: Any, model: type[BaseModel], path: KeyPath) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if kind == "streamjoin":
        return str(context["text"])
    if kind == "model_type":
        return f"allowed: a mapping with the keys {', '.join(_keys(_model_at(model, path)))}"
    if kind == "string_type" and isinstance(details["input"], Mapping):
        return "allowed: text (in quotes, if there are braces in it)"
    if kind in _ALLOWED:
        return f"allowed: {_ALLOWED[kind].format_map(context)}"
    return f"not allowed: {details['msg']}"


def _unknown(model: type[BaseModel], path: KeyPath) -> str:
    parent = tuple(part for part in path[:-1] if isinstance(part, str))
    jobs = _OTHER_JOBS.get(parent, {}).get(str(path[-1]))
    if jobs:
        return f"a key of job: {jobs}; leave it out, or set job"
    keys = _keys(_model_at(model, path[:-1]))
    return f"unknown key; {did_you_mean(path[-1], keys)}allowed: {', '.join(keys)}"


def _description(model: type[BaseModel], path: KeyPath) -> str:
    fields = _model_at(model, path[:-1]).model_fields
    found = next((f.description for name, f in fields.items() if (f.alias or name) == path[-1]), None)
    return f"expected: {found}" if found else "it is required"


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_at(model: type[BaseModel], path: KeyPath) -> type[BaseModel]:
    """Return the model of the mapping at `path`."""
    for part in path:
        for name, field in model.model_fields.items():
            if (field.alias or name) == part:
                model = nested_model(field.annotation) or model
    return model


def nested_model(annotation: object) -> type[BaseModel] | None:
    """Return the model within `annotation`, such as that of a list's elements."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for found in map(nested_model, get_args(annotation)) if found), None)


def _holds_unset(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(_holds_unset(inner) for inner in value.values())
    return any(map(_holds_unset, value)) if isinstance(value, list) else isinstance(value, Unset)
