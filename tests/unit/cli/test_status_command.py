"""`streamjoin status`, on what jobs of all four kinds leave behind."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result
from rich.console import Console
from typer.testing import CliRunner

from streamjoin.backfill.telling import FIGURES_PLACE
from streamjoin.capture.backfill_note import FOLDER, BackfillNote, Noted
from streamjoin.cli import app
from streamjoin.dynamodb.read.item_files import ItemFolder, Segment
from streamjoin.entry import load_job
from streamjoin.errors import SinkError
from streamjoin.history.figure_folder import FigureFolder
from streamjoin.history.figures import BatchFigures, Files, Freshness, Known, Observed
from streamjoin.history.folder import Folder
from streamjoin.history.journal import Journal
from streamjoin.history.ledger import Ledger
from streamjoin.lock import TableLock
from streamjoin.mysql import BinlogPosition
from streamjoin.replicate import status as replication
from streamjoin.replicate.control_state import ControlState, LoadProgress
from streamjoin.replicate.control_table import ControlTable
from streamjoin.replicate.figures import FiguresByMinute
from streamjoin.shards.arrivals import Arrivals
from tests.faults.items import FakeTables
from tests.faults.ledger import FakeTable
from tests.history import JobHistory

CONF = Path(__file__).resolve().parents[3] / "conf"
COUNTRY = "replicate_country.yaml"


@pytest.fixture(autouse=True)
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAKE", str(tmp_path))
    return tmp_path


def status(name: str, *options: str) -> Result:
    return CliRunner().invoke(app, ["status", str(CONF / name), *options], catch_exceptions=False)


def series(name: str, since: datetime | None = None) -> list[BatchFigures]:
    """Return what a report is made of."""
    config = load_job(CONF / name)
    found: Iterator[BatchFigures] = import_module(f"streamjoin.{config.job}.status").series(
        config, since or datetime(2020, 1, 1, tzinfo=UTC)
    )
    return list(found)


def values(name: str) -> dict[str, Any]:
    answer = status(name, "--json")
    assert answer.exit_code == 0, answer.output
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def lived(commit: Any, batches: int = 5) -> JobHistory:
    history = JobHistory(commit)
    history.start("shard-a", "shard-b")
    for number in range(batches):
        history.batch({"shard-a": 100, "shard-b": 20}, {"WRONG_TYPE": 2} if number == 1 else {}, superseded=3)
    return history


@pytest.fixture
def orders(lake: Path) -> FakeTable:
    """Return the table of an enrichment, five batches old, the newest of a few seconds ago."""
    table = FakeTable(lake / "orders")
    now_ms = round(time.time() * 1000)

    def commit(metadata: dict[str, str]) -> None:
        known = Known(Arrivals(now_ms - 9_000, now_ms - 4_000, now_ms - 2_000), {"fetch": 0.2, "compute": 0.3})
        table.commit({**metadata, **known.to_metadata()})
        Ledger(table.base_path).follow({metadata["batch_id"]: Observed(round(time.time() * 1000), 0.5)})

    lived(commit).redrive({"WRONG_TYPE": 1})
    return table


def test_a_job_that_was_never_started_is_told_so_whatever_it_is(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replication, "aws_client", lambda *_: FakeTables())
    for name in sorted(path.name for path in CONF.glob("*.yaml")):
        found = values(name)
        assert (found["state"], found["shards"], found["commits"]) == ("never started", [], []), name
        assert "never started" in status(name).stdout
    assert list(lake.iterdir()) == [], "a look leaves nothing behind"


def test_an_enrichment_is_told_from_its_ledger(orders: FakeTable) -> None:
    found = values("enrich_orders.yaml")
    assert (found["job"], found["kind"], found["state"]) == ("orders", "enrich", "stopped")
    assert [(each["shard"], each["position"], each["lag_ms"]) for each in found["shards"]] == [
        ("shard-a", "AFTER 500", 0),
        ("shard-b", "AFTER 100", 0),
    ]
    assert [(each["kind"], each.get("read", 0), each["rejected"]) for each in found["commits"]] == [
        ("start", 0, 0),
        *(("batch", 120, 0), ("batch", 120, 2), ("batch", 120, 0), ("batch", 120, 0), ("batch", 120, 0)),
        ("redrive", 0, 0),
    ]
    assert found["dead_letters"] == {"WRONG_TYPE": 1}, "one of two was re-driven"
    assert found["references"]["country"]["version"] == 1
    assert found["lately"]["freshness"]["p50_seconds"] == pytest.approx(2.0, abs=2.0)
    assert found["lately"]["seconds"]["commit"] == pytest.approx(0.5 * 7)
    assert found["lag_ms"] == 0
    told = series("enrich_orders.yaml")
    assert [each.batch_id for each in told] == [each["batch_id"] for each in found["commits"]]
    assert series("enrich_orders.yaml", told[-1].at + timedelta(days=1)) == []


def test_who_has_the_lock_and_since_when_is_told(orders: FakeTable) -> None:
    with TableLock(orders.base_path, job="orders (redrive)"):
        found = values("enrich_orders.yaml")
        assert (found["state"], found["lock"]["holder"]["job"]) == ("running", "orders (redrive)")
        assert found["lock"]["is_alive"] is True
    assert values("enrich_orders.yaml")["lock"]["holder"] is None


def test_a_capture_is_told_from_its_journal(lake: Path) -> None:
    journal = Journal(str(lake / "shop/dead_letters_journal"))
    lived(lambda metadata: journal.append(metadata, Observed(round(time.time() * 1000), 0.5, Files(2, 9, 5)).to_dict()))
    with TableLock(journal.base_path, job="shop-capture"):
        found = values("capture_orders.yaml")
    assert (found["kind"], found["state"], len(found["commits"])) == ("capture", "running", 6)
    assert found["commits"][-1]["files"] == {"count": 2, "bytes": 9, "largest_bytes": 5}
    assert found["dead_letters"] == {"WRONG_TYPE": 2}
    assert sum(each.read for each in series("capture_orders.yaml")) == 600


def test_a_backfill_is_told_from_its_note_its_segments_and_its_figures(lake: Path) -> None:
    base_path = str(lake / "finance/changes/receipts")
    note, noted = BackfillNote(base_path), Noted("one", 1_700_000_000_000_000, 1_700_000_000_000_000, "s", segments=4)
    note.write(noted)
    staged = Path(note.folder("one"), "segment-0")
    staged.mkdir(parents=True)
    (staged / "done.json").write_bytes(Segment(0, scanned=70, selected=50, read_units=3.5).to_json())
    found = values("backfill_receipts.yaml")
    assert (found["state"], found["details"]["phase"]) == ("stopped", "scanning")
    assert (found["details"]["segments read"], found["details"]["items read"]) == ("1 of 4", 70)
    assert ItemFolder(note.folder("one")).finished(range(4)).keys() == {0}

    figures = FigureFolder(base_path, FIGURES_PLACE)
    now = datetime.now(UTC)
    for batch_id, rejected in (("backfill-zero-0", 9), ("scan-one", 0), ("backfill-one-0", 0), ("backfill-one-3", 2)):
        reasons = {"WRONG_TYPE": rejected} if rejected else {}
        figures.append(BatchFigures(batch_id=batch_id, at=now, read=40, kept=40 - rejected, rejected_by_reason=reasons))
    note.write(Noted("one", 1, 1, "s", segments=4, state="writing", files=7, written_files=5))
    with TableLock(f"{base_path}/{FOLDER}/backfill", job="receipts-backfill"):
        found = values("backfill_receipts.yaml")
    assert (found["state"], found["details"]["files written"]) == ("running", "5 of 7")
    assert found["details"]["rows written"] == 78
    assert [each["kind"] for each in found["commits"]] == ["scan", "batch", "batch"]
    assert found["dead_letters"] == {"WRONG_TYPE": 2}, "of this backfill alone"
    note.write(Noted("one", 1, 1, "s", segments=4, state="done", files=7, written_files=7))
    assert values("backfill_receipts.yaml")["state"] == "done"
    assert next(each.batch_id for each in series("backfill_receipts.yaml")) == "backfill-zero-0", "of all backfills"


@pytest.fixture
def country(monkeypatch: pytest.MonkeyPatch) -> Iterator[ControlTable]:
    """Return the control table's item of a replication that runs."""
    client = FakeTables({"streamjoin_replication": {"job": "S"}})
    monkeypatch.setattr(replication, "aws_client", lambda *_: client)
    control = ControlTable.of("country", "streamjoin_replication", client)  # type: ignore[arg-type]
    control.acquire()
    yield control
    control.release()


