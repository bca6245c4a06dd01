"""One payload to one typed row, in plain Python: strict, exact, and never an exception on any bytes."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import pyarrow as pa

from streamjoin.errors import RejectReason, SchemaError
from streamjoin.records.avro.rows import AvroDecoder
from streamjoin.records.avro.schema import AvroSchema
from streamjoin.records.compression import Unpacker
from streamjoin.records.csv import CsvDecoder
from streamjoin.records.json import JsonDecoder
from streamjoin.records.json_path import JsonPath
from streamjoin.records.splitting import MAX_EVENTS, Splitter
from streamjoin.records.text import without_mark
from streamjoin.records.values import Rejected

__all__ = ["PayloadDecoder", "PayloadFormat", "Rejected"]

Decode = Callable[[bytes], list[Any] | Rejected]


@dataclass(frozen=True)
class PayloadFormat:
    """What payloads are; a plain value that travels to the executors.

    Args:
        name: The format.
        delimiter: Of csv, what stands between two fields.
        null_text: Of csv, the field that is null.
        avro_schema: Of avro, the schema that the columns are of.
        avro_writer_schemas: Of avro, older schemas, read as `avro_schema`.
        max_unpacked_bytes: What is larger, once gzip or zstd is undone, is rejected.
        records: Whether a payload of json or csv may have several events.
        path: Of json, where in a document the event is, such as `detail`; with many `logEvents[*].message` too.
    """

    name: Literal["json", "csv", "avro"] = "json"
    delimiter: str = ","
    null_text: str = ""
    avro_schema: AvroSchema | None = None
    avro_writer_schemas: tuple[AvroSchema, ...] = ()
    max_unpacked_bytes: int = 10 * 1024 * 1024
    records: Literal["one", "many"] = "one"
    path: str | None = None

    def splitter(self, schema: pa.Schema) -> Splitter | None:
        """Return what takes a payload with several events apart; None: each has one.

        Args:
            schema: The event's columns.

        Raises:
            SchemaError: The format has one event a payload, always.
        """
        if self.records == "one":
            return None
        if self.name == "avro":
            raise SchemaError("payloads of avro: expected records 'one', found 'many'")
        return Splitter(self.name, self.path, tuple(schema.names), self.delimiter, self.max_unpacked_bytes)


class PayloadDecoder:
    """Decodes payloads of one event each, compressed or not, to rows of one schema.

    Args:
        schema: The event's columns.
        payload: Their format.

    Raises:
        SchemaError: A column's type has no place in the format, or the schema isn't that of the Avro schema.
    """

    def __init__(self, schema: pa.Schema, payload: PayloadFormat = PayloadFormat()) -> None:
        decode, splitter = _decoder(schema, payload), payload.splitter(schema)
        self._json = decode if isinstance(decode, JsonDecoder) else None
        if splitter is not None:
            decode = _OneOfMany(decode, splitter)
        elif payload.path is not None:
            decode = _AtPath(decode, JsonPath(payload.path, many=False))
        self._decode = decode
        # Plain Avro may begin with any bytes, the text of the others with none of a compression's.
        self._may_be_plain = payload.name == "avro"
        self._unpack = Unpacker(payload.max_unpacked_bytes)
        self.decoded_bytes = 0
        """Bytes decoded so far, unpacked ones if there was a compression."""

    def __call__(self, payload: bytes | None) -> list[Any] | Rejected:
        """Return the row's values in the order of the schema, or why there is none."""
        packed = payload or b""
        content = self._unpack(packed)
        if isinstance(content, Rejected):
            row = self._decode(packed) if self._may_be_plain else content
            return content if isinstance(row, Rejected) else row
        self.decoded_bytes += len(content)
        return self._decode(content)

    def take_case_twins(self) -> dict[str, str]:
        """Return of the objects since the last call, as `CaseTwins.take`; of json alone."""
        return self._json.take_case_twins() if self._json is not None else {}


class _AtPath:
    """Decodes the event that a document has at a path."""

    def __init__(self, decode: Decode, path: JsonPath) -> None:
        self._decode, self._path = decode, path

    def __call__(self, content: bytes) -> list[Any] | Rejected:
        text = without_mark(content)
        if isinstance(text, Rejected) or not text.strip():
            return self._decode(content)
        event = next(self._path.events(text), None)
        if event is None:
            return Rejected(RejectReason.NO_EVENT, "it is a control message, and has no event")
        return event.content if isinstance(event.content, Rejected) else self._decode(event.content)


class _OneOfMany:
    """Decodes the one event that is left of a payload with several once it was taken apart."""

    def __init__(self, decode: Decode, splitter: Splitter) -> None:
        self._decode, self._splitter = decode, splitter

    def __call__(self, content: bytes) -> list[Any] | Rejected:
        row = self._decode(content) if self._splitter.path is None else None
        text = without_mark(content)
        if isinstance(row, list) or isinstance(text, Rejected) or not text.strip():
            return self._decode(content) if row is None else row
        events = list(islice(self._splitter.events(text), 2))
        if len(events) != 1:
            return Rejected(
                RejectReason.TOO_LARGE,
                f"expected at most {MAX_EVENTS} events in a record, together not larger than "
                f"payload.max_unpacked_bytes, {self._splitter.max_unpacked_bytes}",
            )
        found = events[0].content
        return found if isinstance(found, Rejected) else self._decode(found)


def _decoder(schema: pa.Schema, payload: PayloadFormat) -> Decode:
    if payload.name == "json":
        return JsonDecoder(schema)
    if payload.name == "csv":
        return CsvDecoder(schema, payload.delimiter, payload.null_text)
    if payload.avro_schema is None or payload.avro_schema.columns.names != schema.names:
        raise SchemaError("payloads of avro: expected the columns of the Avro schema, found others")
    return AvroDecoder(payload.avro_schema, payload.avro_writer_schemas)
