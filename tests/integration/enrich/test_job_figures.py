"""A job whose numbers go to its commits, its ledger, CloudWatch, Prometheus and `status`: all say the same."""

import json
import urllib.request
from collections import Counter
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pyspark.sql import SparkSession

from streamjoin.enrich.pipeline import run
from streamjoin.enrich.status import status
from streamjoin.entry import load_config
from streamjoin.history.figures import BatchFigures
from streamjoin.history.ledger import Ledger
from streamjoin.local.stack import free_port
from streamjoin.overview.state import State
from tests.e2e.scenario import Scenario, events
from tests.embedded_metrics import taken


def scraped(port: int) -> dict[tuple[str, tuple[str, ...]], float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    found = {}
    for sample in (sample for family in families for sample in family.samples):
        labels = tuple(value for name, value in sample.labels.items() if name != "job_name")
        found[sample.name.removeprefix("streamjoin_"), labels] = sample.value
    return found


def test_commit_ledger_cloudwatch_prometheus_and_status_say_the_same(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    metrics = {"metrics": {"cloudwatch_namespace": "Test/Orders", "prometheus_port": port}}
    scenario = Scenario(tmp_path, "figures", changes=metrics)
    scenario.put(events(120, seed=3))
    scrapes, running = list[dict[tuple[str, tuple[str, ...]], float]](), list[State]()
    config = load_config(scenario.config)

    def on_step(step: str) -> None:
        if step == "read":
            scrapes.append(scraped(port))
        if step == "recorded":
            running.append(status(config)().state.state)

    run(config, until_caught_up=True, on_step=on_step)
    lines = [line for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    entries = list(Ledger(f"{scenario.base}/t").entries())
    batches = [figures for each in entries if (figures := BatchFigures.of(each)).kind == "batch"]
    assert len(lines) == len(batches) == len(scrapes) >= 2
    assert running == [State.RUNNING] * len(batches)

    # The ledger, by the timeline and the files.
    for figures, entry in zip(batches, [each for each in entries if each.batch_id != "start"], strict=True):
        commit = json.loads(next(Path(scenario.base, "t/.hoodie").glob(f"{entry.instant}.*commit")).read_text())
        written = [stat for stats in commit["partitionToWriteStats"].values() for stat in stats]
        assert figures.files is not None
        assert (figures.files.count, figures.files.bytes) == (len(written), sum(s["fileSizeInBytes"] for s in written))
        assert {"fetch", "compute", "dead_letters", "commit"} <= figures.seconds.keys()
        assert figures.freshness is not None
        assert figures.seconds["commit"] < figures.freshness.p50_seconds <= figures.freshness.max_seconds < 300
        assert figures.references["country"].version >= 1
        assert figures.matched["country"] + figures.unmatched["country"] == figures.kept + figures.superseded

    # CloudWatch: a line a batch, whose numbers are those of the ledger.
    for figures, line in zip(batches, lines, strict=True):
        told = {key.name: datum.value for key, datum in taken([line]).items()}
        assert (told["records_read"], told["rows_out"]) == (figures.read, figures.kept)
        assert figures.files is not None
        assert (told["bytes_read"], told["file_bytes_written"]) == (figures.bytes, figures.files.bytes)
        assert figures.freshness is not None
        assert told["freshness_p99_seconds"] == figures.freshness.p99_seconds
        assert told["records_matched.country"] == figures.matched["country"]
        reasons = {key.partition(".")[2]: value for key, value in told.items() if key.startswith("rejected_by_reason.")}
        assert reasons == figures.rejected_by_reason

    # Prometheus: each scrape has what the batches before it came to.
    for number, scrape in enumerate(scrapes):
        assert scrape["records_read_total", ()] == sum(each.read for each in batches[:number])
        assert scrape["commits_total", ()] == number
    with pytest.raises(OSError, match="refused"):
        scraped(port)

    overview = status(config)()
    assert overview.state.state is State.STOPPED
    assert overview.batches[-len(batches) :] == batches
    rejected = Counter[str]()
    for figures in batches:
        rejected.update(figures.rejected_by_reason)
    assert overview.letters == dict(rejected)
    assert {each.shard: each.position for each in overview.shards} == {
        shard_id: str(place) for shard_id, place in entries[-1].position.shards.items()
    }
