"""How a captured table is set up: what `tables` of `job: capture` and `job: backfill` have in common."""

from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal, Self

import pyarrow as pa
from pydantic import AfterValidator, Field

from streamjoin.config.catalog_stages import Catalog, CatalogName, GlueSettings
from streamjoin.config.hudi_options import CaptureOptionName
from streamjoin.config.paths import TEMPLATE_MARK
from streamjoin.config.schema_forms import SchemaForms, Stage
from streamjoin.config.sink_stages import (
    ExpectedRows,
    Partitions,
    PartitionSettings,
    TableServices,
    TableType,
)
from streamjoin.config.values import (
    Choice,
    ColumnName,
    ColumnNames,
    Matching,
    OptionValue,
    Seconds,
    Text,
    check_path,
    refuse,
)

ALL_OTHERS: Final = "*"
"""The table_name of a template: for every table that has no entry of its own."""
CHANGED_AT: Final = "changed_at"
"""Stands for the time of the change, if a partition names what it is made from."""
DAY_OF_CHANGE: Final = "dt"
"""The partition column of a changelog that names none: the day of the change."""

CapturedName = Annotated[
    str, Matching(r"\*|[A-Za-z0-9_.-]{3,255}", "3 to 255 letters, digits and _ . -, or '*' for all other tables")
]


def _template_path(value: str) -> str:
    if value.startswith("s3://") and TEMPLATE_MARK in value.removeprefix("s3://").partition("/")[0]:
        refuse("allowed: {table} behind the bucket")
    # A word of the kind that the mark stands for: what else is wrong with the path is found all the same.
    check_path(value.replace(TEMPLATE_MARK, "table"))
    return value.rstrip("/")


TemplatePath = Annotated[str, AfterValidator(_template_path)]
TemplateName = Annotated[
    str,
    Matching(
        r"(?:[a-z0-9_]|\{table\})+",
        "lower-case letters, digits and _ (what Athena can name); in a template also {table}",
    ),
]


class CapturePartitionSettings(PartitionSettings):
    """One level of the table's partitions; a bare name stands for a column, or an attribute of that name."""

    from_: Text | None = Field(default=None, alias="from")
    """Column or attribute that the value is made from, also a dropped one; or changed_at, the time of the change."""


class CaptureHudiSettings(Stage):
    """The Hudi table that items or changes are upserted into."""

    base_path: TemplatePath
    """Where the table is: s3://bucket/prefix, file:/path or a local path; in a template with {table} in it."""
    database: CatalogName = "default"
    """Database of the table."""
    table_name: TemplateName
    """Name of the table; in a template with {table} in it."""
    record_key: ColumnNames = Field(default_factory=list)
    """Columns by which users know an item: none of them is null. Rows are found by the item's own key in any case."""
    partition_by: list[CapturePartitionSettings] = Field(default_factory=list)
    """Levels of partitions, hive style. Default: none; of a changelog dt, the day of the change as yyyyMMdd."""
    partitions: Partitions | None = None
    """Whether rows may move to another partition. Default: may_move, unless nothing can move them."""
    expected_rows: ExpectedRows | None = None
    """How many rows the table will have; decides its buckets when it is made, or how large its files become."""
    table_type: TableType = "COPY_ON_WRITE"
    """How Hudi keeps changes."""
    table_services: TableServices = "job"
    """Who compacts the table and deletes files that no reader needs any more."""
    options: dict[CaptureOptionName, OptionValue] = Field(default_factory=dict)
    """More options of Hudi (hoodie.*), but for those that streamjoin sets itself."""
    catalog: Catalog = "none"
    """Catalog that the table is entered in."""
    glue: GlueSettings | None = None
    """How it is entered in the Glue Data Catalog; with catalog: glue."""


class CaptureSinkSettings(Stage):
    """Where rows go."""

    hudi: CaptureHudiSettings
    """A Hudi table."""


class CaptureTableSettings(Stage):
    """One DynamoDB table, and the table of the lake that it becomes."""

    table_name: CapturedName
    """Name of the DynamoDB table; '*' makes the entry a template for all tables without one."""
    layout: Annotated[
        Literal["current", "changelog"],
        Choice(current="One row an item, as the item is now.", changelog="One row a change, kept for ever."),
    ] = "current"
    """What a row is."""
    schema_: Annotated[pa.Schema, SchemaForms(catalog=False)] | None = Field(default=None, alias="schema")
    """Attributes that become columns, and their types: DDL text or a list of {name, type}. Default: none declared."""
    undeclared: Annotated[
        Literal["keep", "evolve", "drop"],
        Choice(
            keep="They are kept as JSON text, in the column _attributes.",
            evolve="Each becomes a column of its own, whose type widens as values need it.",
            drop="They are left out.",
        ),
    ] = "keep"
    """What becomes of attributes that schema doesn't name; a changelog has them in its images, but with drop."""
    drop: ColumnNames = Field(default_factory=list)
    """Attributes that are left out, of images too; also of the primary key, by which rows are found all the same."""
    rename: dict[Text, ColumnName] = Field(default_factory=dict)
    """Other names for columns: attribute to column."""
    tombstone_hours: Seconds = 24
    """How long a removed item is remembered, so that a late change doesn't bring it back; of layout current."""
    expired: Annotated[
        Literal["remove", "keep"],
        Choice(remove="Its row is deleted, as if it had been removed.", keep="Its row stays as it was."),
    ] = "remove"
    """What becomes of an item that DynamoDB removed since its Time to Live was over; of layout current."""
    sink: CaptureSinkSettings
    """Where rows go."""

    def for_table(self, table_name: str) -> Self:
        """Return this entry, if it is a template, as that of the DynamoDB table `table_name`."""
        if self.table_name != ALL_OTHERS:
            return self
        hudi = self.sink.hudi
        names = {
            "base_path": hudi.base_path.replace(TEMPLATE_MARK, table_name),
            "table_name": hudi.table_name.replace(TEMPLATE_MARK, catalog_name(table_name)),
        }
        sink = self.sink.model_copy(update={"hudi": hudi.model_copy(update=names)})
        changes: dict[str, Any] = {"table_name": table_name, "sink": sink}
        return self.model_copy(update=changes)


def catalog_name(table_name: str) -> str:
    """Return the name of a DynamoDB table as Athena can take it: lower case, with _ for . and -."""
    return table_name.lower().replace(".", "_").replace("-", "_")


def summary_of_tables(tables: Iterable[CaptureTableSettings]) -> str:
    """Return in words where the changes of each table go."""
    return ", ".join(
        f"{'all other tables' if t.table_name == ALL_OTHERS else repr(t.table_name)} ({t.layout}) into "
        f"'{t.sink.hudi.table_name}' at {t.sink.hudi.base_path}"
        for t in tables
    )
