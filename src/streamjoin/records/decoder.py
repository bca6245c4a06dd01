"""One payload to one typed row, in plain Python: strict, exact, and never an exception on any bytes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

from streamjoin.errors import SchemaError
from streamjoin.records.avro.rows import AvroDecoder
from streamjoin.records.avro.schema import AvroSchema
from streamjoin.records.compression import Unpacker
from streamjoin.records.csv import CsvDecoder
from streamjoin.records.json import JsonDecoder
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
    """

    name: Literal["json", "csv", "avro"] = "json"
    delimiter: str = ","
    null_text: str = ""
    avro_schema: AvroSchema | None = None
    avro_writer_schemas: tuple[AvroSchema, ...] = ()
    max_unpacked_bytes: int = 10 * 1024 * 1024


class PayloadDecoder:
    """Decodes payloads, compressed or not, to rows of one schema.

    Args:
        schema: The event's columns.
        payload: Their format.

    Raises:
        SchemaError: A column's type has no place in the format, or the schema isn't that of the Avro schema.
    """

    def __init__(self, schema: pa.Schema, payload: PayloadFormat = PayloadFormat()) -> None:
        self._decode = _decoder(schema, payload)
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


def _decoder(schema: pa.Schema, payload: PayloadFormat) -> Decode:
    if payload.name == "json":
        return JsonDecoder(schema)
    if payload.name == "csv":
        return CsvDecoder(schema, payload.delimiter, payload.null_text)
    if payload.avro_schema is None or payload.avro_schema.columns.names != schema.names:
        raise SchemaError("payloads of avro: expected the columns of the Avro schema, found others")
    return AvroDecoder(payload.avro_schema, payload.avro_writer_schemas)
