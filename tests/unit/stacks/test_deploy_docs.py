"""What docs/deploy.md says, beside the templates, the alarms and the measured figures that it is made of."""

import json
import re

import pytest

from benchmarks.costs import RESULT, costs, lines
from tests.documents import ROOT, quoted, table_rows

PAGE = (ROOT / "docs" / "deploy.md").read_text()
TEMPLATES = "\n".join(path.read_text() for path in sorted((ROOT / "infra").glob("*.yaml")))
BENCH = json.loads(RESULT.read_text())


@pytest.mark.parametrize("line", [*lines(BENCH)])
def test_a_cost_is_the_one_that_follows_from_the_measured_batch(line: str) -> None:
    assert line in PAGE, "run: python -m benchmarks.costs"


def test_a_job_costs_more_workers_only_when_one_does_not_do() -> None:
    found = {each.rate: each for each in costs(BENCH, "COPY_ON_WRITE")}
    assert found[10].workers == 2
    assert found[20_000].workers > found[5_000].workers > 1
    assert found[10].total > found[1_000].total > found[20_000].total
    # Two workers of $0.44 an hour, and a million records in 1,000 seconds.
    assert found[1_000].glue == pytest.approx(2 * 0.44 / 3.6)


def test_the_requests_of_a_commit_are_those_that_were_counted() -> None:
    assert "| 152, without a bulk DELETE" in (ROOT / "docs" / "performance.md").read_text()
    assert "| 174, likewise |" in (ROOT / "docs" / "performance.md").read_text()


def test_every_alarm_of_the_templates_is_there_at_three_in_the_morning_and_no_other() -> None:
    made = set(re.findall(r'AlarmName: !Sub \[?"\$\{(?:Name|Job)\}-([a-z-]+[a-z])', TEMPLATES))
    assert len(made) >= 10
    told = {word for cells in table_rows(PAGE, 3) for word in quoted(cells[0])}
    assert {re.sub("-TABLE$", "", each).removeprefix("…-") for each in told if each.startswith("…")} == made
    assert "failed-runs" in told
    assert "-failed-runs" in TEMPLATES
