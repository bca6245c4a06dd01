"""The Glue Data Catalog: the payload's columns that come from it, and the entries that the job makes in it."""

from collections.abc import Iterator
from typing import Any, Final

from botocore.exceptions import ClientError

from streamjoin.aws.errors import Remedies, code_of, translated
from streamjoin.config.catalog_stages import CatalogTable
from streamjoin.config.schema_forms import GlueCatalogSchema
from streamjoin.doctor.context import Context
from streamjoin.doctor.finding import FAILURES, Finding, bad, good
from streamjoin.enrich.config.columns import check_columns
from streamjoin.enrich.config.enrich import EnrichConfig
from streamjoin.entry import entered_tables
from streamjoin.errors import ConfigError, SinkError
from streamjoin.rendering import counted
from streamjoin.replicate.config import ReplicateConfig
from streamjoin.schema.columns import schema_from_glue

_MISSING: Final = "EntityNotFoundException"
_REMEDIES: Final = Remedies(
    missing="",
    denied="Allow the actions of glue: that docs/glue.md lists; where Lake Formation governs, DESCRIBE and ALTER too.",
    throttled="Try again.",
    unreachable="Check the network, the credentials, glue.region and AWS_ENDPOINT_URL.",
)


def catalog(context: Context) -> Iterator[Finding]:
    """Read the payload's columns, and look at database and entry of each table that is to be in the catalog."""
    config = context.config
    if isinstance(config, EnrichConfig) and isinstance(config.payload.schema_, GlueCatalogSchema):
        table = config.payload.schema_.glue_catalog
        what = f"payload.schema {table.database}.{table.table}"
        client = context.client("glue", None, None)
        try:
            found = schema_from_glue(client, table.database, table.table)
            check_columns(config, found)
            yield good(what, f"{counted(len(found.names), 'column')}, which the configuration fits")
        except ConfigError as error:
            for problem in error.problems:
                yield bad(what, problem, "Correct the file, or the table in the catalog.")
        except FAILURES as error:
            yield Finding.of_error(what, error)
    if isinstance(config, ReplicateConfig):
        return
    tables = entered_tables(config)
    if not tables:
        yield good("catalog entries", "none are made: catalog: none")
    for each in tables:
        try:
            yield from _entry(context, each)
        except FAILURES as error:
            yield Finding.of_error(f"catalog entry {each}", error)


def _entry(context: Context, table: CatalogTable) -> Iterator[Finding]:
    what, glue = f"catalog entry {table}", table.glue
    client = context.client("glue", glue.region, glue.role_arn)
    of = {"CatalogId": glue.catalog_id} if glue.catalog_id else {}
    if _found(client.get_database, what, "GetDatabase", {**of, "Name": table.database}) is None:
        yield good(what, f"no database '{table.database}' yet: it is made with the first entry")
        return
    entries = (table.table_name, f"{table.table_name}_ro")
    there = [
        found["Table"]
        for name in entries
        if (found := _found(client.get_table, what, "GetTable", {**of, "DatabaseName": table.database, "Name": name}))
    ]
    if not there:
        yield good(what, "none yet: it is made after the first commit")
    for entry in there:
        location = str(entry.get("StorageDescriptor", {}).get("Location", "")).rstrip("/")
        if location == table.base_path.rstrip("/"):
            yield good(what, f"'{entry['Name']}' is there, at the table's base path")
        else:
            yield bad(
                what,
                f"'{entry['Name']}' is another table, at {location or 'no place'}",
                "Give sink.hudi another table_name or database; an entry of others is never changed.",
            )


def _found(call: Any, what: str, operation: str, request: dict[str, Any]) -> Any:
    with translated(SinkError, f"{what}: {operation}", _REMEDIES):
        try:
            return call(**request)
        except ClientError as error:
            if code_of(error) != _MISSING:
                raise
            return None
