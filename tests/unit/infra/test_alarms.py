"""The alarms and the dashboard against the metrics that jobs tell."""

import json
import re
from typing import Any

import pytest

from streamjoin.metrics.cloudwatch import DIMENSION, EmbeddedMetrics
from streamjoin.metrics.metric import Kind, Measure, Metric
from streamjoin.metrics.names import METRICS
from tests.documents import ROOT, quoted, table_rows
from tests.stacks.on_paper import Stack
from tests.stacks.shapes import FULL, STACKS, root

BY_NAME = {metric.name: metric for metric in METRICS}
BOTH = {**FULL, "Replication": "job"}
NAMESPACE = "streamjoin/streamjoin-dev"
# By the user guides of the two services; both have data only while something is refused.
OF_AWS = {
    ("AWS/Kinesis", "ReadProvisionedThroughputExceeded", "StreamName"),
    ("AWS/Kinesis", "WriteProvisionedThroughputExceeded", "StreamName"),
    ("AWS/DynamoDB", "ReadThrottleEvents", "TableName"),
    ("AWS/DynamoDB", "WriteThrottleEvents", "TableName"),
}


def alarms(stack: Stack) -> dict[str, dict[str, Any]]:
    return {
        each.properties["AlarmName"]: each.properties for each in stack.all() if each.kind == "AWS::CloudWatch::Alarm"
    }


def dimensions(alarm: dict[str, Any]) -> dict[str, str]:
    return {each["Name"]: each["Value"] for each in alarm["Dimensions"]}


def own(stack: Stack) -> dict[str, dict[str, Any]]:
    """Return the alarms on metrics of jobs."""
    return {name: each for name, each in alarms(stack).items() if not each["Namespace"].startswith("AWS/")}


OWN = own(root(**BOTH))


@pytest.mark.parametrize("name", OWN)
def test_an_alarm_is_on_a_metric_that_its_job_tells(name: str) -> None:
    alarm = OWN[name]
    metric_name, _, label = alarm["MetricName"].partition(".")
    metric = BY_NAME[metric_name]
    job = dimensions(alarm)[DIMENSION]
    assert job in {value for key, value in root(**BOTH).outputs.items() if key.endswith("Job")}
    assert job.rpartition("-")[2] in metric.jobs
    assert bool(label) == bool(metric.labels)
    # What is added up is summed; of what is measured the highest counts.
    assert alarm["Statistic"] == {Kind.COUNTER: "Sum", Kind.GAUGE: "Maximum"}[metric.kind]


@pytest.mark.parametrize("name", OWN)
def test_an_alarm_names_namespace_metric_and_dimension_as_the_line_of_a_batch_does(name: str) -> None:
    alarm = OWN[name]
    metric_name, _, label = alarm["MetricName"].partition(".")
    lines: list[str] = []
    output = EmbeddedMetrics(root(**BOTH).outputs["MetricsNamespace"], dimensions(alarm)["job"], write=lines.append)
    output.tell([Measure(BY_NAME[metric_name], 1.0, tuple(filter(None, [label])))])
    line = json.loads(lines[0])
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == alarm["Namespace"] == NAMESPACE
    assert directive["Metrics"][0]["Name"] == alarm["MetricName"]
    assert {key: line[key] for (key,) in directive["Dimensions"]} == dimensions(alarm)


def test_alarms_of_aws_are_on_metrics_that_its_services_tell_of_what_is_here() -> None:
    found = [each for each in alarms(root(**BOTH)).values() if each["Namespace"].startswith("AWS/")]
    assert {(each["Namespace"], each["MetricName"], *dimensions(each)) for each in found} == OF_AWS
    outputs = root(**BOTH).outputs
    assert {value for each in found for value in dimensions(each).values()} == {
        *(outputs["EventsStream"], outputs["ChangesStream"], outputs["ControlTable"]),
        *("tgt_country_lookup_table", "receipts", "readings", "old_table"),
    }


def test_each_job_that_goes_on_has_an_alarm_for_each_way_to_fail() -> None:
    by_job: dict[str, set[str]] = {}
    for alarm in OWN.values():
        by_job.setdefault(dimensions(alarm)["job"].rpartition("-")[2], set()).add(alarm["MetricName"].partition(".")[0])
    of_all = {"lag_seconds", "freshness_p99_seconds", "records_rejected", "retries"}
    assert by_job == {
        "enrich": {*of_all, "catalog_failures", "commits", "reference_age_seconds", "refresh_failures"},
        "capture": {*of_all, "catalog_failures", "commits"},
        "replicate": of_all,
    }


