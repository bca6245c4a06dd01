import io

import pytest
from rich.console import Console

from streamjoin.entry import parse_config
from streamjoin.errors import StreamJoinError
from streamjoin.local.demo.enrich import PATIENCE_SECONDS, Loads, loads, wait_for_rows
from streamjoin.local.demo.job_process import JobProcess
from streamjoin.local.demo.narration import Narrator
from streamjoin.local.demo.scenarios import SCENARIOS
from streamjoin.local.samples.datasets import DATASETS
from streamjoin.local.samples.names import DatasetName
from tests.faults.kinesis import FakeClock


@pytest.mark.parametrize("name", DatasetName)
def test_the_demo_runs_a_valid_configuration_of_its_data(name):
    config = parse_config(SCENARIOS[name].config("s3://bucket/table", "s3://bucket/dead_letters"))
    fields = set(next(DATASETS[name].records(0, 0)))
    assert set(config.payload.schema_.fieldNames()) == fields
    assert config.sink.hudi.record_key == [DATASETS[name].record_key]
    assert {r.dynamodb.table_name for r in config.references} == {r.name for r in DATASETS[name].references}


def test_the_second_load_is_a_quarter_of_the_first():
    assert loads(DATASETS[DatasetName.ORDERS], None) == Loads(20_000, 5_000)
    assert loads(DATASETS[DatasetName.FLIGHTS], 400) == Loads(400, 100)


def test_both_loads_fit_a_data_set_of_fixed_size():
    load = loads(DATASETS[DatasetName.FLIGHTS], 336_776)
    assert load.first + load.second == 336_776
    assert load.second > 0


def test_waiting_ends_when_all_rows_are_there():
    clock, seen = FakeClock(), []
    counts = iter([0, 0, 40, 100])
    wait_for_rows(lambda: next(counts), 100, lambda: None, seen.append, clock=clock.monotonic, sleep=clock.sleep)
    assert seen == [0, 0, 40, 100]


def test_waiting_lasts_as_long_as_rows_come():
    clock = FakeClock()

    def count():
        clock.sleep(PATIENCE_SECONDS * 0.9)
        return int(clock.elapsed_seconds)

    wait_for_rows(count, 5_000, lambda: None, lambda _: None, clock=clock.monotonic, sleep=clock.sleep)


def test_waiting_gives_up_when_no_rows_come_any_more():
    clock = FakeClock()
    with pytest.raises(StreamJoinError, match="7 rows instead of 10, and no new one for 600 s"):
        wait_for_rows(lambda: 7, 10, lambda: None, lambda _: None, clock=clock.monotonic, sleep=clock.sleep)


def test_waiting_ends_when_the_job_has():
    def check_running():
        message = "the job ended"
        raise StreamJoinError(message)

    with pytest.raises(StreamJoinError, match="the job ended"):
        wait_for_rows(lambda: 0, 10, check_running, lambda _: None)


def test_a_job_that_ends_by_itself_is_reported_with_the_end_of_its_log(tmp_path):
    job = JobProcess(tmp_path / "none.yaml", {}, tmp_path / "job.log")
    with job:
        assert job._process.wait(60) == 2
        with pytest.raises(StreamJoinError, match=r"ended by itself with exit code 2.*\n.*none\.yaml"):
            job.check_running()
        with pytest.raises(StreamJoinError, match="exit code 2 instead of 0"):
            job.finish()


def test_steps_are_plain_numbered_lines_off_a_terminal():
    console = Console(file=io.StringIO(), width=80)
    narrator = Narrator(console, 2)
    with narrator.step("create it") as step:
        step.update(1, 2, "half")
        step.outcome = "4 items"
    with narrator.step("use it"):
        pass
    first, second, third, fourth = console.file.getvalue().splitlines()
    assert (first, third) == ("1/2 create it", "2/2 use it")
    assert second.startswith("    ✓ 4 items, 0.")
    assert fourth.startswith("    ✓ 0.")


def test_a_failed_step_is_not_said_to_be_done():
    console = Console(file=io.StringIO(), width=80)
    with pytest.raises(StreamJoinError), Narrator(console, 1).step("fail"):
        message = "no"
        raise StreamJoinError(message)
    assert "✓" not in console.file.getvalue()
