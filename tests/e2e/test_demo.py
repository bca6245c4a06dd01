"""The demo as a user runs it, with fewer records."""

import re
import subprocess
import sys

from streamjoin.entry import query
from streamjoin.local.stack import is_ready


def run_demo(directory, *options):
    command = [sys.executable, "-m", "streamjoin", "demo", "--records", "400", *options]
    answer = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=500, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def test_an_update_in_mysql_shows_in_query_results_on_s3_without_a_restart(tmp_path):
    told = run_demo(tmp_path, "--dataset", "orders", "--s3", "--with-mysql")
    before, after = told.split("what a query shows after the change: the same rows")
    assert "replicate it to DynamoDB" in before
    for old, new in (("│ IN-India", "│ IN-IND-India"), ("│ US-USA ", "│ US-USA-US "), ("│ AU-Aus", "│ AU-AUS-Aus")):
        assert old in before
        assert new not in before
        assert old not in after
        assert new in after
    assert "rows rewritten" in before
    assert "│ BR-BRA-Brazil" in after
    assert "Done: 500 rows" in after
    assert not is_ready(re.search(r"http://127\.0\.0\.1:\d+", told)[0])
    assert (tmp_path / ".demo" / "orders" / "job.log").exists()


def test_a_captured_table_is_equal_to_its_source_after_updates_and_deletes(tmp_path):
    told = run_demo(tmp_path, "--job", "capture")
    backfilled, captured = told.split("start the job: streamjoin run")
    assert "400 rows" in backfilled
    assert captured.count("0 of them differ from the table's items") == 2
    assert "│ o-new " in captured
    assert "│ o-000001 │" in captured
    assert "│ o-000004" not in captured
    for operation in ("INSERT", "MODIFY", "REMOVE"):
        assert f"│ {operation}" in captured
    config = ".demo/capture/capture.yaml"
    (counts,) = query(tmp_path / config, "SELECT count(*) AS n, count(DISTINCT orderid) AS ids FROM orders").to_pylist()
    assert counts == {"n": 479, "ids": 479}
