"""What spans the keys of `payload`: which of them a format needs, and which it can't have."""

from collections.abc import Iterator
from typing import Final

import pyarrow as pa

from streamjoin.config.problems import Unset
from streamjoin.enrich.config.avro_file import AvroFile
from streamjoin.enrich.config.enrich import PayloadSettings
from streamjoin.errors import SchemaError
from streamjoin.records.avro.resolution import RowReader
from streamjoin.records.json_path import EACH
from streamjoin.schema.ddl import type_text

_FORMATS_OF: Final = {
    "schema_file": "avro",
    "writer_schema_files": "avro",
    "delimiter": "csv",
    "null_text": "csv",
    "path": "json",
}


def payload_problems(payload: PayloadSettings) -> Iterator[str]:
    """Yield what is wrong across the keys of `payload`, which may be a draft."""
    if payload.format is None:
        return
    for key, allowed in _FORMATS_OF.items():
        value = getattr(payload, key)
        if payload.format != allowed and value not in (None, []) and not isinstance(value, Unset):
            yield f"payload.{key}: allowed with format {allowed} only; found {payload.format}"
    if payload.records == "many" and payload.format == "avro":
        yield "payload.records: found many; with avro allowed: one"
    if payload.records == "one" and isinstance(payload.path, str) and EACH in payload.path:
        yield f"payload.path: found '{payload.path}'; {EACH} needs payload.records many"
    if payload.format == "avro":
        yield from _avro(payload)
    elif payload.schema_ is None:
        description = PayloadSettings.model_fields["schema_"].description
        yield f"payload.schema: missing; expected: {description}"
    if payload.format == "csv" and isinstance(payload.schema_, pa.Schema):
        for field in payload.schema_:
            if pa.types.is_nested(field.type):
                kind = type_text(field.type)
                yield f"payload.schema: column '{field.name}' is of type {kind}; with csv allowed: a simple type"


def _avro(payload: PayloadSettings) -> Iterator[str]:
    file = payload.schema_file
    if file is None:
        yield "payload.schema_file: missing; format avro needs it, the path of an Avro schema"
    if not isinstance(file, AvroFile):
        return
    # What a configuration dumps has the columns beside the file that they came from.
    if payload.schema_ is not None and payload.schema_ != file.schema.columns:
        yield "payload.schema: found other columns than those of schema_file; leave it out"
    seen = {file.schema.fingerprint: "schema_file"}
    for index, writer in enumerate(payload.writer_schema_files or []):
        at = f"writer_schema_files[{index}]"
        twin = seen.setdefault(writer.schema.fingerprint, at)
        if twin != at:
            yield f"payload.{at}: found '{writer.path}', whose fingerprint is that of {twin}; leave it out"
        try:
            RowReader(writer.schema.record, file.schema.record)
        except SchemaError as error:
            yield f"payload.{at}: found '{writer.path}', which can't be read as schema_file: {error}"
