"""Services beside a writer: killed at each step, they leave the rows of a table that has none."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from streamjoin.history import checkpoint
from streamjoin.history.counts import BatchCounts
from streamjoin.history.figures import SERVICES
from streamjoin.hudi.services.client import ServiceClient
from streamjoin.hudi.table import HudiTable
from streamjoin.lock import TableLock
from streamjoin.query import query
from streamjoin.services.carrying_out import services_lock
from streamjoin.services.maintain import STEPS, Maintained, see_to
from streamjoin.shards.position import Position
from streamjoin.streaming.writer import TableWriter
from tests.small_tables import ONE_BUCKET

EVERY_TIME = {
    "hoodie.compact.inline.max.delta.commits": "2",
    "hoodie.clean.max.commits": "1",
    "hoodie.clean.commits.retained": "1",
    "hoodie.keep.min.commits": "2",
    "hoodie.keep.max.commits": "3",
    "hoodie.parquet.small.file.limit": "0",
}


class Killed(BaseException):
    """The end of a process, to everything that it ran."""


def die_at(step: str) -> Callable[[str], None]:
    def on_step(reached: str) -> None:
        if reached == step:
            raise Killed

    return on_step


class History:
    """A table, written batch by batch, and the rows that it is to have."""

    def __init__(self, spark: SparkSession, table: HudiTable) -> None:
        self.spark, self.table, self.expected = spark, table, dict[str, int]()
        self.writer = TableWriter(table, job="test")
        self.number = 0

    def commit(self, *, serves: bool = False) -> dict[str, float]:
        self.number += 1
        keys = [f"k{key}" for key in range(self.number % 3, 8, 2)] + [f"n{self.number}"]
        self.expected |= dict.fromkeys(keys, self.number)
        # Rows that may move do so with every batch.
        moved = self.number if self.table.has_record_index else 0
        rows = [(key, self.number, str((sum(map(ord, key)) + moved) % 2)) for key in keys]
        frame = self.spark.createDataFrame(rows, "id string, o bigint, dt string").coalesce(1)
        metadata = checkpoint.to_metadata(Position("s", {}), (), {}, BatchCounts().to_dict())
        self.writer.commit(frame, {"batch_id": str(self.number), **metadata})
        self.writer.record()
        if serves:
            self.writer.serve(self.spark)
        return dict(self.writer.service_seconds())

    def lose_the_last_commit(self) -> None:
        """Leave its last commit as a process does that dies right before it."""
        last = max(Path(self.table.base_path, ".hoodie").glob("*.deltacommit"))
        last.unlink()
        last.with_name(f".{last.name}.crc").unlink()
        self.writer = TableWriter(self.table, job="test")
        self.number -= 1

    def check(self) -> None:
        rows = query(self.table.base_path, "select id, o from t").to_pylist()
        assert sorted((row["id"], row["o"]) for row in rows) == sorted(self.expected.items())

    def check_with_spark(self) -> None:
        stored = self.spark.read.format("hudi").load(self.table.base_path).select("id", "o").collect()
        assert sorted(map(tuple, stored)) == sorted(self.expected.items())

    def pending(self) -> list[str]:
        meta = Path(self.table.base_path, ".hoodie")
        planned = {path.name.split(".")[0] for path in meta.glob("*.compaction.requested")}
        return sorted(planned - {path.name.split(".")[0] for path in meta.glob("*.commit")})


def table(folder: Path, **settings: object) -> HudiTable:
    values = {"table_type": "MERGE_ON_READ", "options": ONE_BUCKET | EVERY_TIME, "served_by": "maintain", **settings}
    return HudiTable(str(folder / "t"), "t", ("id",), "o", **{"is_fixed": True, **values})  # type: ignore[arg-type]


# The steps at which it dies: of a layout that differs in nothing but its folders the one that leaves most behind.
LAYOUTS = {
    "unpartitioned": ({"partition_by": ()}, ("written",)),
    "by_day": ({"partition_by": ("dt",), "is_fixed": False}, ("written", "compacted", "cleaned")),
}


@pytest.mark.parametrize(("layout", "steps"), LAYOUTS.values(), ids=LAYOUTS)
def test_maintain_may_die_at_each_step_beside_a_job_that_goes_on(
    spark: SparkSession, tmp_path: Path, layout: dict[str, object], steps: tuple[str, ...]
) -> None:
    history = History(spark, table(tmp_path, **layout))
    maintained = Maintained(history.table)
    with TableLock(history.table.base_path, job="test"):
        for _ in range(3):
            history.commit(serves=True)
        for step in steps:
            while not history.pending():
                history.commit(serves=True)
            planned = history.pending()
            with pytest.raises(Killed):
                see_to(spark, maintained, job="test", on_step=die_at(step))
            # The job doesn't take what is half-done for a failed write of its own.
            history.commit()
            assert history.pending() == (planned if step != "compacted" else [])
            history.check()
            done = see_to(spark, maintained, job="test")
            assert not history.pending()
            assert bool(done.compacted) == (step != "compacted")
            history.check()
    assert set(done.seconds) == {"cleaning", "compaction"}
    history.check_with_spark()


def test_without_a_job_maintain_plans_itself_dies_anywhere_and_leaves_the_jobs_failed_commit_to_the_job(
    spark: SparkSession, tmp_path: Path
) -> None:
    history = History(spark, table(tmp_path))
    maintained = Maintained(history.table)
    reached = list[str]()
    for _ in range(4):
        history.commit()
    for step in STEPS:
        for _ in range(2):
            history.commit()
        try:
            see_to(spark, maintained, job="test", on_step=die_at(step))
        except Killed:
            reached.append(step)
        history.check()
    # A bucket index has no files that could be joined.
    assert reached == [step for step in STEPS if step != "joined"]
    see_to(spark, maintained, job="test")
    for _ in range(2):
        history.commit()
    history.lose_the_last_commit()
    before = history.pending()
    assert not see_to(spark, maintained, job="test").compacted, "nothing is planned over a commit that is not finished"
    assert history.pending() == before
    history.commit()
    with services_lock(history.table, "another maintain"):
        assert not see_to(spark, maintained, job="test").seconds
    assert see_to(spark, maintained, job="test").compacted
    assert str(see_to(spark, maintained, job="test")) == "nothing to do"
    history.check()


def test_a_job_carries_out_its_plans_beside_its_commits_and_says_how_long_it_took(
    spark: SparkSession, tmp_path: Path
) -> None:
    history = History(spark, table(tmp_path, served_by="job"))
    seconds = dict[str, float]()
    for _ in range(5):
        seconds |= history.commit(serves=True)
        history.writer.finish()
        history.check()
    assert {"waited.archiving", "waited.planning", "beside.cleaning", "beside.compaction"} <= set(seconds)
    assert not history.pending()
    found = checkpoint.read(history.table.base_path)
    assert found is not None
    assert SERVICES in found.extra


def test_a_batch_meets_no_commit_of_a_compaction_beside_it_that_is_half_written(
    spark: SparkSession, tmp_path: Path
) -> None:
    history = History(spark, table(tmp_path, served_by="job"))
    for _ in range(2):
        history.commit()
    client = ServiceClient(spark, history.table)
    planned = client.plan_compaction()
    assert planned is not None
    begun = Path(history.table.base_path, ".hoodie", f"{planned.instant}.commit")
    with ThreadPoolExecutor(1) as pool:
        batches = list[Future[dict[str, float]]]()

        def before_commit() -> None:
            # As on a disk: there before the rest of its content.
            begun.write_text("{")
            batches.append(pool.submit(history.commit))
            wait(batches, timeout=2.0)
            begun.unlink()

        assert client.compact(planned.instant, before_commit) == 1
        batches[0].result()
    assert not history.pending()
    history.check()


def test_small_files_are_joined_where_the_index_lets_rows_go_anywhere(spark: SparkSession, tmp_path: Path) -> None:
    options = {**EVERY_TIME, "hoodie.index.type": "SIMPLE"}
    history = History(spark, table(tmp_path, table_type="COPY_ON_WRITE", options=options))
    for _ in range(3):
        history.commit()
    with pytest.raises(Killed):
        see_to(spark, Maintained(history.table), job="test", on_step=die_at("joined"))
    history.check()
    # It died while files were being joined: no row of them can be written before that is done again.
    done = max(Path(history.table.base_path, ".hoodie").glob("*.replacecommit"))
    done.unlink()
    done.with_name(f".{done.name}.crc").unlink()
    history.writer.open()
    history.commit()
    history.check()
    assert ServiceClient(spark, history.table).join_files(is_asked=True) > 1
    history.check()
    history.check_with_spark()
