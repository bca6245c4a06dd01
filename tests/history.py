"""What a job commits over its life, made up: batches, drained and new shards, rewrites, redrives, set positions."""

import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any

import pyarrow as pa

from streamjoin.history import checkpoint
from streamjoin.shards.position import DRAINED, LostRange, Position, PositionKind, ShardPosition, ShardRange

Metadata = dict[str, str]
LETTER_COLUMNS = ("dead_letter_id", "shard_id", "sequence_number", "reason")


def at(number: int) -> ShardPosition:
    return ShardPosition(PositionKind.AFTER, sequence_number=str(number))


class JobHistory:
    """Gives each commit's metadata to `commit`, as a job that makes no mistake would.

    Record n of a shard has the sequence number n, from 1 on.
    """

    def __init__(self, commit: Callable[[Metadata], object]) -> None:
        self._commit = commit
        self._made = 0
        self.position = Position("orders", {})
        self.version = 1
        self.letters: dict[str, tuple[str, ...]] = {}
        self.stream_of: dict[str, str] = {}

    def start(self, *shards: str) -> None:
        horizon = ShardPosition(PositionKind.TRIM_HORIZON)
        self.position = Position("orders", dict.fromkeys(shards, horizon))
        self.write("start", (), {})

    def batch(
        self,
        reads: Mapping[str, int],
        rejected: Mapping[str, int] | None = None,
        *,
        drained: Collection[str] = (),
        lost: Mapping[str, int] | None = None,
        superseded: int = 0,
    ) -> None:
        """Read so many records of each shard; the first ones read are the rejected ones, with these reasons."""
        self._made += 1
        ranges = tuple(
            self._range(shard, count, shard in drained, (lost or {}).get(shard, 0)) for shard, count in reads.items()
        )
        places = [(r.shard_id, n) for r in ranges if r.first for n in range(int(r.first), int(r.last or 0) + 1)]
        reasons = list(Counter(rejected or {}).elements())
        for (shard_id, number), reason in zip(places, reasons, strict=False):
            letter_id = f"orders/{shard_id}/{number}/0"
            self.letters[letter_id] = (letter_id, shard_id, str(number), reason)
        read = sum(reads.values())
        counts = {
            "read": read,
            "kept": read - len(reasons) - superseded,
            "superseded": superseded,
            "rejected": len(reasons),
            "rejected_by_reason": dict(rejected or {}),
        }
        self.position = self.position.advance(ranges)
        self.write(f"batch-{self._made}", ranges, counts)

    def rewrite(self, rows: int) -> None:
        self.version += 1
        self.write(f"rewrite-{self._made}", (), {"rewritten": rows})

    def redrive(self, reasons: Mapping[str, int], *, delete: bool = True) -> tuple[str, list[str]]:
        """Make rows of so many dead letters; return the batch id and their ids."""
        self._made += 1
        wanted, ids = Counter(reasons), list[str]()
        for letter_id, (_, _, _, reason) in self.letters.items():
            if wanted[reason]:
                wanted[reason] -= 1
                ids.append(letter_id)
        batch_id = f"redrive-{self._made}"
        self.write(batch_id, (), {"redriven": len(ids), "redriven_by_reason": dict(reasons)})
        for letter_id in ids if delete else ():
            del self.letters[letter_id]
        return batch_id, ids

    def set(self, places: Mapping[str, ShardPosition]) -> None:
        self._made += 1
        before = Position(
            "orders", {shard: self.position.shards[shard] for shard in places if shard in self.position.shards}
        )
        self.position = Position("orders", {**self.position.shards, **places})
        audit = {
            "set_by": "me@here",
            "set_at": "2026-01-31T00:00:00+00:00",
            "what": "--sequence-number",
            "from": json.loads(before.to_json())["shards"],
            "to": json.loads(Position("orders", places).to_json())["shards"],
        }
        self.write(f"set-{self._made}", (), {}, audit=json.dumps(audit))

    def forget(self, shard: str) -> None:
        """As planning does with a drained shard that the stream no longer lists."""
        assert self.position.shards[shard].kind is PositionKind.DRAINED
        self.position = Position("orders", {k: v for k, v in self.position.shards.items() if k != shard})

    def write(self, batch_id: str, ranges: tuple[ShardRange, ...], counts: Mapping[str, Any], **extra: str) -> None:
        nothing = {"read": 0, "kept": 0, "superseded": 0, "rejected": 0, "rejected_by_reason": {}}
        references = {"country": {"version": self.version}}
        metadata = checkpoint.to_metadata(self.position, ranges, references, {**nothing, **counts})
        self._commit({"batch_id": batch_id, **metadata, **extra})

    def letter_table(self) -> pa.Table:
        rows = [
            {**dict(zip(LETTER_COLUMNS, letter, strict=True)), "stream": self.stream_of.get(letter[0], "orders")}
            for letter in self.letters.values()
        ]
        return pa.Table.from_pylist(rows, pa.schema([(name, pa.string()) for name in (*LETTER_COLUMNS, "stream")]))

    def _range(self, shard: str, count: int, drained: bool, lost: int) -> ShardRange:
        place = self.position.shards.get(shard)
        after = place.sequence_number if place is not None else None
        begin = int(after or 0) + lost
        return ShardRange(
            shard,
            str(begin + 1) if count else None,
            str(begin + count) if count else None,
            count,
            count * 10,
            drained=drained,
            millis_behind_latest=0,
            read_at_ms=1,
            lost=LostRange(after, str(begin + 1) if count else None) if lost else None,
            after=after,
        )


__all__ = ["DRAINED", "JobHistory", "Metadata", "at"]
