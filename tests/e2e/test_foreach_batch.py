"""A streaming query as a process, killed after its commit and before Spark has written its checkpoint."""

import json
import signal
from collections import Counter
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet
from pyspark.sql import SparkSession

from streamjoin import foreach_batch
from streamjoin.history import checkpoint
from streamjoin.shards.position import QUERIES
from tests.e2e.job_file import java_of, wait_for
from tests.e2e.queried import batches_of, letters_of, proven, rows_of, start_query
from tests.e2e.scenario import COUNTRIES, Scenario, events
from tests.oracle import Record, expected_table

QUERY_JOB = str(Path(__file__).parent / "query_job.py")


def test_a_query_of_files_that_is_killed_between_commit_and_checkpoint_leaves_the_oracles_table(
    spark: SparkSession, tmp_path: Path
) -> None:
    scenario, source = Scenario(tmp_path, "of-files"), tmp_path / "source"
    source.mkdir()
    records = [Record("none", n, payload) for n, (_, payload) in enumerate(events(30, 4))]
    expected = expected_table(records, COUNTRIES)
    assert expected.rows == expected_table(records[::-1], COUNTRIES).rows, "no ties: these records have no place"
    for number in range(2):
        data = [record.payload for record in records[number::2]]
        parquet.write_table(pa.table({"data": pa.array(data, pa.binary())}), source / f"{number}.parquet")

    assert scenario.run(str(tmp_path), "2", script=QUERY_JOB) == -signal.SIGKILL, scenario.log()
    wait_for(lambda: not java_of("of-files"))
    query_id = json.loads((tmp_path / "checkpoint" / "metadata").read_text())["id"]
    both = [f"query/{query_id}/{number}" for number in range(2)]
    assert [each.name for each in sorted((tmp_path / "checkpoint" / "commits").glob("[0-9]*"))] == ["0"]
    # The ledger's entry is written from the commit, by the next start.
    assert batches_of(scenario) == both[:1]
    # Spark begins again with the batch that it doesn't know the end of, and does so once more after all of them.
    start_query(spark, tmp_path, foreach_batch(str(scenario.config)))
    (tmp_path / "checkpoint" / "commits" / "1").unlink()
    (tmp_path / "checkpoint" / "commits" / ".1.crc").unlink()
    start_query(spark, tmp_path, foreach_batch(str(scenario.config)))

    assert batches_of(scenario) == both
    assert rows_of(scenario) == expected.rows
    rejected = Counter(record.payload for record in records if ("none", record.sequence) in expected.dead_letters)
    assert Counter(letter["data"] for letter in letters_of(scenario)) == rejected
    proven(scenario)
    found = checkpoint.read(f"{scenario.base}/t")
    assert found is not None
    assert (found.position.stream, {q: p.sequence_number for q, p in found.position.shards.items()}) == (
        QUERIES,
        {query_id: "1"},
    )
