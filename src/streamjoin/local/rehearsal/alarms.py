"""The alarms of a stack, beside the metrics that its jobs print: an alarm on what nobody prints would never ring."""

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from streamjoin.metrics.names import METRICS

Alarm: TypeAlias = dict[str, Any]
Dimensions: TypeAlias = tuple[tuple[str, str], ...]


def alarms_of(cloudwatch: Any, name: str) -> Iterator[Alarm]:
    """Yield the alarms whose names begin with that of a stack, in the service's words."""
    for page in cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix=name):
        yield from page["MetricAlarms"]


def printed(lines: Iterable[str]) -> set[tuple[str, Dimensions, str]]:
    """Return namespace, dimensions and name of each metric that CloudWatch Logs would take out of a job's lines."""
    found = set()
    for line in lines:
        if not line.startswith('{"_aws"'):
            continue
        event = json.loads(line)
        for directive in event["_aws"]["CloudWatchMetrics"]:
            for names in directive["Dimensions"]:
                dimensions = tuple(sorted((name, event[name]) for name in names))
                found |= {(directive["Namespace"], dimensions, each["Name"]) for each in directive["Metrics"]}
    return found


@dataclass(frozen=True)
class Watched:
    """Alarms, by what becomes of what they watch.

    Args:
        told: Their metric was printed.
        silent: Theirs is printed too, but only when it isn't 0.
        idle: They are of jobs that have printed nothing, on metrics that jobs have.
        absent: No job prints theirs: a wrong name, namespace or dimension.
        others: They watch what AWS's own services tell.
    """

    told: list[Alarm] = field(default_factory=list)
    silent: list[Alarm] = field(default_factory=list)
    idle: list[Alarm] = field(default_factory=list)
    absent: list[Alarm] = field(default_factory=list)
    others: list[Alarm] = field(default_factory=list)


def watched(
    alarms: Iterable[Alarm], metrics: set[tuple[str, Dimensions, str]], *, idle: Collection[str] = ()
) -> Watched:
    """Divide alarms by what the jobs have printed.

    Args:
        alarms: In the service's words.
        metrics: What was printed, as `printed` gives it.
        idle: Names of jobs that were not run.
    """
    found, known = Watched(), {each.name for each in METRICS}
    jobs = {(namespace, dimensions) for namespace, dimensions, _ in metrics}
    waiting = {(namespace, (("job", name),)) for namespace, _ in jobs for name in idle}
    for each in alarms:
        dimensions = tuple(sorted((given["Name"], given["Value"]) for given in each["Dimensions"]))
        is_known = each["MetricName"].partition(".")[0] in known
        if each["Namespace"].startswith("AWS/"):
            found.others.append(each)
        elif (each["Namespace"], dimensions, each["MetricName"]) in metrics:
            found.told.append(each)
        elif is_known and (each["Namespace"], dimensions) in jobs:
            found.silent.append(each)
        elif is_known and (each["Namespace"], dimensions) in waiting:
            found.idle.append(each)
        else:
            found.absent.append(each)
    return found