def test_a_replication_is_told_from_its_control_table(country: ControlTable) -> None:
    loading = {"shop.country": LoadProgress(None, rows=1_200)}
    state = ControlState(BinlogPosition("binlog.000003", 4_711), 9, "server-1", loading)
    country.save(state)
    found = values(COUNTRY)
    assert (found["state"], found["details"]["phase"]) == ("running", "loading")
    assert found["details"]["load of shop.country"] == "1,200 rows"
    country.save(ControlState(BinlogPosition("binlog.000003", 4_711), 9, "server-1"))
    client = country._client
    now = datetime.now(UTC)
    figures = FiguresByMinute(client, "streamjoin_replication", "country")
    for age_seconds in (300, 120, 0):
        at = now - timedelta(seconds=age_seconds)
        fresh = Freshness(0.1, 0.2, 0.3)
        reasons = {"EMPTY_KEY": 1} if age_seconds == 120 else {}
        lag = {"binlog": 40}
        figures.add(BatchFigures(batch_id="b", at=at, read=50, lag_ms=lag, freshness=fresh, rejected_by_reason=reasons))
    figures.write()
    found = values(COUNTRY)
    assert (found["state"], found["details"]["phase"], found["lag_ms"]) == ("running", "following", 40)
    assert (found["shards"][0]["shard"], found["shards"][0]["position"]) == ("binlog", "binlog.000003:4711")
    assert [each["read"] for each in found["commits"]] == [50, 50, 50]
    assert found["dead_letters"] == {"EMPTY_KEY": 1}
    assert [each.read for each in series(COUNTRY, now - timedelta(hours=1))] == [50, 50, 50]
    country.release()
    assert values(COUNTRY)["state"] == "stopped"
    assert yaml.safe_load((CONF / COUNTRY).read_text())["name"] == "country"


