"""One change record to one change, whichever envelope it came in: strict, exact, and never an exception on any bytes.

Two envelopes, told apart by what is in them, record by record:

- DynamoDB Streams, as EventBridge Pipes forward it: `eventSourceARN` names the table, the change has a sequence number
  of its own, its time is in seconds.
- Kinesis Data Streams for DynamoDB: `tableName`, no sequence number, its time in ms or microseconds, with a precision.

Sources: docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_Record.html, API_streams_StreamRecord.html;
docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-dynamodb.html;
docs.aws.amazon.com/amazondynamodb/latest/developerguide/kds.html.
"""

import base64
import codecs
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Any, Final

import msgspec

from streamjoin.dynamodb.attribute_json import to_json
from streamjoin.dynamodb.attribute_types import Value, exact
from streamjoin.dynamodb.change_values import Digits, NotAnItemError, read_item
from streamjoin.dynamodb.service import Item
from streamjoin.errors import RejectReason
from streamjoin.moments import epoch_us, iso_us
from streamjoin.records.change_columns import INSERT, MODIFY, REMOVE, TTL, USER
from streamjoin.records.compression import Unpacker
from streamjoin.records.text import without_mark
from streamjoin.records.values import Rejected
from streamjoin.schema.columns import SEQUENCE_NUMBER_DIGITS

# An item has at most 400 KB, so that both images of one are far below it, in JSON too.
MAX_UNPACKED_BYTES: Final = 10 * 1024 * 1024

_ORDER_DIGITS: Final = 17
_SUB_SEQUENCE_DIGITS: Final = 6
_PER_UNIT_US: Final = {"MILLISECOND": 1_000, "MICROSECOND": 1}
_DOCUMENT: Final = msgspec.json.Decoder(dict[str, Any], float_hook=Digits)
_OPERATIONS: Final = frozenset({INSERT, MODIFY, REMOVE})
_TABLE_ARN: Final = re.compile(r"arn:[^:]*:dynamodb:[^:]*:[^:]*:table/([^/]*)(?:/.*)?")
_TABLE_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{3,255}")
_SEQUENCE_NUMBER: Final = re.compile(rf"[0-9]{{1,{SEQUENCE_NUMBER_DIGITS}}}")
_NUMBER: Final = re.compile(r"[0-9]{1,17}(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,2})?")
_KEY_KINDS: Final = frozenset({"S", "N", "B"})


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one item.

    Args:
        table: Name of the DynamoDB table.
        operation: INSERT, MODIFY or REMOVE.
        keys: The item's primary key: one attribute or two.
        new_image: The item afterwards; None after a REMOVE, and if the stream has no new images.
        old_image: The item before; None before an INSERT, and if the stream has no old images.
        created_us: When it happened, in microseconds since 1970, as exact as the record tells.
        sequence_number: The change's own; None if the record has none.
        removed_by: Of a REMOVE, who did it: `ttl` if the item expired, else `user`.
    """

    table: str
    operation: str
    keys: Item
    new_image: Item | None
    old_image: Item | None
    created_us: int
    sequence_number: str | None
    removed_by: str | None = None


class _NotAChangeError(ValueError):
    """A JSON object that is no change record; the text says what is missing or wrong, never what is in it."""


def parse_change(data: bytes | None) -> Change | Rejected:
    """Return the change that a record's data is, or why it is none; gzip and zstd are undone first.

    Reasons: EMPTY_PAYLOAD, MALFORMED_COMPRESSION, TOO_LARGE, NOT_UTF8, MALFORMED_JSON, NOT_AN_OBJECT, NOT_A_CHANGE.
    """
    content = unpack_payload(data)
    return content if isinstance(content, Rejected) else parse_unpacked(content)


def unpack_payload(data: bytes | None) -> bytes | Rejected:
    """Return a record's data without its compression and its byte order mark."""
    content = _unpacker()(data or b"")
    if isinstance(content, Rejected) and content.reason is RejectReason.TOO_LARGE:
        detail = f"unpacked it is larger than {MAX_UNPACKED_BYTES} bytes, which no change of an item is"
        return Rejected(RejectReason.TOO_LARGE, detail)
    return content if isinstance(content, Rejected) else content.removeprefix(codecs.BOM_UTF8)


def parse_unpacked(content: bytes) -> Change | Rejected:
    """Return the change that is in JSON text, or why there is none."""
    try:
        return _change(_DOCUMENT.decode(content))
    except (_NotAChangeError, NotAnItemError) as error:
        return Rejected(RejectReason.NOT_A_CHANGE, str(error))
    except UnicodeDecodeError as error:
        return Rejected(RejectReason.NOT_UTF8, f"a text is not UTF-8: {error.reason}")
    except msgspec.ValidationError as error:
        # The other mistake of this kind is a number beyond all bounds.
        is_object = content.lstrip()[:1] == b"{"
        return Rejected(RejectReason.MALFORMED_JSON if is_object else RejectReason.NOT_AN_OBJECT, str(error))
    except msgspec.DecodeError as error:
        return _malformed(content, error)
    except RecursionError:
        return Rejected(RejectReason.MALFORMED_JSON, "JSON is nested too deeply")


def item_key(keys: Item) -> str:
    """Return the text of a primary key: that of its one attribute, or of two a JSON array, in order of their names.

    S is its own text, N its plain notation without needless zeros, B base64.
    """
    if len(keys) == 1:
        (value,) = keys.values()
        return key_text(value)
    return msgspec.json.encode([key_text(keys[name]) for name in sorted(keys)]).decode()


