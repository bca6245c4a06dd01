import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamjoin.entry import load_config, parse_job, summary
from streamjoin.errors import ConfigError
from streamjoin.moments import epoch_us, iso_us

US_2019 = 1_562_148_836_036_000
FIXED = "tables[0].fixed_partition"
HUDI = "tables[0].sink.hudi"


def test_what_is_left_out_has_its_default(backfill, removed):
    found = backfill({"where": removed})
    assert found.where is None
    assert found.tables[0].fixed_partition == {}
    assert (found.source.dynamodb_table.segments, found.source.dynamodb_table.max_read_units_per_second) == (None, None)
    assert (found.limits.max_records_per_batch, found.limits.grace_seconds) == (200_000, 60)


@pytest.mark.parametrize(
    ("written", "us"),
    [
        (1562148836, 1_562_148_836_000_000),
        (1562148836036, US_2019),
        (1562148836036000, US_2019),
        ("1562148836036", US_2019),
        (1562148836.036, US_2019),
        ("2019-07-03T10:13:56.036Z", US_2019),
        ("2019-07-03 12:13:56.036+02:00", US_2019),
        ("2019-07-03", 1_562_112_000_000_000),
        (0, 0),
        (-86400, -86_400_000_000),
    ],
)
def test_a_watermark_is_one_moment_however_it_is_written(backfill, written, us):
    found = backfill({"where.before": written}).where.before
    assert (found.us, found.written) == (us, written)


@pytest.mark.parametrize("written", ["yesterday", "", "20:15", True, [1], {"s": 1}, "2019-13-01", 10**18, "NaN"])
def test_a_watermark_that_is_no_moment_is_refused(backfill_problems, written):
    (line,) = backfill_problems({"where.before": written})
    assert line.startswith("where.before: found ")
    assert line.endswith(
        "allowed: a moment, such as 1562148836036 (epoch in s, ms or microseconds) or '2019-07-03T10:13:56Z'"
    )


@pytest.mark.parametrize(
    ("written", "day"), [(20190703, "2019-07-03"), ("20190703", "2019-07-03"), (2019, "2019-01-01")]
)
def test_a_day_or_a_year_is_not_taken_for_an_epoch_number(backfill_problems, written, day):
    (line,) = backfill_problems({"where.before": written})
    assert line.endswith(f"as an epoch number it is a day of 1970; for the date write '{day}'")


