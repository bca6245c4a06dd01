"""A stream with good, late, doubled and bad records, the job over it, and what the oracle makes of them."""

import json
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from streamjoin.aws.clients import aws_client
from streamjoin.local.tables import create_stream, create_table, put_items
from streamjoin.query import query
from tests.e2e.job_file import JobFile
from tests.oracle import EVENT_SCHEMA, Record, expected_table
from tests.small_tables import ONE_BUCKET

COUNTRIES = {"India": "IN-India", "USA": "US-USA"}
BAD = [b"", b"{", b"\xff", b"[1]", b'{"id": "x", "at": "1/1/10", "amount": "7"}', b'{"id": "y", "at": "13/1/12"}']


def events(count: int, seed: int) -> list[tuple[str, bytes]]:
    """Return partition keys and payloads; a tenth is bad, many share a record key."""
    chance = random.Random(seed)
    made = []
    for index in range(count):
        key = f"k{chance.randrange(count // 3)}"
        event = {
            "id": key,
            "country": chance.choice(["India", "USA", "Atlantis"]),
            "at": f"{chance.randint(1, 12)}/{chance.randint(1, 28)}/{chance.randint(10, 12)}",
            "amount": index,
        }
        made.append((key, chance.choice(BAD) if index % 10 == 3 else json.dumps(event).encode()))
    return made


def committed_counts(base_path: str) -> list[dict[str, int]]:
    """Return the counts of every commit of rows, as they stand in the timeline's own files."""
    commits = sorted(Path(base_path, ".hoodie").glob("*commit"))
    extra = [json.loads(commit.read_text())["extraMetadata"] for commit in commits]
    return [json.loads(metadata["streamjoin.counts"]) for metadata in extra if "streamjoin.counts" in metadata]


@dataclass
class Scenario(JobFile):
    """One job with a stream, reference table and lake of its own."""

    folder: Path
    name: str
    base: str = ""
    changes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.base = self.base or str(self.folder / "lake")
        self.stream, self.countries = f"stream-{self.name}", f"countries-{self.name}"
        create_stream(aws_client("kinesis"), self.stream, 4)
        create_table(aws_client("dynamodb"), self.countries, {"code": "S", "countryname": "S"})
        self.set_countries(COUNTRIES)
        self.config = self.folder / f"{self.name}.yaml"
        self.config.write_text(yaml.safe_dump(self.document()))

    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = {
            "job": "enrich",
            "name": self.name,
            "source": {"kinesis": {"stream_name": self.stream}},
            "payload": {"format": "json", "schema": EVENT_SCHEMA},
            "references": [
                {
                    "name": "country",
                    "dynamodb": {"table_name": self.countries},
                    "on": {"country": "countryname"},
                    "columns": ["combinedname"],
                    "refresh": {"follow": "changes", "max_staleness_seconds": 60},
                }
            ],
            "sink": {
                "hudi": {
                    "base_path": f"{self.base}/t",
                    "database": "test",
                    "table_name": "t",
                    "record_key": ["id"],
                    "ordering": {"column": "at", "format": "M/d/yy"},
                    "options": dict(ONE_BUCKET),
                }
            },
            "dead_letters": {"base_path": f"{self.base}/dead"},
            "limits": {"max_records_per_batch": 100},
            "trigger": {"interval_seconds": 0.2},
        }
        for path, value in self.changes.items():
            *parents, last = path.split(".")
            place: Any = document
            for parent in parents:
                place = place[int(parent) if parent.isdigit() else parent]
            place[last] = value
        return document

    def set_countries(self, countries: dict[str, str]) -> None:
        items = [{"code": text[:2], "countryname": name, "combinedname": text} for name, text in countries.items()]
        put_items(aws_client("dynamodb"), self.countries, items)

    def put(self, payloads: list[tuple[str, bytes]]) -> None:
        client = aws_client("kinesis")
        for start in range(0, len(payloads), 400):
            entries = [{"PartitionKey": key, "Data": data} for key, data in payloads[start : start + 400]]
            assert client.put_records(StreamName=self.stream, Records=entries)["FailedRecordCount"] == 0

    def records(self) -> list[Record]:
        """Read the stream back with plain boto3, in the order of each shard."""
        client, found = aws_client("kinesis"), []
        for shard in client.list_shards(StreamName=self.stream)["Shards"]:
            iterator = client.get_shard_iterator(
                StreamName=self.stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            while True:
                page = client.get_records(ShardIterator=iterator)
                found += [Record(shard["ShardId"], int(r["SequenceNumber"]), r["Data"]) for r in page["Records"]]
                if not page["Records"] and page["MillisBehindLatest"] == 0:
                    break
                iterator = page["NextShardIterator"]
        return found

    def check(self, reference: dict[str, str] = COUNTRIES, records: list[Record] | None = None) -> None:
        """Compare table and dead letters with what the oracle makes of records, by default all of the stream."""
        expected = expected_table(self.records() if records is None else records, reference)
        sql = 'select id, country, "at", amount, combinedname, _ordering_us from t'
        found = query(f"{self.base}/t", sql).to_pylist()
        assert len(found) == len(expected.rows)
        assert {row["id"]: row for row in found} == expected.rows
        sql = "select shard_id, sequence_number, reason, data from t"
        letters = query(f"{self.base}/dead", sql).to_pylist() if expected.dead_letters else []
        assert len(letters) == len(expected.dead_letters)
        reasons = {(letter["shard_id"], int(letter["sequence_number"])): letter["reason"] for letter in letters}
        assert reasons == expected.dead_letters
