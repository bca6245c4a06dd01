"""Alarms beside what jobs print: one on a name that nobody prints would never ring."""

import json
from typing import Any

from streamjoin.local.rehearsal.alarms import alarms_of, printed, watched
from streamjoin.metrics.cloudwatch import EmbeddedMetrics
from streamjoin.metrics.metric import Measure
from streamjoin.metrics.names import LAG_SECONDS, REFERENCE_AGE_SECONDS


def alarm(metric: str, namespace: str = "streamjoin/dev", **dimensions: str) -> dict[str, Any]:
    named = dimensions or {"job": "dev-enrich"}
    return {
        "AlarmName": metric,
        "Namespace": namespace,
        "MetricName": metric,
        "Dimensions": [{"Name": name, "Value": value} for name, value in named.items()],
    }


def told() -> list[str]:
    lines = ["a line of a log", json.dumps({"message": "another"})]
    metrics = EmbeddedMetrics("streamjoin/dev", "dev-enrich", write=lines.append)
    metrics.tell([Measure(LAG_SECONDS, 1.5), Measure(REFERENCE_AGE_SECONDS, 2.0, ("country",))])
    return lines


def test_metrics_are_taken_out_of_a_jobs_lines_with_namespace_and_dimension() -> None:
    job = (("job", "dev-enrich"),)
    assert printed(told()) == {
        ("streamjoin/dev", job, "lag_seconds"),
        ("streamjoin/dev", job, "reference_age_seconds.country"),
    }


def test_alarms_are_divided_by_what_was_printed() -> None:
    told_of, silent = alarm("reference_age_seconds.country"), alarm("retries")
    absent = [
        alarm("lag_second"),
        alarm("lag_seconds", "streamjoin/prod"),
        alarm("lag_seconds", job="dev-capture"),
        alarm("reference_age_seconds.country", table="country"),
    ]
    services = alarm("ReadThrottleEvents", "AWS/DynamoDB", TableName="country")
    found = watched([told_of, silent, *absent, services], printed(told()))
    assert (found.told, found.silent, found.absent, found.others) == ([told_of], [silent], absent, [services])
    # A job that was not run has printed nothing; a wrong name is wrong all the same.
    idle = [alarm("lag_seconds", job="dev-capture"), alarm("lag_second", job="dev-capture")]
    found = watched(idle, printed(told()), idle=["dev-capture"])
    assert (found.idle, found.absent) == (idle[:1], idle[1:])


def test_all_pages_of_alarms_are_asked_for_by_the_stacks_name() -> None:
    asked = []

    class CloudWatch:
        def get_paginator(self, operation: str) -> "CloudWatch":
            assert operation == "describe_alarms"
            return self

        def paginate(self, **given: str) -> list[dict[str, Any]]:
            asked.append(given)
            return [{"MetricAlarms": [alarm("a")]}, {"MetricAlarms": [alarm("b")]}]

    assert [each["AlarmName"] for each in alarms_of(CloudWatch(), "dev")] == ["a", "b"]
    assert asked == [{"AlarmNamePrefix": "dev"}]