@given(
    st.datetimes(datetime(1974, 1, 1), datetime(5000, 1, 1)),  # noqa: DTZ001  (of UTC, as hypothesis wants it)
    st.sampled_from([1, 10**3, 10**6]),
)
def test_a_moment_is_the_same_in_every_unit_and_as_text(moment, unit):
    moment = moment.replace(microsecond=0, tzinfo=UTC)
    seconds = round(moment.timestamp())
    assert epoch_us(seconds * unit) == iso_us(moment.isoformat()) == seconds * 10**6


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"source": {}}, "source: found neither dynamodb_table nor dynamodb_export; give one of them"),
        ({"source.dynamodb_export": {"path": "s3://b/x"}}, "source: found both dynamodb_table and dynamodb_export; "),
        ({"source": {"kinesis": {}}}, "source.kinesis: a key of job: enrich and capture; "),
        ({"source.dynamodb_table.segments": 0}, "source.dynamodb_table.segments: found 0; allowed: a number greater"),
        ({"source.dynamodb_table.segments": 10**6 + 1}, "source.dynamodb_table.segments: found 1000001; allowed: 1 to"),
        ({"source.dynamodb_table.max_read_units_per_second": 0}, "source.dynamodb_table.max_read_units_per_second: "),
        ({"where": {"attribute": "x"}}, "where: found none of before, until, after and from; "),
        ({"where": {"before": 5}}, "where.attribute: missing; "),
        ({"where.until": 5}, "where: found both before and until; give one of them"),
        ({"where": {"attribute": "x", "after": 1, "from": 2}}, "where: found both after and from; give one of them"),
        (
            {"where.after": "2019-07-03T10:13:56.036Z"},
            "where: no moment is both after 2019-07-03T10:13:56.036Z and before 1562148836036; ",
        ),
        ({"where.equals": 5}, "where.equals: unknown key; allowed: attribute, before, until, after, from"),
        ({"tables[0].table_name": "receipt"}, "tables[0].table_name: found 'receipt', but source.dynamodb_table reads"),
        ({"tables[0].table_name": "*"}, "tables[0].table_name: found '*', a template of job: capture; "),
        ({f"{HUDI}.table_name": "x_{table}"}, f"{HUDI}.table_name: found 'x_{{table}}'; {{table}} is allowed in a"),
        ({FIXED: {"dt": 0}}, f"{FIXED}.dt: found 0; allowed: text (put a number or a date in quotes)"),
        ({FIXED: {"dt": ""}}, f"{FIXED}.dt: found ''; allowed: text that is not empty"),
        ({FIXED: {"dt": "a\nb"}}, f"{FIXED}.dt: found control characters; "),
        ({FIXED: {"_order": "0"}}, f"{FIXED}._order: '_order' is a column of streamjoin's own; "),
        ({FIXED: {"d-t": "0"}}, f"{FIXED}.d-t: Hudi can't store a column named 'd-t'; "),
        (
            {FIXED: {"dt": "0"}, "tables[0].schema": "DT string"},
            f"{FIXED}.dt: the column 'dt' is that of the attribute 'DT' already; ",
        ),
        (
            {FIXED: {"dt": "0"}, f"{HUDI}.partition_by": [{"name": "day", "from": "createdAt"}]},
            f"{FIXED}: found the levels dt, but sink.hudi.partition_by has day; allowed: the same, in the same order",
        ),
        (
            {FIXED: {"day": "0"}, "tables[0].layout": "changelog"},
            f"{FIXED}: found the levels day, but a changelog without partition_by has dt; allowed: the same, in the",
        ),
        ({"tables[0].schema": "_order string"}, "tables[0].schema: '_order' is a column of streamjoin's own; "),
        ({"dead_letters.base_path": "s3://bucket/lake/receipts/x"}, "dead_letters.base_path: found 's3://bucket/lake"),
        ({"trigger": {"interval_seconds": 5}}, "trigger: unknown key; allowed: job, name, source, where, tables, "),
        ({"journal": {"base_path": "/j"}}, "journal: a key of job: capture; "),
    ],
)
def test_a_problem_is_named_with_its_key_and_what_is_allowed(backfill_problems, changes, line):
    assert any(problem.startswith(line) for problem in backfill_problems(changes)), backfill_problems(changes)


def test_a_backfill_has_one_table(backfill, backfill_problems):
    (table,) = backfill({}).model_dump(mode="json", by_alias=True)["tables"]
    lines = backfill_problems({"tables": [table, table]})
    assert "tables: found 2 of them; allowed: exactly one, and a job for each" in lines


@pytest.mark.parametrize(
    "changes",
    [
        {FIXED: {"dt": "00000000"}},
        {FIXED: {"dt": "00000000"}, "tables[0].layout": "changelog"},
        {
            FIXED: {"dt": "00000000"},
            f"{HUDI}.partition_by": [{"name": "dt", "from": "createdAt", "format": "yyyyMMdd"}],
        },
        {FIXED: {"year": "0000", "month": "00"}, f"{HUDI}.partition_by": ["year", "month"]},
        {"where": {"attribute": "updatedat", "after": "2019-01-01", "until": 1562148836036}},
        {"where": {"attribute": "updatedat", "from": "2019-01-01", "until": "2019-01-01"}},
        {"source": {"dynamodb_export": {"path": "s3://bucket/exports/AWSDynamoDB/01"}}},
    ],
)
def test_what_fits_is_taken_and_the_same_after_it_was_written_out(backfill, changes):
    found = backfill(changes)
    values = found.model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert parse_job(json.loads(json.dumps(values))) == found


def test_commands_that_write_one_table_for_ever_refuse_the_job(backfill):
    values = backfill({}).model_dump(mode="json", by_alias=True)
    with pytest.raises(ConfigError, match=r"job: found 'backfill', which writes its table once; expected here: enrich"):
        load_config(values)


def test_the_summary_says_which_items_go_where(backfill, removed):
    assert summary(backfill({"where.from": "2019-01-01"})) == (
        "Job 'receipts-backfill', scan of 'receipts', items with updatedat before 1562148836036 and from 2019-01-01, "
        "'receipts' (current) into 'receipts' at s3://bucket/lake/receipts"
    )
    export = {"source": {"dynamodb_export": {"path": "s3://bucket/export"}}, "where": removed}
    assert "export at s3://bucket/export, all items, " in summary(backfill(export))
