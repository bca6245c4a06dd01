"""A capture job over the emulator's tables, and what its tables hold beside what the sources have."""

import itertools
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from streamjoin.aws.clients import aws_client
from streamjoin.capture.config.capture import CaptureConfig, journal_path
from streamjoin.capture.pipeline import run
from streamjoin.dynamodb.attribute_json import from_json
from streamjoin.entry import load_job
from streamjoin.query import query
from streamjoin.streaming.runner import RunSummary
from streamjoin.verify import verify_journal
from tests.changes.oracle import Source
from tests.small_tables import ONE_BUCKET

_counter = itertools.count()

SCHEMA = "id string, quantity bigint"


@dataclass
class Captured:
    """One DynamoDB table, and what happened to it."""

    name: str
    source: Source = field(default_factory=Source)

    def put(self, key: str, **attributes: Any) -> None:
        """Write an item."""
        item = {"id": key, **attributes}
        self.source.put(key, item)
        serialize = TypeSerializer().serialize
        aws_client("dynamodb").put_item(TableName=self.name, Item={n: serialize(v) for n, v in item.items()})

    def remove(self, key: str) -> None:
        """Delete an item."""
        self.source.remove(key)
        aws_client("dynamodb").delete_item(TableName=self.name, Key={"id": {"S": key}})

    def scan(self) -> dict[str, dict[str, Any]]:
        """Return the table's own content."""
        deserialize = TypeDeserializer().deserialize
        found = aws_client("dynamodb").scan(TableName=self.name)["Items"]
        items = [{name: deserialize(value) for name, value in item.items()} for item in found]
        return {item["id"]: item for item in items}

    def forward_to(self, stream: str) -> None:
        """Let the emulator put the table's changes into a Kinesis stream."""
        arn = aws_client("kinesis").describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamARN"]
        aws_client("dynamodb").enable_kinesis_streaming_destination(TableName=self.name, StreamArn=arn)


@dataclass
class Capture:
    """A job, and the lake that it writes.

    Args:
        base: Where the lake is.
        source: The job's source.
        tables: Its tables.
        more: More keys of the configuration.
    """

    base: str
    source: Mapping[str, Any]
    tables: list[dict[str, Any]]
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def config(self) -> CaptureConfig:
        """The checked configuration."""
        document = {
            "job": "capture",
            "name": "test",
            "source": self.source,
            "tables": self.tables,
            "dead_letters": {"base_path": f"{self.base}/dead"},
            "trigger": {"interval_seconds": 0.1},
            **self.more,
        }
        config = load_job(document)
        assert isinstance(config, CaptureConfig)
        return config

    def run(self, on_step: Callable[[str], None] = lambda step: None, **until: Any) -> RunSummary:
        """Run the job until it has caught up."""
        return run(self.config, on_step=on_step, **({"until_caught_up": True} | until))

    def items(self, name: str) -> dict[str, dict[str, Any]]:
        """Return the items that a table of layout current has, as the source would."""
        sql = "select id, quantity, _attributes, _item_key from t"
        found = query(f"{self.base}/{name}", sql).to_pylist()
        assert len({row["_item_key"] for row in found}) == len(found), "an item is there twice"
        return {row["_item_key"]: _item(row) for row in found}

    def changes(self, name: str) -> list[tuple[str, str, Any]]:
        """Return the changes that a table of layout changelog has, in order: operation, key, new quantity."""
        sql = "select operation, _item_key, new_image, _change_id from t order by _order"
        found = query(f"{self.base}/{name}", sql).to_pylist()
        assert len({row["_change_id"] for row in found}) == len(found), "a change is there twice"
        return [(row["operation"], row["_item_key"], plain(row["new_image"])) for row in found]

    def check_proof(self) -> None:
        """Make sure that the journal proves that nothing was read twice or left out."""
        config = self.config
        found = verify_journal(journal_path(config), config.dead_letters.base_path)
        assert found.holds, "\n".join(found.lines())


def entry(name: str, base: str, *, layout: str = "current", **changes: Any) -> dict[str, Any]:
    """Return a table's part of the configuration; `hudi` has more keys of its sink."""
    hudi = {"base_path": f"{base}/{name}", "table_name": "t_" + name.replace("-", "_"), **changes.pop("hudi", {})}
    hudi["options"] = {**ONE_BUCKET, **hudi.get("options", {})}
    return {"table_name": name, "layout": layout, "schema": SCHEMA, "sink": {"hudi": hudi}, **changes}


def told(source: Source) -> list[tuple[str, str, Any]]:
    """Return what a changelog of the source's changes holds."""
    return [(change.operation, change.key, change.new) for change in source.told]


def _item(row: Mapping[str, Any]) -> dict[str, Any]:
    values = {name: row[name] for name in ("id", "quantity") if row[name] is not None}
    return {**values, **(plain(row["_attributes"]) or {})}


def plain(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    deserialize = TypeDeserializer().deserialize
    return {name: deserialize(value) for name, value in from_json(text).items()}


def live(table: Captured, seed: int, changes: int = 30) -> None:
    """Let items come, change and go."""
    chance = random.Random(seed)
    for number in range(changes):
        key = f"k{chance.randrange(8)}"
        if chance.random() < 0.3:
            table.remove(key)
        else:
            # Never the same again: a change that changes nothing is one to the emulator alone.
            note = {"tags": {"a", "b"}, "number": next(_counter)}
            table.put(key, quantity=number, note=note, price=Decimal("1.50"))
