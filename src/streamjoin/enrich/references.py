"""The references of a job: in which mode each is read, and which share a table's feed."""

import logging
from collections.abc import Sequence
from typing import TypeAlias

from pyspark.sql import SparkSession

from streamjoin.aws.clients import aws_client
from streamjoin.config.stages import DynamoDbSettings, ReferenceSettings, RefreshSettings
from streamjoin.enrich.job import AnyReference
from streamjoin.reference.followed.feed import TableFeed
from streamjoin.reference.followed.reference import Reference, own_feed
from streamjoin.reference.lookup.keys import describe_index, plan_lookup
from streamjoin.reference.lookup.reference import LookupReference
from streamjoin.reference.table import TableClient, describe

log = logging.getLogger(__name__)

# With `mode: auto`: about 0.6 GB in the driver.
SNAPSHOT_ITEMS = 1_000_000

Feeds: TypeAlias = list[tuple[tuple[DynamoDbSettings, RefreshSettings], TableFeed]]


def references_of(configured: Sequence[ReferenceSettings], spark: SparkSession) -> tuple[AnyReference, ...]:
    """Return the references in the order of the configuration; no item is read yet.

    Raises:
        ReferenceTableError: With `mode: auto`: the table can't be described.
    """
    feeds: Feeds = []
    return tuple(_reference(settings, spark, feeds) for settings in configured)


def _reference(settings: ReferenceSettings, spark: SparkSession, feeds: Feeds) -> AnyReference:
    table = settings.dynamodb
    client: TableClient = aws_client("dynamodb", table.region, table.role_arn)
    if settings.mode == "lookup" or (settings.mode == "auto" and _is_for_lookup(settings, client)):
        return LookupReference(settings, client=client, spark=spark)
    # How stale each may get is its own affair; all else decides how the table is read.
    read = (table, settings.refresh.model_copy(update={"max_staleness_seconds": 0}))
    feed = next((each for known, each in feeds if known == read), None)
    if feed is None:
        feed = own_feed(settings, client)
        feeds.append((read, feed))
    return Reference(settings, client=client, spark=spark, feed=feed)


def _is_for_lookup(settings: ReferenceSettings, client: TableClient) -> bool:
    """Choose for `mode: auto`: a table too large for the driver is looked up, where its keys allow it."""
    table = settings.dynamodb
    description = describe(client, table.table_name)
    if settings.on_change == "rewrite_rows" or description.items <= SNAPSHOT_ITEMS:
        return False
    index = None if table.index_name is None else describe_index(client, table.table_name, table.index_name)
    found = plan_lookup(description, list(settings.on.values()), index) is not None
    log.info(
        "reference '%s': table '%s' has %d items; mode auto takes %s",
        *(settings.name, table.table_name, description.items, "lookup" if found else "snapshot"),
    )
    return found
