"""A port that is scraped over HTTP, and read by Prometheus' own parser of its text format."""

import socket
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from streamjoin.errors import StreamJoinError
from streamjoin.local.stack import free_port
from streamjoin.metrics import names as m
from streamjoin.metrics.metric import Measure
from streamjoin.metrics.names import METRICS
from streamjoin.metrics.prometheus import PrometheusPort
from tests.unit.metrics.reports import CAPTURE, ENRICH

HOST = "127.0.0.1"


@pytest.fixture
def port() -> Iterator[PrometheusPort]:
    number = free_port()
    with closing(PrometheusPort(HOST, number, job="orders", kind="enrich")) as opened:
        opened.number = number  # type: ignore[attr-defined]
        yield opened


def scraped(port: PrometheusPort) -> dict[str, float]:
    """Return samples by name and labels; that of the job is always there."""
    url = f"http://{HOST}:{port.number}/metrics"  # type: ignore[attr-defined]
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        text = answer.read().decode()
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = dict(sample.labels)
            assert labels.pop("job_name") == "orders"
            key = sample.name.removeprefix("streamjoin_")
            shown = ",".join(f"{name}={value}" for name, value in sorted(labels.items()) if value)
            found[f"{key}{{{shown}}}" if shown else key] = sample.value
    return found


def test_counters_are_there_from_the_start_and_grow_with_each_batch_and_gauges_are_the_newest(port) -> None:
    first = scraped(port)
    assert (first["records_read_total"], first["retries_total"], first["commits_total"]) == (0, 0, 0)
    assert "lag_seconds" not in first
    port.tell(list(ENRICH.measures()))
    second = scraped(port)
    port.tell(list(replace(ENRICH, millis_behind_latest=500, meanwhile={}).measures()))
    third = scraped(port)
    counters = {key for key in second if key.partition("{")[0].endswith("_total")}
    assert len(counters) > 20
    assert all(first.get(key, 0) <= second[key] <= third[key] for key in counters)
    assert (second["records_read_total"], third["records_read_total"]) == (10, 20)
    assert third["rejected_by_reason_total{reason=WRONG_TYPE}"] == 4
    assert third["records_matched_total{reference=country}"] == 10
    assert third["stage_seconds_total{stage=commit}"] == pytest.approx(1.4)
    assert third["service_seconds_total{how=beside,service=compaction}"] == 7.0
    assert (second["lag_seconds"], third["lag_seconds"]) == (4.0, 0.5)
    assert (third["reference_version{reference=country}"], third["freshness_p99_seconds"]) == (7, 2.0)
    assert (second["retries_total"], third["retries_total"]) == (1, 1)


def test_every_family_has_the_type_and_the_words_of_the_list(port) -> None:
    port.tell([*ENRICH.measures(), *CAPTURE.measures()])
    url = f"http://{HOST}:{port.number}/metrics"
    with urllib.request.urlopen(url, timeout=10) as answer:
        families = {each.name: each for each in text_string_to_metric_families(answer.read().decode())}
    listed = {f"streamjoin_{metric.name}": metric for metric in METRICS}
    assert families.keys() <= listed.keys()
    for name, family in families.items():
        assert (family.type, family.documentation) == (listed[name].kind.value, listed[name].meaning)
        assert {label for sample in family.samples for label in sample.labels} == {"job_name", *listed[name].labels}


def test_what_is_no_finite_number_or_would_take_a_counter_back_changes_nothing(port) -> None:
    port.tell(list(ENRICH.measures()))
    before = scraped(port)
    port.tell(
        [Measure(m.RECORDS_READ, -5), Measure(m.RECORDS_READ, float("nan")), Measure(m.LAG_SECONDS, float("inf"))]
    )
    assert scraped(port) == before


def test_a_job_gives_its_port_back_and_a_port_that_is_taken_is_said_with_the_key(port) -> None:
    number = port.number
    with pytest.raises(
        StreamJoinError, match=rf"metrics.prometheus_port: port {number} of '{HOST}' can't be listened on"
    ):
        PrometheusPort(HOST, number, job="second", kind="enrich")
    port.close()
    with closing(PrometheusPort(HOST, number, job="third", kind="enrich")):
        pass
    with socket.socket() as probe:
        assert probe.connect_ex((HOST, number)) != 0