@pytest.mark.parametrize("width", [80, 120])
def test_the_screen_fits_its_terminal_and_names_what_there_is(
    orders: FakeTable, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setattr("streamjoin.cli.status._WIDTH", width)
    shown = status("enrich_orders.yaml").stdout
    assert max(map(len, shown.splitlines())) <= width
    named = ("orders", "stopped", "sales.orders", "shard-a", "AFTER 500", "country", "WRONG_TYPE 1", "redrive", "p99")
    for word in named:
        assert word in shown, word


def test_watching_redraws_until_ctrl_c_and_a_look_that_fails_keeps_what_was_seen(
    orders: FakeTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses, read = list[float](), Folder.list

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            monkeypatch.setattr(Folder, "list", denied)
        if len(pauses) == 3:
            monkeypatch.setattr(Folder, "list", read)
        if len(pauses) == 4:
            raise KeyboardInterrupt

    def denied(self: Folder) -> Any:
        raise SinkError("the ledger can't be read: denied", retryable=True)

    monkeypatch.setattr(time, "sleep", pause)
    answer = status("enrich_orders.yaml", "--watch", "--json", "--every", "0.5")
    assert (answer.exit_code, pauses) == (0, [0.5] * 4)
    looks = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [look.get("trouble") for look in looks] == [None, None, "the ledger can't be read: denied", None]
    assert {len(look["commits"]) for look in looks} == {7}
    pauses.clear()
    answer = status("enrich_orders.yaml", "--watch")
    assert (answer.exit_code, answer.stdout.count("Position and lag")) == (0, 4)
    assert "denied" in answer.stdout


def test_on_a_terminal_watching_takes_the_screen_and_gives_it_back(
    orders: FakeTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A dumb one, as CI may have, has no second screen.
    monkeypatch.setenv("TERM", "xterm")
    terminal = Console(force_terminal=True, width=80, height=30, record=True)
    monkeypatch.setattr("rich.console.Console", lambda: terminal)

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupted)
    answer = status("enrich_orders.yaml", "--watch")
    assert answer.exit_code == 0
    assert "\x1b[?1049h" in answer.stdout
    assert answer.stdout.rstrip("\n").endswith("\x1b[?25h") or "\x1b[?1049l" in answer.stdout


def test_what_can_not_be_read_at_all_is_an_error(orders: FakeTable, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(self: Folder) -> Any:
        raise SinkError("the ledger can't be read: denied")

    monkeypatch.setattr(Folder, "list", denied)
    with pytest.raises(SinkError, match="denied"):
        status("enrich_orders.yaml")