def test_each_reference_has_alarms_of_its_own_and_no_other_table() -> None:
    made = own(root(ReferenceTables="country:code,products:sku,old", CaptureTables="receipts:id"))
    ages = {each["MetricName"] for each in made.values() if "reference_age" in each["MetricName"]}
    assert ages == {f"reference_age_seconds.{table}" for table in ("country", "products", "old")}


def test_silence_is_an_alarm_of_commits_alone() -> None:
    silent = {each["MetricName"] for each in alarms(root(**BOTH)).values() if each["TreatMissingData"] == "breaching"}
    assert silent == {"commits"}
    for alarm in (each for each in OWN.values() if each["MetricName"] == "commits"):
        # An idle job commits once an hour: within two whole hours there is one at least.
        assert (int(alarm["Period"]), int(alarm["EvaluationPeriods"])) == (3600, 2)
        assert (int(alarm["Threshold"]), alarm["ComparisonOperator"]) == (1, "LessThanThreshold")


def test_every_alarm_tells_the_topic_when_it_begins_and_when_it_ends() -> None:
    topic = root(**BOTH).outputs["Topic"]
    assert [each for each in alarms(root(**BOTH)).values() if each["AlarmActions"] != [topic]] == []
    assert [each for each in alarms(root(**BOTH)).values() if each["OKActions"] != [topic]] == []


def test_the_thresholds_are_those_of_the_parameters() -> None:
    given = {"LagSeconds": "7", "FreshnessSeconds": "8", "ReferenceAgeSeconds": "9", "DeadLetters": "10"}
    made = own(root(**given)).values()
    found = {each["MetricName"].partition(".")[0]: each["Threshold"] for each in made}
    assert [
        found[name] for name in ("lag_seconds", "freshness_p99_seconds", "reference_age_seconds", "records_rejected")
    ] == [*given.values()]


def test_a_run_that_failed_tells_the_topic() -> None:
    (rule,) = (each.properties for each in root(**BOTH).all() if each.kind == "AWS::Events::Rule")
    jobs = {each.properties["Name"] for each in root(**BOTH).all() if each.kind == "AWS::Glue::Job"}
    assert set(rule["EventPattern"]["detail"]["jobName"]) == jobs
    assert rule["EventPattern"]["detail"]["state"] == ["FAILED", "TIMEOUT", "ERROR"]
    assert [target["Arn"] for target in rule["Targets"]] == [root(**BOTH).outputs["Topic"]]


def test_alarms_and_the_letter_about_them_can_be_left_out() -> None:
    assert alarms(root(**BOTH | {"Alarms": "false"})) == {}
    subscribed = [each.properties for each in root(**BOTH).all() if each.kind == "AWS::SNS::Subscription"]
    assert [(each["Protocol"], each["Endpoint"]) for each in subscribed] == [("email", FULL["AlarmEmail"])]


@pytest.mark.parametrize("name", STACKS)
def test_the_dashboard_shows_metrics_that_jobs_tell(name: str) -> None:
    (board,) = (each.properties for each in STACKS[name]().all() if each.kind == "AWS::CloudWatch::Dashboard")
    widgets = json.loads(board["DashboardBody"])["widgets"]
    searches = re.findall(r"SEARCH\('(.*?)', '(\w+)', \d+\)", json.dumps(widgets).replace('\\"', '"'))
    shown = set[Metric]()
    for query, statistic in searches:
        searched = re.fullmatch(rf'\{{"{NAMESPACE}",{DIMENSION}\}} (?:MetricName="(\w+)"|(\w+))', query)
        assert searched, query
        metric = BY_NAME[searched[1] or searched[2]]
        # A whole name is that of a metric without labels; of others the name's first word is searched.
        assert bool(searched[2]) == bool(metric.labels)
        assert statistic == {Kind.COUNTER: "Sum", Kind.GAUGE: "Maximum"}[metric.kind]
        shown.add(metric)
    assert len(shown) == 12
    places = [(each["x"], each["y"], each["width"], each["height"]) for each in widgets]
    cells = [(x + i, y + j) for x, y, width, height in places for i in range(width) for j in range(height)]
    assert len(cells) == len(set(cells)) and max(x for x, _ in cells) < 24


def test_every_alarm_is_told_of_in_the_documentation() -> None:
    text = (ROOT / "docs" / "deploy-stacks.md").read_text()
    told = {name for cells in table_rows(text, 4) for name in quoted(cells[1])}
    assert {alarm["MetricName"].partition(".")[0] for alarm in alarms(root(**BOTH)).values()} == told
