"""The page of a job whose table and ledger are on the emulator's S3: the one that the same files on a disk have."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from streamjoin.cli import app
from streamjoin.local.stack import LocalStack
from tests.faults.ledger import FakeTable
from tests.pages import body_of, figures_of
from tests.reported import write_ledger

CONF = Path(__file__).resolve().parents[3] / "conf" / "enrich_orders.yaml"


def page(lake: str, output: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    monkeypatch.setenv("LAKE", lake)
    answer = CliRunner().invoke(app, ["report", str(CONF), "-o", str(output)], catch_exceptions=False)
    assert answer.exit_code == 0, answer.output
    return output.read_bytes()


def test_a_job_on_s3_has_the_page_of_one_on_a_disk(
    stack: LocalStack, s3: Any, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = tmp_path / "lake"
    table = FakeTable(lake / "orders")
    first, second = table.commit(), table.commit()
    for name, size in ((f"f-0_1_{first}", 10), (f"f-0_1_{second}", 20_000), (f"g-0_1_{first}", 7)):
        (lake / "orders" / f"{name}.parquet").write_bytes(b"x" * size)
    write_ledger(str(lake / "orders"), [30 - 5 * number for number in range(6)])
    for path in filter(Path.is_file, lake.rglob("*")):
        s3.upload_file(str(path), bucket, f"lake/{path.relative_to(lake)}")

    here = page(str(lake), tmp_path / "here.html", monkeypatch)
    there = page(f"s3://{bucket}/lake", tmp_path / "there.html", monkeypatch)

    assert {title: each.rows() for title, each in figures_of(there).items()} == {
        title: each.rows() for title, each in figures_of(here).items()
    }
    assert figures_of(there)["Throughput"].points == 7
    assert sum(int(row["base files"]) for row in figures_of(there)["Sizes of the tables' files"].rows()) == 2
    assert f"s3://{bucket}/lake/orders" in " ".join(body_of(there).itertext())
