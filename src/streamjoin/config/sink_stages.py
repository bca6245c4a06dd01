"""The last part of the data path in a configuration: the table that rows go to, and where rejected records go."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema

from streamjoin.config.catalog_stages import (
    Catalog,
    CatalogAccess,
    CatalogName,
    CatalogTable,
    Catalogued,
    GlueSettings,
    entered,
)
from streamjoin.config.hudi_options import HudiOptionName
from streamjoin.config.schema_forms import Stage
from streamjoin.config.values import (
    Choice,
    ColumnName,
    ColumnNames,
    FormattingPattern,
    OptionValue,
    ParsingPattern,
    Path,
    Seconds,
    Text,
    Zone,
)

TableType = Annotated[
    Literal["COPY_ON_WRITE", "MERGE_ON_READ"],
    Choice(
        COPY_ON_WRITE="Files are rewritten; fastest to query.",
        MERGE_ON_READ="Changes are appended; fastest to write.",
    ),
]
Partitions = Annotated[
    Literal["may_move", "fixed"],
    Choice(
        may_move="A row whose partition changes is deleted from the old one, in the same commit.",
        fixed="A promise: a record key never changes its partition. Nothing is looked up; broken, it leaves two rows.",
    ),
]
TableServices = Annotated[
    Literal["job", "maintain"],
    Choice(
        job="The job itself, beside its batches.",
        maintain="streamjoin maintain CONFIG, a process of its own; the job only plans.",
    ),
]
ExpectedRows = Annotated[int, Field(ge=1)]


class OrderingSettings(Stage):
    """Which of several events with one record key is the newest."""

    column: Text
    """Column with the ordering value: a time, a date or an integer; it may be dropped from the output."""
    format: ParsingPattern | None = None
    """Java DateTimeFormatter pattern of a text column, such as M/d/yy. Default: ISO 8601."""


class PartitionSettings(Stage):
    """One level of the table's partitions; a bare name stands for a column of the output."""

    name: ColumnName
    """Name of the partition's column."""
    from_: Text | None = Field(default=None, alias="from")
    """Column that the value is made from; it may be left out of the output."""
    format: FormattingPattern | None = None
    """Java DateTimeFormatter pattern of the value, such as yyyyMMdd; needs from. Default: the text as it is."""
    zone: Zone = "UTC"
    """Time zone in which a time becomes a date."""

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Allow the bare name."""
        return {"anyOf": [{"type": "string"}, handler.resolve_ref_schema(handler(schema))]}

    @model_validator(mode="before")
    @classmethod
    def _bare_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


class HudiSettings(Stage):
    """The Hudi table that rows are upserted into."""

    base_path: Path
    """Where the table is: s3://bucket/prefix, file:/path or a local path."""
    database: CatalogName = "default"
    """Database of the table."""
    table_name: CatalogName
    """Name of the table."""
    record_key: Annotated[ColumnNames, Field(min_length=1)]
    """Columns of the output that tell rows apart."""
    ordering: OrderingSettings | None = None
    """Which event of a record key is the newest. Default: the one that arrived last."""
    partition_by: list[PartitionSettings] = Field(default_factory=list)
    """Levels of partitions, hive style; none by default."""
    delete_when: Text | None = None
    """SQL over the event's own columns: where it is true the row is deleted, if the event is the newest of its key."""
    tombstone_hours: Seconds | None = None
    """How long a deleted row is remembered, so that no late event brings it back; with delete_when. Default: 24."""
    partitions: Partitions | None = None
    """Whether rows may move to another partition. Default: may_move, unless nothing can move them."""
    expected_rows: ExpectedRows | None = None
    """How many rows the table will have; decides its buckets when it is made, or how large its files become."""
    table_type: TableType = "COPY_ON_WRITE"
    """How Hudi keeps changes."""
    table_services: TableServices = "job"
    """Who compacts the table and deletes files that no reader needs any more."""
    options: dict[HudiOptionName, OptionValue] = Field(default_factory=dict)
    """More options of Hudi (hoodie.*), but for those that streamjoin sets itself."""
    catalog: Catalog = "none"
    """Catalog that the table is entered in."""
    glue: GlueSettings | None = None
    """How it is entered in the Glue Data Catalog; with catalog: glue."""


class SinkSettings(Stage):
    """Where rows go."""

    hudi: HudiSettings
    """A Hudi table."""


class DeadLetterSettings(Stage):
    """Where rejected records go."""

    base_path: Path
    """Where the dead letters are; neither inside nor around the table's base_path."""
    catalog: Catalog = "none"
    """Catalog that the table of dead letters is entered in."""
    database: CatalogName = "default"
    """Its database there."""
    glue: CatalogAccess | None = None
    """How it is entered in the Glue Data Catalog; with catalog: glue."""


def letters_catalogued(letters: DeadLetterSettings, names: tuple[str, ...]) -> Catalogued:
    """Return what the settings of dead letters, or a draft of them, say of a catalog.

    Args:
        letters: The settings.
        names: What their table is called.
    """
    return Catalogued("dead_letters", letters.base_path, letters.catalog, letters.glue, letters.database, names)


def entered_letters(letters: DeadLetterSettings, table_name: str) -> Iterator[CatalogTable]:
    """Yield the table of dead letters if it is to be in the Glue Data Catalog, under `<table_name>_dead_letters`."""
    yield from entered(letters.base_path, letters.database, f"{table_name}_dead_letters", letters.catalog, letters.glue)
