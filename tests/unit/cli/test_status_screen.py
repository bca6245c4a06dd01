"""What a terminal shows of a job, of each kind, from figures that are made up."""

from dataclasses import replace

import pytest
from rich.console import Console

from streamjoin.cli.status_screen import screen
from streamjoin.overview.overview import Overview, ShardView
from tests.reported import JOBS, batches, overview_of


def shown(overview: Overview, width: int = 80, height: int = 40) -> str:
    console = Console(width=width, height=height)
    with console.capture() as capture:
        console.print(screen(overview, width, height))
    return capture.get()


@pytest.mark.parametrize("kind", JOBS)
@pytest.mark.parametrize("width", [80, 120])
def test_a_screen_fits_its_terminal(kind: str, width: int) -> None:
    lines = shown(overview_of(kind, batches(60)), width).splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) <= 40


def test_a_low_terminal_has_room_for_the_last_commits() -> None:
    shards = [ShardView(f"shard-{number}", "AFTER 1", 5) for number in range(9)]
    lines = shown(overview_of("enrich", batches(60), shards=shards), height=25).splitlines()
    assert len(lines) <= 25
    assert any(line.startswith("and 7 more") for line in lines)
    assert "shard-5" in shown(overview_of("enrich", batches(60), shards=shards))


def test_a_column_of_which_nothing_is_known_is_left_out() -> None:
    made = [replace(each, lag_ms={}, freshness=None) for each in batches(5)]
    (head,) = [line for line in shown(overview_of("backfill", made), 120).splitlines() if line.startswith("at ")]
    assert head.split() == "at what read kept superseded rejected seconds bytes files".split()
    assert "fresh p99" in shown(overview_of("enrich", batches(5)))


def test_stages_are_told_a_batch_and_services_as_they_come() -> None:
    lines = shown(overview_of("enrich", batches(8)), 120).splitlines()
    assert [line.rstrip() for line in lines if line.startswith(("stages", "services"))] == [
        "stages        fetch 0.25  compute 0.12  dead letters 0.07  commit 0.50  own 1.00  s a batch",
        "services      beside cleaning 4.0  s in 15 min",
    ]


def test_of_many_tables_those_with_most_rows_are_told() -> None:
    made = [replace(each, tables={f"t{number}": number for number in range(20)}) for each in batches(1)]
    text = " ".join(shown(overview_of("capture", made), 120).split())
    assert "rows, 15 min t19 19 · t18 18 ·" in text
    assert "t12 12 · 12 more" in text
