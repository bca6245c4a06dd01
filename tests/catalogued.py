"""Tables that the jobs write and enter in the catalog, and what the oracle makes of their input."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from streamjoin.aws.clients import aws_client
from streamjoin.enrich.pipeline import run
from streamjoin.entry import parse_config
from streamjoin.local.tables import create_stream

_SHARED: Final = (
    "at timestamp, day date, price decimal(10,2), large decimal(38,10), ratio double, flag boolean, "
    "tags array<string>, counts map<string,bigint>, place struct<City:string,lines:array<int>>, "
    "Label string, region string"
)
BEFORE: Final = f"id string, units int, {_SHARED}"
AFTER: Final = f"id string, units bigint, {_SHARED}, note string"
"""A column has come, and one has become wider."""
COLUMNS: Final = (
    *("id", "units", "at", "day", "price", "large", "ratio", "flag", "tags", "counts", "place", "label", "region"),
)
DAYS: Final = ("2026-01-30", "2026-01-31", "2026-02-01")
# Letters that a folder's name has as %XX.
REGIONS: Final = ("EU/West", "us east:1", "süd")

Event = Mapping[str, Any]


def event(number: int, day: str, **more: Any) -> Event:
    """Return an event of a day."""
    return {
        "id": f"k{number}",
        "units": number,
        "at": f"{day}T10:11:12.{number:03}Z",
        "day": day,
        "price": f"{number}.25",
        "large": f"{10**20 + number}.0000000001",
        "ratio": number / 4,
        "flag": number % 2 == 0,
        "tags": ["a", f"t{number}"],
        "counts": {"x": number},
        "place": {"City": f"c{number}", "lines": [1, number]},
        "Label": f"L{number}",
        "region": REGIONS[number % 3],
        **more,
    }


FIRST: Final = [event(number, DAYS[number % 3]) for number in range(9)]
FIRST_NULLS: Final = {**dict.fromkeys(FIRST[0]), "id": "nulls", "at": "2026-01-31T00:00:00Z", "region": "EU/West"}
SECOND: Final = [
    event(1, DAYS[1], units=2**40, note="changed"),
    event(4, DAYS[1], units=-1),
    event(20, DAYS[2], note="new"),
]


@dataclass
class Table:
    """One table of `job: enrich`, and the events that went into it.

    Args:
        bucket: Where it lies.
        name: In the catalog, in the database `lake`.
        table_type: Hudi's.
        by_day: Whether it has partitions.
        partition_by: Which ones. Default: by day and region.
    """

    bucket: str
    name: str
    table_type: str
    by_day: bool
    events: list[Event] = field(default_factory=list)
    partition_by: Sequence[Any] = ({"name": "dt", "from": "at", "format": "yyyyMMdd"}, "region")

    def __post_init__(self) -> None:
        create_stream(aws_client("kinesis"), self.name, 1)

    def run(self, events: Sequence[Event], schema: str) -> None:
        """Let the job process events, as a start with this schema does."""
        entries = [{"PartitionKey": e["id"], "Data": _payload(e)} for e in events]
        if not self.events:
            entries.append({"PartitionKey": "bad", "Data": b"{"})
        assert aws_client("kinesis").put_records(StreamName=self.name, Records=entries)["FailedRecordCount"] == 0
        self.events += events
        run(parse_config(self.document(schema)), until_caught_up=True)

    def document(self, schema: str) -> dict[str, Any]:
        """Return the job's configuration."""
        hudi = {
            "base_path": f"s3://{self.bucket}/lake/{self.name}",
            "database": "lake",
            "table_name": self.name,
            "record_key": ["id"],
            "partition_by": list(self.partition_by) if self.by_day else [],
            "delete_when": "units < 0",
            "table_type": self.table_type,
            "options": {"hoodie.compact.inline.max.delta.commits": "2"},
            "table_services": "maintain",
            "catalog": "glue",
            "glue": {"tombstones": True, "comments": {"units": "Pieces."}},
        }
        return {
            "job": "enrich",
            "name": self.name,
            "source": {"kinesis": {"stream_name": self.name}},
            "payload": {"schema": schema},
            "sink": {"hudi": hudi},
            "dead_letters": {
                "base_path": f"s3://{self.bucket}/lake/{self.name}_letters",
                "catalog": "glue",
                "database": "lake",
            },
        }

    def expected(self, columns: Sequence[str] = COLUMNS) -> list[list[Any]]:
        """Return the rows that the table has by now, as Trino gives them, in the order of their ids."""
        newest = {e["id"]: e for e in self.events}
        kept = [e for _, e in sorted(newest.items()) if (e["units"] or 0) >= 0]
        return [[_shown(column, e) for column in columns] for e in kept]


def _payload(found: Event) -> bytes:
    # No float has so many digits.
    return re.sub(r'("(?:price|large)": )"([^"]*)"', r"\1\2", json.dumps(found)).encode()


def _shown(column: str, found: Event) -> Any:
    if column == "dt":
        return found["at"][:10].replace("-", "")
    value = found.get("Label" if column == "label" else column)
    if value is None:
        return None
    if column == "at":
        return value.replace("T", " ").removesuffix("Z").ljust(19) + ("" if "." in value else ".000")
    if column == "place":
        return [value["City"], value["lines"]]
    return value
