"""The items of a file: plain JSON, or DynamoDB JSON as an export has it."""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from streamjoin.dynamodb.attribute_types import exact
from streamjoin.dynamodb.change_values import NotAnItemError, is_number, read_item
from streamjoin.errors import SinkError
from streamjoin.local.samples.samples import SampleName
from streamjoin.local.tables import Item


def read_items(path: str) -> Iterator[Item]:
    """Yield the items of a file; numbers are exact.

    Raises:
        SinkError: It can't be read, or isn't JSON of items; names the line.
    """
    try:
        with Path(path).open(encoding="utf-8") as file:
            start = file.read(4096).lstrip()
            file.seek(0)
            if start.startswith("["):
                found = _decoded(path, None, file.read())
                for number, values in enumerate(found, start=1):
                    yield _item(path, f"item {number}", values)
                return
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield _item(path, f"line {number}", _decoded(path, number, line))
    except FileNotFoundError as error:
        samples = ", ".join(SampleName)
        message = f"'{path}': there is no such file, nor a sample of this name; samples: {samples}"
        raise SinkError(message) from error
    except (OSError, UnicodeDecodeError) as error:
        message = f"'{path}' can't be read: {error}"
        raise SinkError(message) from error


def _decoded(path: str, line: int | None, text: str) -> Any:
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_no_number)
    except ValueError as error:
        where = "" if line is None else f", line {line}"
        message = f"'{path}'{where}: expected a JSON array of items, or an item a line: {error}"
        raise SinkError(message) from error


def _no_number(text: str) -> None:
    message = f"{text} is no number of JSON"
    raise ValueError(message)


def _item(path: str, where: str, values: Any) -> Item:
    if not isinstance(values, Mapping):
        message = f"'{path}', {where}: expected an item, a JSON object; found {type(values).__name__}"
        raise SinkError(message)
    if set(values) == {"Item"} and isinstance(values["Item"], Mapping):
        try:
            return _plain(read_item(values["Item"], where))
        except NotAnItemError as error:
            message = f"'{path}', {error}"
            raise SinkError(message) from error
    for name, value in values.items():
        if any(not is_number(str(number)) for number in _numbers(value)):
            message = f"'{path}', {where}: attribute '{name}': expected a number of at most 38 digits"
            raise SinkError(message)
    return values


def _numbers(value: Any) -> Iterator[Decimal | int]:
    if isinstance(value, Mapping):
        for each in value.values():
            yield from _numbers(each)
    elif isinstance(value, list):
        for each in value:
            yield from _numbers(each)
    elif isinstance(value, int | Decimal) and not isinstance(value, bool):
        yield value


def _plain(item: Mapping[str, Mapping[str, Any]]) -> Item:
    return {name: _value(value) for name, value in item.items()}


def _value(value: Mapping[str, Any]) -> Any:  # noqa: PLR0911  (a table of types, one line each)
    """Return a typed value as what boto3 makes the same of."""
    ((kind, content),) = value.items()
    match kind:
        case "N":
            return exact(content)
        case "NULL":
            return None
        case "NS":
            return {exact(each) for each in content}
        case "SS" | "BS":
            return set(content)
        case "L":
            return [_value(each) for each in content]
        case "M":
            return _plain(content)
    return content
