"""The forms in which a configuration gives a schema."""

from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from streamjoin.config.values import Text, refuse
from streamjoin.errors import SchemaError
from streamjoin.schema.columns import schema_from_columns
from streamjoin.schema.ddl import parse_schema, to_ddl


class Stage(BaseModel):
    """What all parts of a configuration have in common: they never change, and know their keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class GlueTable(Stage):
    """A table of the Glue Data Catalog."""

    database: Text
    """Database in the catalog."""
    table: Text
    """Table in the catalog."""


class GlueCatalogSchema(Stage):
    """A schema that is read from the Glue Data Catalog when the job starts."""

    glue_catalog: GlueTable
    """The table whose columns an event has."""


class SchemaForms:
    """Checks the forms of a schema: DDL text, a list of `{name, type}`, and for a payload a catalog table."""

    def __init__(self, *, catalog: bool) -> None:
        self._catalog = catalog

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Parse the two forms that can be checked here; leave the third to its model."""
        return core_schema.no_info_wrap_validator_function(
            self._parse,
            handler.generate_schema(GlueCatalogSchema),
            serialization=core_schema.plain_serializer_function_ser_schema(_schema_as_written),
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Describe the forms."""
        column = {
            "type": "object",
            "properties": {
                "name": {"type": "string", "description": "Name of the column."},
                "type": {"type": "string", "description": "Its type, such as decimal(10,2)."},
            },
            "required": ["name", "type"],
            "additionalProperties": False,
        }
        forms: list[dict[str, Any]] = [
            {"type": "string", "description": "Columns as DDL: name type, name type."},
            {"type": "array", "items": column, "minItems": 1},
        ]
        if self._catalog:
            forms.append(handler(schema))
        return {"anyOf": forms}

    def _parse(self, value: object, handler: core_schema.ValidatorFunctionWrapHandler) -> object:
        try:
            if isinstance(value, str):
                return parse_schema(value)
            if isinstance(value, list):
                return schema_from_columns(value)
        except SchemaError as error:
            refuse(str(error))
        if isinstance(value, pa.Schema):
            return value
        if not self._catalog or not isinstance(value, dict | GlueCatalogSchema):
            forms = "DDL text such as 'id string, total int', or a list of {name, type}"
            refuse(f"allowed: {forms}" + (", or {glue_catalog: {database, table}}" if self._catalog else ""))
        return handler(value)


def _schema_as_written(value: object) -> object:
    if isinstance(value, pa.Schema):
        return to_ddl(value)
    return value.model_dump(by_alias=True) if isinstance(value, Stage) else value
