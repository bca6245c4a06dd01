"""One Avro record to one typed row, in either of its two encodings.

Source: avro.apache.org/docs/1.12.0/specification, single-object encoding: two bytes, the fingerprint of the writer's
schema, the record.
"""

from collections.abc import Sequence
from typing import Any, Final

from streamjoin.errors import RejectReason
from streamjoin.records.avro.reading import MalformedError, NotOfTypeError, NotTextError
from streamjoin.records.avro.resolution import RowReader
from streamjoin.records.avro.schema import AvroSchema
from streamjoin.records.values import Rejected

_SINGLE_OBJECT: Final = b"\xc3\x01"
_HEADER_BYTES: Final = 10


class AvroDecoder:
    """Decodes single Avro records, single-object or plain, told apart record by record.

    A plain record is one of `schema`. A single-object one is of the schema that it names: `schema` itself, or an older
    one, whose records are read as those of `schema` by Avro's rules.

    Args:
        schema: The schema that the columns are of.
        writers: Older schemas.

    Raises:
        SchemaError: The records of an older schema can't be read as those of `schema`.
    """

    def __init__(self, schema: AvroSchema, writers: Sequence[AvroSchema] = ()) -> None:
        self._plain = RowReader(schema.record, schema.record)
        older = {writer.fingerprint: RowReader(writer.record, schema.record) for writer in writers}
        self._readers = {**older, schema.fingerprint: self._plain}

    def __call__(self, payload: bytes) -> list[Any] | Rejected:
        """Return the row's values in the order of the schema, or why there is none."""
        if not payload:
            return Rejected(RejectReason.EMPTY_PAYLOAD, "the payload has no content")
        if not payload.startswith(_SINGLE_OBJECT):
            return _row(self._plain, payload, 0)
        fingerprint = payload[len(_SINGLE_OBJECT) : _HEADER_BYTES]
        known = self._readers.get(fingerprint)
        if known is None:
            detail = f"fingerprint {fingerprint[::-1].hex()} is of neither payload.schema_file nor an older schema"
            return Rejected(RejectReason.UNKNOWN_SCHEMA, detail)
        return _row(known, payload, _HEADER_BYTES)


def _row(read: RowReader, payload: bytes, start: int) -> list[Any] | Rejected:
    """Return the row that takes all of `payload` from byte `start` on, or why there is none."""
    try:
        row, end = read(payload, start)
    except MalformedError as error:
        return Rejected(RejectReason.MALFORMED_AVRO, str(error))
    except NotTextError as error:
        return Rejected(RejectReason.NOT_UTF8, str(error))
    except NotOfTypeError as error:
        return Rejected(RejectReason.WRONG_TYPE, str(error))
    if end != len(payload):
        return Rejected(RejectReason.MALFORMED_AVRO, f"{len(payload) - end} bytes are left over after the record")
    return row
