"""A key whose value is the path of an Avro schema, read when the configuration is checked."""

from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

# Reads a path as that of the configuration itself is read.
from streamjoin.config.file import read_text
from streamjoin.config.values import refuse
from streamjoin.errors import ConfigError, SchemaError
from streamjoin.records.avro.schema import AvroSchema, parse_avro_schema


@dataclass(frozen=True)
class AvroFile:
    """An Avro schema and the path that it was read from, local or `s3://bucket/key`."""

    path: str
    schema: AvroSchema


class AvroFilePath:
    """Takes a path, gives an `AvroFile`."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read the file; written out again it is its path."""
        return core_schema.no_info_plain_validator_function(
            _read_schema, serialization=core_schema.plain_serializer_function_ser_schema(_path_as_written)
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Describe the path."""
        return {"type": "string", "minLength": 1}


def _read_schema(value: object) -> AvroFile:
    if isinstance(value, AvroFile):
        return value
    if not isinstance(value, str) or not value.strip():
        refuse("allowed: the path of an Avro schema, on this machine or s3://bucket/key")
    try:
        return AvroFile(value, parse_avro_schema(read_text(value)))
    except ConfigError as error:
        refuse("; ".join(error.problems))
    except SchemaError as error:
        refuse(str(error))


def _path_as_written(value: object) -> object:
    return value.path if isinstance(value, AvroFile) else value
