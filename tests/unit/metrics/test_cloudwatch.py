"""The embedded metric format, read back as CloudWatch does."""

import json
import math
from dataclasses import replace

from streamjoin.history.figures import Freshness
from streamjoin.metrics import names as m
from streamjoin.metrics.cloudwatch import EmbeddedMetrics
from streamjoin.metrics.metric import Measure
from tests.embedded_metrics import Datum, Key, taken
from tests.unit.metrics.reports import CAPTURE, ENRICH

NOW = 1_764_500_000.123
OF_ORDERS = (("job", "orders"),)


def printed(measures: list[Measure], namespace: str = "Streams/Orders") -> list[str]:
    lines: list[str] = []
    EmbeddedMetrics(namespace, "orders", write=lines.append, clock=lambda: NOW).tell(measures)
    return lines


def test_a_batch_is_one_line_from_which_cloudwatch_takes_every_number_with_its_unit() -> None:
    (line,) = printed(list(ENRICH.measures()))
    found = taken([line])
    assert {key.name: (datum.value, datum.unit) for key, datum in found.items()} == {
        **{"records_read": (10, "Count"), "rows_out": (6, "Count"), "records_superseded": (1, "Count")},
        **{"records_rejected": (3, "Count"), "rows_removed": (1, "Count"), "records_empty": (4, "Count")},
        **{"rejected_by_reason.WRONG_TYPE": (2, "Count"), "rejected_by_reason.NOT_UTF8": (1, "Count")},
        **{"records_matched.country": (5, "Count"), "records_unmatched.country": (2, "Count")},
        **{"reference_version.country": (7, "None"), "read_units.country": (12.5, "Count")},
        **{"reference_misfits.country.code": (3, "Count"), "reference_age_seconds.country": (31.25, "Seconds")},
        **{"refresh_failures.country": (2, "Count"), "lag_seconds": (4.0, "Seconds")},
        **{
            "service_seconds.waited.planning": (0.125, "Seconds"),
            "service_seconds.beside.compaction": (3.5, "Seconds"),
        },
        **{"batch_seconds": (1.5, "Seconds"), "stage_seconds.fetch": (0.25, "Seconds")},
        **{"stage_seconds.compute": (0.5, "Seconds"), "stage_seconds.dead_letters": (0.2, "Seconds")},
        **{"stage_seconds.commit": (0.7, "Seconds"), "stage_seconds.ledger": (0.1, "Seconds")},
        **{"freshness_p50_seconds": (1.0, "Seconds"), "freshness_p99_seconds": (2.0, "Seconds")},
        **{"freshness_max_seconds": (3.0, "Seconds"), "bytes_read": (1_000, "Bytes"), "commits": (2, "Count")},
        **{
            "files_written": (2, "Count"),
            "file_bytes_written": (3_000, "Bytes"),
            "largest_file_bytes": (2_000, "Bytes"),
        },
        **{"s3_requests": (150, "Count")},
        **{"rows_rewritten": (5, "Count"), "retries": (1, "Count"), "catalog_failures": (2, "Count")},
    }
    assert found[Key("Streams/Orders", OF_ORDERS, "records_read")] == Datum(10, "Count", 1_764_500_000_123)


def test_of_a_capture_the_rows_of_each_table_and_its_services_are_told() -> None:
    found = {key.name: datum.value for key, datum in taken(printed(list(CAPTURE.measures()))).items()}
    assert (found["rows_out"], found["table_rows_out.orders"], found["table_rows_out.items"]) == (7, 4, 3)
    assert (found["rows_removed"], found["table_rows_removed.orders"], found["records_ignored"]) == (2, 2, 1)
    assert (found["service_seconds.waited.planning.orders"], found["commits"]) == (0.25, 2)
    # What isn't known is no number.
    assert not {"freshness_p50_seconds", "files_written"} & found.keys()


def test_more_than_a_hundred_metrics_are_more_lines() -> None:
    many = [Measure(m.REJECTED_BY_REASON, number, (f"REASON_{number}",)) for number in range(230)]
    lines = printed(many)
    assert [len(json.loads(line)["_aws"]["CloudWatchMetrics"][0]["Metrics"]) for line in lines] == [100, 100, 30]
    assert {key.name: datum.value for key, datum in taken(lines).items()} == {each.key: each.value for each in many}


def test_what_is_no_finite_number_is_never_printed() -> None:
    report = replace(ENRICH, freshness=Freshness(math.nan, math.inf, -math.inf))
    names = {key.name for key in taken(printed(list(report.measures())))}
    assert "records_read" in names
    assert not any(name.startswith("freshness") for name in names)
    assert printed([Measure(m.LAG_SECONDS, math.nan)]) == []


def test_a_line_goes_to_standard_output_at_once(capsys) -> None:
    EmbeddedMetrics("Streams", "orders").tell(list(ENRICH.measures()))
    said = capsys.readouterr()
    assert (said.err, len(taken(said.out.splitlines())) > 20) == ("", True)
