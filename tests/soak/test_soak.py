"""`make soak`: the job killed at random instants while events come in and the reference changes.

SOAK_KILLS   how often it is killed in all, half of it for each table type; default 50
SOAK_SEED    another seed makes other instants
"""

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streamjoin.local.stack import LocalStack
from streamjoin.verify import verify
from tests.e2e.scenario import COUNTRIES, Scenario, events

KILLS = (int(os.environ.get("SOAK_KILLS", "50")) + 1) // 2
SEED = int(os.environ.get("SOAK_SEED", "0"))
RECORDS_PER_SECOND = 60
# Long enough for some batches, and for a compaction every now and then.
LONGEST_LIFE_SECONDS = 8.0


@contextmanager
def incoming(scenario: Scenario, chance: random.Random) -> Iterator[None]:
    """Send events all the time, late ones, doubled ones and bad ones among them."""
    ended = threading.Event()

    def send() -> None:
        while not ended.wait(0.5):
            scenario.put(events(RECORDS_PER_SECOND // 2, seed=chance.randrange(10**9)))

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    try:
        yield
    finally:
        ended.set()
        sender.join()


def kill_at_a_random_instant(scenario: Scenario, chance: random.Random) -> None:
    """Start the job, let it live for a while, kill Python alone or Java with it; every fifth dies while it starts."""
    batches = scenario.log().count(" batch=") if (scenario.folder / f"{scenario.name}.log").exists() else 0
    process = scenario.start()
    if chance.random() > 0.2:
        deadline = time.monotonic() + 120
        while scenario.log().count(" batch=") == batches:
            assert process.poll() is None, scenario.log()
            assert time.monotonic() < deadline, scenario.log()
            time.sleep(0.05)
    time.sleep(chance.uniform(0, LONGEST_LIFE_SECONDS))
    assert process.poll() is None, scenario.log()
    if chance.random() < 0.5:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("table_type", ["COPY_ON_WRITE", "MERGE_ON_READ"])
def test_killed_at_random_instants_the_job_ends_at_the_oracles_table(
    stack: LocalStack, tmp_path: Path, table_type: str
) -> None:
    chance = random.Random(f"{SEED} {table_type}")
    # Rows already written follow the reference, so that the oracle need not know when which batch was joined.
    changes = {
        "references.0.on_change": "rewrite_rows",
        "sink.hudi.table_type": table_type,
        # A busy machine makes a batch of 100 last as long as it takes to send 300.
        "limits.max_records_per_batch": 400,
    }
    scenario = Scenario(tmp_path, f"soak-{table_type.replace('_', '-').lower()}", changes=changes)
    countries = dict(COUNTRIES)
    for number in range(1, KILLS + 1):
        countries["India"] = f"IN-India-{number}"
        with incoming(scenario, chance):
            kill_at_a_random_instant(scenario, chance)
            scenario.set_countries(countries)
        prove(scenario)
        # Each time, for a later event of its key would hide a row that a kill has cost.
        assert scenario.run("--until-caught-up", timeout_seconds=1200) == 0, scenario.log()
        scenario.check(countries)
        print(f"{table_type}: {number} kills; {prove(scenario)}")


def prove(scenario: Scenario) -> str:
    found = verify(f"{scenario.base}/t", f"{scenario.base}/dead")
    assert found.holds, "\n".join(found.lines())
    return " ".join(found.lines())
