"""The part of a configuration that says in which catalog tables are entered, and as what."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from streamjoin.aws.storage import is_s3
from streamjoin.config.problems import dotted, shown
from streamjoin.config.schema_forms import Stage
from streamjoin.config.stage_columns import Columns
from streamjoin.config.stages import Region, RoleArn
from streamjoin.config.values import Choice, Matching, Text

# Athena and Glue take 255. What is called after a table has up to 13 more, as `_dead_letters`.
CatalogName = Annotated[
    str, Matching(r"[a-z0-9_]{1,240}", "lower-case letters, digits and _ (what Athena can name), 240 of them at most")
]
Catalog = Annotated[
    Literal["none", "glue"],
    Choice(
        none="The table is not entered in a catalog.",
        glue="It is entered in the AWS Glue Data Catalog, for Athena, Redshift Spectrum, EMR and Trino.",
    ),
]
# Source: Column in the API reference of Glue.
Comment = Annotated[str, Matching(r"[^\x00-\x1f]{1,255}", "one line of 1 to 255 characters")]


class CatalogAccess(Stage):
    """Which Glue Data Catalog, and how it is reached."""

    region: Region | None = None
    """Region of the catalog. Default: the SDK's."""
    role_arn: RoleArn | None = None
    """Role to assume through STS, for a catalog of another account."""
    catalog_id: Annotated[str, Matching(r"[0-9]{12}", "the 12 digits of an account")] | None = None
    """Account whose catalog it is, if it shares that with this one. Default: that of the credentials."""


class GlueSettings(CatalogAccess):
    """How a table is entered in the Glue Data Catalog."""

    comments: dict[Text, Comment] = Field(default_factory=dict)
    """Comments of columns: column to text. A column that has none here keeps the one that it has in the catalog."""
    tombstones: bool = False
    """Whether the removed rows that are remembered are entered too, as the table `<table_name>_tombstones`."""


def entry_settings(catalog: str, glue: CatalogAccess | None) -> GlueSettings | None:
    """Return how a table is entered in the Glue Data Catalog; None: it is not."""
    if catalog != "glue":
        return None
    return glue if isinstance(glue, GlueSettings) else GlueSettings.model_validate(glue.model_dump() if glue else {})


@dataclass(frozen=True)
class CatalogTable:
    """A Hudi table that is to be in the catalog.

    Args:
        base_path: Where it is, on S3.
        database: Its database in the catalog.
        table_name: Its name there, and the beginning of the names of its entries.
        glue: How it is entered.
    """

    base_path: str
    database: str
    table_name: str
    glue: GlueSettings = field(default_factory=GlueSettings)

    def __str__(self) -> str:
        return f"{self.database}.{self.table_name}"


def entered(
    base_path: str, database: str, table_name: str, catalog: str, glue: CatalogAccess | None
) -> Iterator[CatalogTable]:
    """Yield the table if it is to be in the Glue Data Catalog."""
    if (settings := entry_settings(catalog, glue)) is not None:
        yield CatalogTable(base_path, database, table_name, settings)


@dataclass(frozen=True)
class Catalogued:
    """What one table's settings say of a catalog; they may be a draft.

    Args:
        at: The key of the settings.
        base_path: Where the table is.
        catalog: Which catalog.
        glue: How it is entered.
        database: Its database.
        names: The names that it may take there.
    """

    at: str
    base_path: str | None
    catalog: str | None
    glue: CatalogAccess | None
    database: str | None
    names: tuple[str, ...] = ()


def entry_names(table_name: str | None, table_type: str | None, *, tombstones: bool) -> tuple[str, ...]:
    """Return what the entries of a table are called: one, or if it merges on read two."""
    if not table_name:
        return ()
    names = (f"{table_name}_ro", f"{table_name}_rt") if table_type == "MERGE_ON_READ" else (table_name,)
    return (*names, f"{table_name}_tombstones") if tombstones else names


def comment_problems(glue: object, columns: Columns, own: frozenset[str], at: str) -> Iterator[str]:
    """Yield which comments are of a column that a table doesn't have.

    Args:
        glue: The table's settings of the catalog, or a draft.
        columns: Its columns, as far as they are known.
        own: Those that streamjoin gives it.
        at: The key of the table's settings.
    """
    for name in (glue.comments or {}) if isinstance(glue, GlueSettings) else {}:
        missing = columns.missing(name)
        if missing and name not in own and not name.startswith("_hoodie_"):
            yield f"{at}.{dotted(('glue', 'comments', name))}: the table has no such column; {missing}"


def catalog_problems(tables: list[Catalogued]) -> Iterator[str]:
    """Yield what can't be of the tables that one file enters in catalogs."""
    taken: dict[tuple[object, ...], str] = {}
    for table in tables:
        if table.glue is not None and table.catalog == "none":
            yield f"{table.at}.glue: allowed with catalog: glue only; found catalog: none"
        if table.catalog != "glue":
            continue
        if table.base_path is not None and not is_s3(table.base_path):
            yield (
                f"{table.at}.catalog: found glue, with base_path {shown(table.base_path)}, which no reader of the "
                "catalog can open; give a base_path on s3://, or set catalog: none"
            )
        access = (table.glue.region, table.glue.catalog_id) if isinstance(table.glue, CatalogAccess) else (None, None)
        for name in table.names:
            key = (*access, table.database, name)
            if key in taken:
                yield (
                    f"{table.at}: its entry in the catalog would be '{table.database}.{name}', as one of {taken[key]}; "
                    "give one of them another name or database"
                )
            taken[key] = table.at
