"""Redrives between batches that die anywhere, on real Spark and Hudi, against the oracle."""

import itertools
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pyspark.sql import SparkSession

from streamjoin.enrich import pipeline as enrich
from streamjoin.kinesis.stream import BatchLimits
from streamjoin.letters.intents import Intents
from streamjoin.letters.listing import LetterFilter
from streamjoin.letters.redrive import STEPS
from tests.oracle import DELETES, Record, expected_table
from tests.spark.enrich.redriving import COUNTRIES, World, event, stream
from tests.spark.harness import ARRIVED, CrashError, check, crash_at, dead_letters_of, deletion_of


def test_a_redrive_that_died_is_finished_by_the_next_however_much_later(spark: SparkSession, tmp_path: Path) -> None:
    world = World(spark, tmp_path)
    intents = Intents(world.mended.table.base_path)
    # Before there is an intent nothing has happened. A batch comes between the last one, whose letters are rows and
    # letters too, and the next redrive.
    steps = ("letters_deleted", "intended", "redriven")
    records: list[Record] = []
    for number, step in enumerate(steps):
        died, later = f"{step}-died", f"{step}-later"
        records += stream(event(died, note=7), event(died), event(later), b"{", first=10 * number + 10)
    world.send(records)
    for number, step in enumerate(steps):
        since = ARRIVED + timedelta(seconds=10 * number + 10)
        letters = LetterFilter.of([], since, since + timedelta(seconds=10))
        with pytest.raises(CrashError, match=step):
            world.redrive(letters, on_step=crash_at(step))
        # It has finished the one before.
        (left,) = intents.pending().values()
        assert left == {f"s/shard-0/{10 * number + n}/0" for n in (11, 12)}, step
    newer = stream(*(event(f"{step}-later", "2/2/10", note=7) for step in steps), first=100)
    world.send(newer)
    assert world.redrive().redriven == {"WRONG_TYPE": 2}, "those of which there was an intent alone"
    assert intents.pending() == {}
    check(world.mended, "", [*records, *newer], expected_table([*records, *newer], COUNTRIES))
    assert sum(entry.counts.get("redriven", 0) for entry in world.history()) == 2 * len(steps)


KEYS, SHARDS = 12, 2
NOTES = (None, 1, "text", "text")
BAD = (b"", b"{", b"\xff\xfe", b'{"id": "x", "at": "1/1/10", "amount": "7"}', b'{"at": "1/1/10"}')


def histories(random: Random) -> Iterator[tuple[Any, ...]]:
    """Batches with the narrow schema, redrives with the mended one, crashes at any step; the last batch with that too.

    Few keys and two days, so that most events of a key are tied. A key stays in its shard.
    """
    numbers = itertools.count(85)

    def record() -> Record:
        number, key = next(numbers), random.randrange(KEYS)
        at = random.choice(["1/1/10", "1/1/10", "1/1/10", "2/2/11", "2/2/11", "2/30/11"])
        good = event(str(key), at, random.choice(NOTES), amount=random.choice([1, 2, 3, DELETES]))
        payload = random.choice(BAD) if random.randrange(10) == 0 else good
        return Record(f"shard-{key % SHARDS}", number, payload)

    for is_last in (False, False, True):
        records = [record() for _ in range(20)]
        yield "send", records, is_last, None if is_last else random.choice(enrich.STEPS), random.choice([False, True])
        if not is_last:
            yield "redrive", random.choice([None, *STEPS]), random.randint(1, 2)


# Each step is a real commit, so that there is one example, of many events. Copy-on-write: test_redrive_order.py.
def test_redriving_between_batches_and_dying_anywhere_gives_the_table_of_a_schema_that_was_right_from_the_start(
    spark: SparkSession, tmp_path: Path
) -> None:
    """After a last redrive the rows are the oracle's of all records under the mended schema, each the newest event of
    its key, if that doesn't delete: the greatest ordering value, on a tie the later in its shard. The dead letters are
    those that this schema rejects, with the reason of the schema that their batch had. Every letter that a commit
    counted as rejected is counted once as re-driven, or is still there.
    """
    limits = BatchLimits(30, 1_000_000)
    world = World(spark, tmp_path, table_type="MERGE_ON_READ", limits=limits, deletion=deletion_of(tmp_path))
    world.know(*(f"shard-{n}" for n in range(SHARDS)))
    records, too_wide = list[Record](), set[tuple[str, int]]()
    for step in histories(Random(12472)):
        match step:
            case ("send", batch, is_mended, crash, redrives):
                job = world.mended if is_mended else world.narrow
                meanwhile = world.redrive if redrives else lambda: None
                world.send(batch, job, on_step=crash_at(crash), meanwhile=meanwhile)
                records += batch
                if not is_mended:
                    too_wide |= {(r.shard_id, r.sequence) for r in batch if b'"note": "text"' in r.payload}
            case ("redrive", crash, time):
                with suppress(CrashError):
                    world.redrive(on_step=crash_at(crash, time))
    world.redrive()
    expected = expected_table(records, COUNTRIES, deletes=True)
    expected.dead_letters |= dict.fromkeys(expected.dead_letters.keys() & too_wide, "WRONG_TYPE")
    check(world.mended, "", records, expected)
    counts = [entry.counts for entry in world.history()]
    letters = dead_letters_of(world.mended, sorted({r.shard_id for r in records}))
    assert sum(c["rejected"] for c in counts) - sum(c.get("redriven", 0) for c in counts) == len(letters)
    assert Intents(world.mended.table.base_path).pending() == {}