def key_text(value: Value) -> str:
    """Return the one text of a key attribute's value."""
    ((kind, content),) = value.items()
    if kind == "S":
        return str(content)
    return format(exact(content), "f") if kind == "N" else base64.b64encode(content).decode()


def change_order(created_us: int, sequence_number: str | None, sub_sequence_number: int = 0) -> str:
    """Return the text by whose order the changes of an item are in order.

    Args:
        created_us: When the change happened.
        sequence_number: Its own, else that of the Kinesis record that it came in.
        sub_sequence_number: Its place in an aggregated Kinesis record; 0 if the sequence number is its own.
    """
    return (
        f"{created_us:0{_ORDER_DIGITS}d}.{sequence_number or '0':0>{SEQUENCE_NUMBER_DIGITS}}"
        f".{sub_sequence_number:0{_SUB_SEQUENCE_DIGITS}d}"
    )


def change_id(change: Change) -> str:
    """Return what the change is known by, however often it is delivered."""
    what: list[Any] = [change.table, item_key(change.keys), change.operation]
    if change.sequence_number is not None:
        what.append(change.sequence_number)
    else:
        # Kinesis Data Streams for DynamoDB delivers a change twice with no number that both have.
        images = (change.new_image, change.old_image)
        what += [change.created_us, *(None if image is None else to_json(image) for image in images)]
    return hashlib.sha256(msgspec.json.encode(what)).hexdigest()


@cache
def _unpacker() -> Unpacker:
    return Unpacker(MAX_UNPACKED_BYTES)


def _malformed(content: bytes, error: msgspec.DecodeError) -> Rejected:
    text = without_mark(content)
    if isinstance(text, Rejected):
        return text
    if not text.strip():
        return Rejected(RejectReason.EMPTY_PAYLOAD, "the payload has no content")
    try:
        content.decode()
    except UnicodeDecodeError as not_text:
        return Rejected(RejectReason.NOT_UTF8, f"byte {not_text.start} is not UTF-8: {not_text.reason}")
    return Rejected(RejectReason.MALFORMED_JSON, str(error))


def _change(document: Mapping[str, Any]) -> Change:
    body, operation = document.get("dynamodb"), document.get("eventName")
    if type(body) is not dict:
        raise _NotAChangeError("expected an object 'dynamodb', as records of a table's changes have it")
    if type(operation) is not str or operation not in _OPERATIONS:
        raise _NotAChangeError("eventName: expected INSERT, MODIFY or REMOVE")
    images = [None if body.get(name) is None else read_item(body[name], name) for name in ("NewImage", "OldImage")]
    return Change(
        *(_table(document), operation, _keys(body), images[0], images[1], _created_us(body), _sequence_number(body)),
        removed_by=_removed_by(document) if operation == REMOVE else None,
    )


def _removed_by(document: Mapping[str, Any]) -> str:
    """Return who removed an item; the SDK's records name the parts of an identity in upper case."""
    identity = document.get("userIdentity")
    if type(identity) is not dict:
        return USER
    who = [identity.get(name, identity.get(name[0].upper() + name[1:])) for name in ("type", "principalId")]
    return TTL if who == ["Service", "dynamodb.amazonaws.com"] else USER


def _table(document: Mapping[str, Any]) -> str:
    name, arn = document.get("tableName"), document.get("eventSourceARN")
    if name is None and type(arn) is str and (found := _TABLE_ARN.fullmatch(arn)):
        name = found[1]
    # It may become part of a path.
    if type(name) is not str or not _TABLE_NAME.fullmatch(name):
        raise _NotAChangeError("expected a table's name in 'tableName', or its stream's ARN in 'eventSourceARN'")
    return name


def _keys(body: Mapping[str, Any]) -> Item:
    keys = read_item(body.get("Keys"), "Keys")
    if len(keys) not in (1, 2):
        message = f"Keys: expected one attribute or two, found {len(keys)}"
        raise _NotAChangeError(message)
    for name, value in keys.items():
        ((kind, content),) = value.items()
        if kind not in _KEY_KINDS or not content:
            message = f"Keys: attribute '{name}': expected a value of type S, N or B that is not empty"
            raise _NotAChangeError(message)
    return keys


def _created_us(body: Mapping[str, Any]) -> int:
    found, precision = body.get("ApproximateCreationDateTime"), body.get("ApproximateCreationDateTimePrecision")
    if precision is not None and (type(precision) is not str or precision not in _PER_UNIT_US):
        raise _NotAChangeError("ApproximateCreationDateTimePrecision: expected MILLISECOND or MICROSECOND")
    created_us: int | None = None
    if type(found) is int or (type(found) is Digits and _NUMBER.fullmatch(found)):
        number = found if type(found) is int else Decimal(found)
        created_us = epoch_us(number) if precision is None else int(Fraction(number) * _PER_UNIT_US[precision])
    elif type(found) is str:
        # As the SDK's records come out of `json.dumps(record, default=str)`.
        created_us = iso_us(found)
    if created_us is None or not 0 <= created_us < 10**_ORDER_DIGITS:
        raise _NotAChangeError(
            "ApproximateCreationDateTime: expected a time as a number since 1970, or as text in ISO 8601"
        )
    return created_us


def _sequence_number(body: Mapping[str, Any]) -> str | None:
    found = body.get("SequenceNumber")
    if found is None or (type(found) is str and _SEQUENCE_NUMBER.fullmatch(found)):
        return found
    message = f"SequenceNumber: expected text of at most {SEQUENCE_NUMBER_DIGITS} digits"
    raise _NotAChangeError(message)
