"""The Glue Data Catalog: the payload's columns that come from it."""

from collections.abc import Iterator

from streamjoin.config.schema_forms import GlueCatalogSchema
from streamjoin.doctor.context import Context
from streamjoin.doctor.finding import Finding, bad, good
from streamjoin.doctor.sizes import counted
from streamjoin.enrich.config.columns import check_columns
from streamjoin.enrich.config.enrich import EnrichConfig
from streamjoin.errors import ConfigError
from streamjoin.schema.columns import schema_from_glue


def catalog(context: Context) -> Iterator[Finding]:
    """Read the payload's columns, and hold the configuration against them."""
    config = context.config
    if not isinstance(config, EnrichConfig) or not isinstance(config.payload.schema_, GlueCatalogSchema):
        yield good("catalog", "the job reads nothing of it")
        return
    table = config.payload.schema_.glue_catalog
    what = f"payload.schema {table.database}.{table.table}"
    found = schema_from_glue(context.client("glue", None, None), table.database, table.table)
    try:
        check_columns(config, found)
    except ConfigError as error:
        for problem in error.problems:
            yield bad(what, problem, "Correct the file, or the table in the catalog.")
    else:
        yield good(what, f"{counted(len(found.names), 'column')}, which the configuration fits")
