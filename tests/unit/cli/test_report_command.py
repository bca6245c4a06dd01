"""`streamjoin report`, on what jobs of all four kinds leave behind."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from streamjoin.backfill.telling import FIGURES_PLACE
from streamjoin.cli import app
from streamjoin.errors import ConfigError, SinkError
from streamjoin.history.figure_folder import FigureFolder
from streamjoin.history.figures import BatchFigures, Files, Freshness, Observed
from streamjoin.history.folder import Folder
from streamjoin.history.journal import Journal
from streamjoin.mysql import BinlogPosition
from streamjoin.replicate import status as replication
from streamjoin.replicate.control_state import ControlState
from streamjoin.replicate.control_table import ControlTable
from streamjoin.replicate.figures import FiguresByMinute
from tests.faults.items import FakeTables
from tests.faults.ledger import FakeTable
from tests.history import JobHistory
from tests.pages import Figure, body_of, figures_of
from tests.reported import write_ledger

CONF = Path(__file__).resolve().parents[3] / "conf"
ORDERS, SHOP, RECEIPTS = "enrich_orders.yaml", "capture_orders.yaml", "backfill_receipts.yaml"
COUNTRY = "replicate_country.yaml"
SIZES = "Sizes of the tables' files"


@pytest.fixture(autouse=True)
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAKE", str(tmp_path / "lake"))
    (tmp_path / "lake").mkdir()
    return tmp_path / "lake"


def report(name: str, output: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["report", str(CONF / name), "-o", str(output), *options], catch_exceptions=False)


def page(name: str, folder: Path, *options: str) -> bytes:
    answer = report(name, folder / "report.html", *options)
    assert answer.exit_code == 0, answer.output
    return (folder / "report.html").read_bytes()


def column(figure: Figure, name: str) -> list[str]:
    return [row[name] for row in figure.rows()]


def test_an_enrichment_s_page_has_what_its_ledger_says(lake: Path, tmp_path: Path) -> None:
    times = write_ledger(str(lake / "orders"), [30 - 5 * number for number in range(6)])
    found = figures_of(page(ORDERS, tmp_path))
    assert column(found["Throughput"], "UTC") == [f"{each:%Y-%m-%d %H:%M:%S}" for each in times]
    # The start's own time is that of its stages.
    assert column(found["Throughput"], "records read") == ["0", *["24"] * 6]
    assert column(found["Freshness"], "p50") == ["2 s"] * 7
    assert column(found["Freshness"], "max") == ["9 s"] * 7
    assert column(found["Seconds by stage"], "commit") == ["500 ms"] * 7
    assert column(found["Dead letters by reason"], "WRONG_TYPE") == [*"0200020"]
    assert column(found["Lag"], "slowest shard") == ["0"] * 6
    assert found["Lag"].points == 6, "the start read nothing"
    assert column(found["Sizes of files written"], "largest") == ["5 kB"] * 7
    assert found[SIZES].points == 0
    assert "No commit has written a file yet." in found[SIZES].words


def test_the_files_of_a_job_s_table_are_those_of_its_timeline(lake: Path, tmp_path: Path) -> None:
    table = FakeTable(lake / "orders")
    first, second = table.commit(), table.commit()
    write_ledger(str(lake / "orders"), [10, 5])
    for name, size in ((f"f-0_1_{first}", 10), (f"f-0_1_{second}", 20_000), (f"g-0_1_{first}", 7)):
        (lake / "orders" / f"{name}.parquet").write_bytes(b"x" * size)
    rows = figures_of(page(ORDERS, tmp_path))[SIZES].rows()
    assert [(row[""], row["base files"]) for row in rows] == [("below 10 kB", "1"), ("10 kB to 100 kB", "1")]


def test_since_when_may_be_a_time_or_how_long_ago(lake: Path, tmp_path: Path) -> None:
    times = write_ledger(str(lake / "orders"), [7_300, 7_295, 100, 95, 90])
    assert figures_of(page(ORDERS, tmp_path))["Throughput"].points == 6
    # A commit began half a second before it counted, and the argument has no parts of a second.
    for since in ("90m", "1h", f"{times[3] - timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}"):
        assert figures_of(page(ORDERS, tmp_path, "--since", since))["Throughput"].points == 3, since
    assert figures_of(page(ORDERS, tmp_path, "--since", "0001-01-01"))["Throughput"].points == 6
    whole = " ".join(body_of(page(ORDERS, tmp_path, "--since", "1m")).itertext())
    assert "No commit in this time." in whole
    answer = report(ORDERS, tmp_path / "report.html", "--since", "yesterday")
    assert answer.exit_code == 2
    said = "expected a time such as 2026-01-31T08:00:00Z, or how long ago: 90m, 6h, 7d; found 'yesterday'"
    assert said in " ".join(answer.output.replace("│", " ").split())


def test_a_capture_s_page_has_what_its_journal_says(lake: Path, tmp_path: Path) -> None:
    journal = Journal(str(lake / "shop/dead_letters_journal"))

    def append(metadata: dict[str, str]) -> None:
        journal.append(metadata, Observed(round(time.time() * 1000), 0.5, Files(2, 9, 5)).to_dict())

    history = JobHistory(append)
    history.start("shard-a")
    for _ in range(3):
        history.batch({"shard-a": 7}, {"NOT_A_CHANGE": 1})
    found = figures_of(page(SHOP, tmp_path))
    assert column(found["Dead letters by reason"], "NOT_A_CHANGE") == [*"0111"]
    assert column(found["Sizes of files written"], "mean") == ["4 B"] * 4
    assert "Reference changes" not in found


def test_a_backfill_s_page_has_what_its_figures_say(lake: Path, tmp_path: Path) -> None:
    figures = FigureFolder(str(lake / "finance/changes/receipts"), FIGURES_PLACE)
    begin = datetime.now(UTC) - timedelta(seconds=60)
    scan = BatchFigures(batch_id="scan-one", at=begin, read=1_000, read_units=5.0, seconds={"fetch": 10.0})
    figures.append(scan)
    for number in range(3):
        at = begin + timedelta(seconds=10 * (number + 1))
        figures.append(
            BatchFigures(batch_id=f"backfill-one-{number}", at=at, read=40, kept=38, seconds={"commit": 2.0})
        )
    found = figures_of(page(RECEIPTS, tmp_path))
    assert column(found["Throughput"], "items read") == ["100", "4", "4", "4"]
    assert [row.get("fetch") for row in found["Seconds by stage"].rows()] == ["10 s", "0", "0", "0"]
    assert "it has no lag" in found["Lag"].words


def test_a_replication_s_page_has_what_its_control_table_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = FakeTables({"streamjoin_replication": {"job": "S"}})
    monkeypatch.setattr(replication, "aws_client", lambda *_: client)
    control = ControlTable.of("country", "streamjoin_replication", client)  # type: ignore[arg-type]
    control.acquire()
    control.save(ControlState(BinlogPosition("binlog.000003", 4_711), 9, "server-1"))
    kept = FiguresByMinute(client, "streamjoin_replication", "country")  # type: ignore[arg-type]
    now = datetime.now(UTC)
    for age_minutes in (3_000, 4, 3, 2, 0):
        at = now - timedelta(minutes=age_minutes)
        fresh, seconds = Freshness(0.1, 0.2, 0.3), {"compute": 0.25}
        kept.add(BatchFigures(batch_id="b", at=at, read=60, lag_ms={"binlog": 40}, freshness=fresh, seconds=seconds))
    kept.write()
    found = figures_of(page(COUNTRY, tmp_path))
    assert column(found["Lag"], "binlog") == ["40 ms"] * 5
    assert column(found["Throughput"], "changes read") == ["240", "240", "1", "1", "0.5"]
    assert column(found["Freshness"], "p99") == ["200 ms"] * 5
    assert SIZES not in found
    assert found["Lag"].count("rect", "silence") == 1
    control.release()


def test_a_job_that_was_never_started_has_a_page_whatever_it_is(
    lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replication, "aws_client", lambda *_: FakeTables())
    for name in sorted(path.name for path in CONF.glob("*.yaml")):
        words = " ".join(body_of(page(name, tmp_path)).itertext())
        assert "never started" in words and "No commit yet" in words, name
    assert list(lake.iterdir()) == [], "a look leaves nothing behind"


def test_one_batch_makes_a_page(lake: Path, tmp_path: Path) -> None:
    write_ledger(str(lake / "orders"), [5])
    assert figures_of(page(ORDERS, tmp_path))["Lag"].points == 1


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ("", "it is a folder; name a file in it, such as"),
        ("none/report.html", "there is no folder"),
        ("a-file/report.html", "there is no folder"),
        ("locked/report.html", "it isn't writable by this user"),
        ("read-only.html", "it isn't writable by this user"),
    ],
)
def test_a_page_that_can_not_be_written_is_refused_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str, told: str
) -> None:
    (tmp_path / "a-file").touch()
    (tmp_path / "locked").mkdir()
    (tmp_path / "read-only.html").touch()
    # Root may write anywhere.
    allowed = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: allowed(path, mode) and Path(path).name not in ("locked", "read-only.html")
    )
    monkeypatch.setattr(Folder, "list", lambda self: pytest.fail("it was read"))
    with pytest.raises(ConfigError) as raised:
        report(ORDERS, tmp_path / output)
    assert f"-o {tmp_path / output}".rstrip("/") in str(raised.value)
    assert told in str(raised.value)


def test_a_page_is_not_written_to_s3(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the page is written to this machine"):
        CliRunner().invoke(app, ["report", str(CONF / ORDERS), "-o", "s3://bucket/report.html"], catch_exceptions=False)


def test_a_disk_that_is_full_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ConfigError, match=r"report.html: can't be written: No space left on device"):
        report(ORDERS, tmp_path / "report.html")


def test_a_history_that_can_not_be_read_is_an_error_and_leaves_the_page_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "report.html").write_text("before")

    def denied(self: Folder) -> Any:
        raise SinkError("the ledger can't be read: denied")

    monkeypatch.setattr(Folder, "list", denied)
    with pytest.raises(SinkError, match="denied"):
        report(ORDERS, tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text() == "before"


def test_what_was_written_is_said_in_a_line(lake: Path, tmp_path: Path) -> None:
    write_ledger(str(lake / "orders"), [5])
    output = tmp_path / "report.html"
    said = report(ORDERS, output).stdout
    assert said.startswith(f"{output}: 2 commits of job 'orders', ")
    assert len(said.splitlines()) == 1
