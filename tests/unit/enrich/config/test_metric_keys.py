"""Where metrics and the log go, as a configuration says it."""

import pytest


def test_where_metrics_go_may_be_spelled_out_as_null_and_a_port_may_come_from_a_variable(config):
    found = config({"metrics": {"cloudwatch_namespace": None, "prometheus_port": None}})
    assert (found.metrics.prometheus_port, found.metrics.prometheus_host) == (None, "127.0.0.1")
    assert found.logging.format == "text"
    found = config({"metrics.prometheus_port": "9464", "logging.format": "json"})
    assert (found.metrics.prometheus_port, found.logging.format) == (9464, "json")


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        ("metrics.prometheus_port", 0, "found 0; allowed: 1 to 65535"),
        ("metrics.prometheus_port", 65536, "found 65536; allowed: 1 to 65535"),
        ("metrics.prometheus_port", True, "found true; allowed: a number"),
        ("metrics.prometheus_host", " ", "found ' '; allowed: text that is not empty"),
        ("metrics.cloudwatch_namespace", "AWS/Kinesis", "found 'AWS/Kinesis'; allowed: 1 to 255 letters, digits and"),
        ("metrics.cloudwatch_namespace", ":a", "found ':a'; allowed: 1 to 255 letters, digits and"),
        ("metrics.cloudwatch_namespace", "n" * 256, "allowed: 1 to 255 letters, digits and"),
        ("metrics.cloudwatch_name", "x", "unknown key; did you mean 'cloudwatch_namespace'?"),
        ("logging.format", "yaml", "found 'yaml'; allowed: text, json"),
    ],
)
def test_where_metrics_and_log_can_not_go_is_said_with_what_is_allowed(problems, path, value, line):
    (problem,) = problems({path: value})
    assert problem.startswith(f"{path}: ")
    assert line in problem
