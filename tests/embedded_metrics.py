"""Takes metrics out of lines as CloudWatch Logs does, and refuses what it would pass over in silence.

Source: Amazon CloudWatch user guide, "Specification: Embedded metric format", with its JSON schema.
"""

import json
import math
from collections.abc import Iterable
from typing import Any, NamedTuple

# Source: MetricDatum of the CloudWatch API reference.
UNITS = {
    *("Seconds", "Microseconds", "Milliseconds", "Count", "Percent", "Count/Second", "None"),
    *("Bytes", "Kilobytes", "Megabytes", "Gigabytes", "Terabytes", "Bits", "Kilobits", "Megabits", "Gigabits"),
    *("Terabits", "Bytes/Second", "Bits/Second"),
}
MOST_LINE_BYTES = 256 * 1024


class Key(NamedTuple):
    """What a metric is known by."""

    namespace: str
    dimensions: tuple[tuple[str, str], ...]
    name: str


class Datum(NamedTuple):
    value: float
    unit: str
    timestamp_ms: int


def taken(lines: Iterable[str]) -> dict[Key, Datum]:
    """Return the metrics of lines; a line that isn't JSON with `_aws` is a line of a log."""
    found: dict[Key, Datum] = {}
    for line in lines:
        assert "\n" not in line
        assert len(line.encode()) <= MOST_LINE_BYTES
        event = json.loads(line, parse_constant=_refuse)
        header = event["_aws"]
        timestamp = header["Timestamp"]
        assert isinstance(timestamp, int)
        assert 1_000_000_000_000 < timestamp < 10_000_000_000_000, "in milliseconds"
        for directive in header["CloudWatchMetrics"]:
            assert 1 <= len(directive["Namespace"]) <= 255
            assert 1 <= len(directive["Metrics"]) <= 100
            for dimensions in directive["Dimensions"]:
                assert 1 <= len(dimensions) <= 30
                values = tuple((name, _text(event[name])) for name in sorted(dimensions))
                for metric in directive["Metrics"]:
                    key = Key(directive["Namespace"], values, metric["Name"])
                    assert 1 <= len(metric["Name"]) <= 255
                    assert metric["Name"].isascii()
                    assert key not in found, "twice for one batch"
                    assert metric["Unit"] in UNITS
                    found[key] = Datum(_number(event[metric["Name"]]), metric["Unit"], timestamp)
    return found


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


def _text(value: Any) -> str:
    assert isinstance(value, str)
    assert 1 <= len(value) <= 1024
    return value


def _number(value: Any) -> float:
    assert isinstance(value, int | float)
    assert not isinstance(value, bool)
    assert math.isfinite(value)
    return value
