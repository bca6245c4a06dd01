"""The types of a table that is never read whole: declared, of the last commit, or of a sample."""

from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from streamjoin.dynamodb.read.pages import projection, scan_pages
from streamjoin.dynamodb.read_pace import ReadUnits
from streamjoin.dynamodb.table import TableClient
from streamjoin.reference.followed.inferred import Uses, infer_types
from streamjoin.reference.followed.layout import Layout
from streamjoin.reference.lookup.calls import Target
from streamjoin.reference.lookup.key_values import KEY_TYPES
from streamjoin.reference.table import scan_page

SAMPLE_ITEMS = 1_000


@dataclass(frozen=True)
class Sample:
    """The types that a sample has, and what reading it cost."""

    types: pa.Schema
    consumed_read_units: float


def sampled_types(
    client: TableClient, target: Target, layout: Layout, uses: Uses, max_read_units_per_second: float | None
) -> Sample:
    """Infer types from the first page of a scan. Key attributes without a value have a type that fits the key's.

    Raises:
        ReferenceTableError: The page could not be read.
    """
    access = target.access
    limit = ReadUnits(max_read_units_per_second).page_limit(target.item_bytes, is_consistent=access.is_consistent)
    page = next(
        scan_pages(
            partial(scan_page, client, target.table_name),
            {
                "Limit": min(limit or SAMPLE_ITEMS, SAMPLE_ITEMS),
                "ConsistentRead": access.is_consistent,
                **projection(target.attributes),
                # An index may hold other items than the rest of the table has.
                **({"IndexName": access.index_name} if access.index_name else {}),
            },
        )
    )
    fields = {field.name: field for field in infer_types(page.items, layout, uses)}
    for attribute in access.attributes:
        if not any(attribute.name in item for item in page.items):
            fields[attribute.name] = pa.field(attribute.name, KEY_TYPES[attribute.type])
    return Sample(pa.schema(list(fields.values())), page.read_units)
