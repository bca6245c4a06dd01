import io

import pytest
from rich.console import Console

from streamjoin.entry import parse_config
from streamjoin.errors import StreamJoinError
from streamjoin.local.demo.enrich import Loads, loads
from streamjoin.local.demo.job_process import JobProcess
from streamjoin.local.demo.narration import Narrator
from streamjoin.local.demo.scenarios import SCENARIOS
from streamjoin.local.demo.stage import PATIENCE_SECONDS, wait_until_none
from streamjoin.local.samples.datasets import DATASETS
from streamjoin.local.samples.names import DatasetName
from tests.faults.kinesis_clock import FakeClock


@pytest.mark.parametrize("name", DatasetName)
def test_the_demo_runs_a_valid_configuration_of_its_data(name):
    config = parse_config(SCENARIOS[name].config("s3://bucket/table", "s3://bucket/dead_letters"))
    fields = set(next(DATASETS[name].records(0, 0)))
    assert set(config.payload.schema_.names) == fields
    assert config.sink.hudi.record_key == [DATASETS[name].record_key]
    assert {r.dynamodb.table_name for r in config.references} == {r.name for r in DATASETS[name].references}


def test_the_second_load_is_a_quarter_of_the_first():
    assert loads(DATASETS[DatasetName.ORDERS], None) == Loads(20_000, 5_000)
    assert loads(DATASETS[DatasetName.FLIGHTS], 400) == Loads(400, 100)


def test_both_loads_fit_a_data_set_of_fixed_size():
    load = loads(DATASETS[DatasetName.FLIGHTS], 336_776)
    assert load.first + load.second == 336_776
    assert load.second > 0


def said(left):
    return f"{left} of 10 rows to come"


def test_waiting_ends_when_nothing_is_left():
    clock, seen = FakeClock(), []
    counts = iter([100, 100, 60, 0])
    wait_until_none(lambda: next(counts), said, lambda: None, seen.append, clock=clock.monotonic, sleep=clock.sleep)
    assert seen == [100, 100, 60, 0]


def test_waiting_lasts_as_long_as_the_count_falls():
    clock = FakeClock()

    def left():
        clock.sleep(PATIENCE_SECONDS * 0.9)
        return 5_000 - int(clock.elapsed_seconds)

    wait_until_none(left, said, lambda: None, clock=clock.monotonic, sleep=clock.sleep)


def test_waiting_gives_up_when_the_count_falls_no_more():
    clock = FakeClock()
    with pytest.raises(StreamJoinError, match="7 of 10 rows to come, and nothing changed for 600 s"):
        wait_until_none(lambda: 7, said, lambda: None, clock=clock.monotonic, sleep=clock.sleep)


def test_waiting_ends_when_the_job_has():
    def check_running():
        message = "the job ended"
        raise StreamJoinError(message)

    with pytest.raises(StreamJoinError, match="the job ended"):
        wait_until_none(lambda: 10, said, check_running)


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
