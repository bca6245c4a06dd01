"""How much each part of `make bench` is given."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """What decides how long a run takes. A batch has 4,000 records wherever nothing else is said.

    Args:
        warmup: Batches of each variant that don't count.
        rounds: Batches of each steady variant that count.
        slow_rounds: Of them, those of the script with Spark's 200 shuffle partitions.
        behind: Batches that a job that is behind takes in a row; all but the first and the last count.
        behind_rounds: So many times.
        backlog_records: Of a batch of the backlog.
        day_rows: Rows of the tables by day at which the script is compared; neither few nor many.
        few_rows: Rows of the small table of each layout.
        many_rows: Rows of the large one.
        table_rounds: Batches of each such table that count.
        items: Items of a large reference.
        many_items: Items of the largest.
        fresh_seconds: How long records come at 1,000 a second; the first part doesn't count.
        commits: Of the old table.
        fresh_commits: Of the new one.
        commit_rounds: Batches of both that count.
        memory_records: Of the small backlog; the large one has ten times as many.
        memory_limit: Records of a batch of them at most.
        table_warmup: Batches of each large table that don't count.
        script_batches: Of the script with a large reference that count; with the largest it takes one.
        counted_batches: Batches of each table whose requests are counted.
        is_shared: Whether what is timed runs two at a time too, for a run that says only whether all works.
    """

    warmup: int
    rounds: int
    slow_rounds: int
    behind: int
    behind_rounds: int
    backlog_records: int
    day_rows: int
    few_rows: int
    many_rows: int
    table_rounds: int
    items: int
    many_items: int
    fresh_seconds: float
    commits: int
    fresh_commits: int
    commit_rounds: int
    memory_records: int
    memory_limit: int
    table_warmup: int = 1
    script_batches: int = 3
    counted_batches: int = 3
    is_shared: bool = False


FULL = Sizes(
    warmup=2,
    rounds=5,
    slow_rounds=1,
    behind=5,
    behind_rounds=2,
    backlog_records=100_000,
    day_rows=1_000_000,
    few_rows=100_000,
    many_rows=3_000_000,
    table_rounds=2,
    items=50_000,
    many_items=500_000,
    script_batches=1,
    counted_batches=1,
    fresh_seconds=15.0,
    commits=40,
    fresh_commits=20,
    commit_rounds=8,
    memory_records=20_000,
    memory_limit=10_000,
)
QUICK = Sizes(
    warmup=0,
    rounds=1,
    slow_rounds=1,
    behind=3,
    behind_rounds=1,
    backlog_records=4_000,
    day_rows=20_000,
    few_rows=10_000,
    many_rows=40_000,
    table_rounds=1,
    table_warmup=0,
    items=1_000,
    many_items=3_000,
    script_batches=1,
    counted_batches=1,
    fresh_seconds=5.0,
    commits=6,
    fresh_commits=2,
    commit_rounds=1,
    memory_records=3_000,
    memory_limit=3_000,
    is_shared=True,
)
