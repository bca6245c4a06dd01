import pytest

from streamjoin.enrich.config.columns import check_columns
from streamjoin.errors import ConfigError
from streamjoin.schema.ddl import parse_schema

ARN = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders"
GLUE = {"glue_catalog": {"database": "d", "table": "t"}}


@pytest.mark.parametrize(
    ("kinesis", "problem"),
    [
        ({}, "source.kinesis: found neither stream_name nor stream_arn; give one of them"),
        ({"stream_name": "s", "stream_arn": ARN}, "source.kinesis: found both stream_name and stream_arn; give one"),
        ({"stream_arn": ARN, "region": "us-east-1"}, "source.kinesis.region: found 'us-east-1', but stream_arn names"),
        ({"stream_name": "s", "starting_position": "AT_TIMESTAMP"}, "source.kinesis.timestamp: missing"),
        ({"stream_name": "s", "timestamp": "2026-01-31"}, "source.kinesis.timestamp: allowed with AT_TIMESTAMP only"),
    ],
)
def test_keys_of_the_source_fit_each_other(problems, kinesis, problem):
    (line,) = problems({"source.kinesis": kinesis})
    assert line.startswith(problem)


@pytest.mark.parametrize("kinesis", [{"stream_arn": ARN}, {"stream_arn": ARN, "region": "eu-west-1"}])
def test_an_arn_stands_for_the_name(config, kinesis):
    assert config({"source.kinesis": kinesis}).source.kinesis.stream_name is None


def test_a_value_with_a_problem_of_its_own_is_not_reported_twice(problems):
    assert len(problems({"source.kinesis": {"stream_name": "a b"}})) == 1
    assert len(problems({"source.kinesis": {"stream_name": "s", "stream_arn": "b"}})) == 2
    bad_time = {"stream_name": "s", "starting_position": "AT_TIMESTAMP", "timestamp": "noon"}
    assert len(problems({"source.kinesis": bad_time})) == 1


@pytest.mark.parametrize("path", ["s3://b1b/x/orders", "s3://b1b/x/orders/", "s3://b1b/x/orders/dead", "s3://b1b/x"])
def test_dead_letters_lie_beside_the_table(problems, path):
    lines = problems({"sink.hudi.base_path": "s3://b1b/x/orders", "dead_letters.base_path": path})
    assert [line.split(":")[0] for line in lines] == ["dead_letters.base_path"]


@pytest.mark.parametrize(
    ("table", "letters"),
    [
        ("file:/lake/orders", "/lake/orders"),
        ("lake/orders", "./lake"),
    ],
)
def test_one_local_place_is_recognised_however_it_is_written(problems, table, letters):
    assert "allowed: a path beside it" in problems({"sink.hudi.base_path": table, "dead_letters.base_path": letters})[0]


@pytest.mark.parametrize(
    ("table", "letters"),
    [
        ("s3://bkt/orders", "s3://bkt/orders_dead"),
        ("s3://b1b/x", "s3://b2b/x"),
        ("/x", "s3://bkt/x"),
        ("/l/a", "/l/b"),
    ],
)
def test_paths_that_only_look_alike_are_allowed(problems, table, letters):
    assert problems({"sink.hudi.base_path": table, "dead_letters.base_path": letters}) == []


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("s3a://bucket/x", "use s3:// instead of s3a://"),
        ("s3n://bucket/x", "use s3:// instead of s3n://"),
        ("hdfs://host/x", "allowed: s3://bucket/prefix, file:/absolute/path, or a path"),
        ("s3://bucket", "with a prefix"),
        ("s3://bucket/", "with a prefix"),
        ("s3://bucket//x", "with a prefix"),
        ("s3://b/lake", "that can't be a bucket's name; allowed: 3 to 63 lower case letters"),
        ("s3://Lake_1/x", "that can't be a bucket's name"),
        ("s3:///x", "that can't be a bucket's name"),
        ("file:x", "allowed: file:/absolute/path"),
        ("file://host/x", "allowed: file:/absolute/path"),
        ("~/lake", "without ~"),
        ("/lake/*", "without the characters"),
        ("", "allowed: s3://bucket/prefix"),
    ],
)
@pytest.mark.parametrize("key", ["sink.hudi.base_path", "dead_letters.base_path"])
def test_a_path_that_not_every_reader_opens_is_refused(problems, key, path, reason):
    (line,) = problems({key: path})
    assert line.startswith(f"{key}: found '{path}'; ")
    assert reason in line


@pytest.mark.parametrize(
    "path", ["s3://my-bucket.x/a/b", "file:/a", "file:///a/b", "/a/b", "a/b", "./a", "C/x y", "lake/dt=1"]
)
def test_s3_and_local_paths_are_taken_as_they_are(config, path):
    assert config({"sink.hudi.base_path": path}).sink.hudi.base_path == path


def test_references_have_names_of_their_own(problems):
    reference = {"dynamodb": {"table_name": "ttt"}, "on": {"country": "c"}}
    first, second = {"name": "a", "columns": ["x"], **reference}, {"name": "a", "columns": ["y"], **reference}
    (line,) = problems({"references": [first, second]})
    assert line.startswith("references[1].name: found 'a', which is also the name of references[0]")


def test_a_reference_is_refreshed_before_it_is_too_old(problems):
    (line,) = problems({"references[0].refresh": {"interval_seconds": 600}})
    assert line.startswith("references[0].refresh.max_staleness_seconds: found 300, less than interval_seconds, 600")
    assert problems({"references[0].refresh": {"interval_seconds": 300}}) == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"dynamodb.index_name": "by_name"},
            "dynamodb.index_name: allowed with mode lookup or auto only; found snapshot",
        ),
        ({"max_cached_items": 9}, "max_cached_items: allowed with mode lookup or auto only; found snapshot"),
        ({"max_rows_per_pass": 9}, "max_rows_per_pass: allowed with on_change rewrite_rows only; found new_rows"),
        (
            {"mode": "lookup", "dynamodb.scan_segments": 2},
            "dynamodb.scan_segments: allowed with mode snapshot or auto only; found lookup",
        ),
        (
            {"mode": "lookup", "on_change": "rewrite_rows"},
            "on_change: found rewrite_rows with mode lookup, which reads single items: nothing tells",
        ),
    ],
)
def test_a_key_that_would_have_no_effect_is_refused(problems, changes, problem):
    found = problems({"output.drop": [], **{f"references[0].{key}": value for key, value in changes.items()}})
    assert [line.startswith(f"references[0].{problem}") for line in found] == [True], found


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": "lookup", "dynamodb.index_name": "by_name", "max_cached_items": 9},
        {"mode": "auto", "dynamodb.index_name": "by_name", "max_cached_items": 9, "dynamodb.scan_segments": 2},
        {"mode": "auto", "on_change": "rewrite_rows", "max_rows_per_pass": 9},
        {"mode": "snapshot", "on_change": "rewrite_rows", "dynamodb.scan_segments": 2},
        {"mode": "lookup", "dynamodb.max_read_units_per_second": 0.5},
        {"mode": "snapshot", "dynamodb.max_read_units_per_second": 500, "refresh": {"follow": "scan"}},
    ],
)
def test_keys_of_a_reference_that_fit_each_other_pass(problems, changes):
    assert problems({"output.drop": [], **{f"references[0].{key}": value for key, value in changes.items()}}) == []


def test_a_mode_that_is_misspelled_is_the_only_problem(problems):
    (line,) = problems({"references[0].mode": "lokup", "references[0].max_cached_items": 9})
    assert line.startswith("references[0].mode: found 'lokup'; did you mean 'lookup'?")


def test_a_reference_without_columns_can_only_filter(problems):
    assert problems({"references[0].columns": []})[0].startswith("references[0].columns: found none, with how: left")
    assert problems({"references[0].columns": [], "references[0].how": "inner"}) == []


def test_columns_of_a_catalog_table_are_checked_when_they_are_known(config):
    found = config({"payload.schema": GLUE, "sink.hudi.record_key": ["uid"], "output.drop": ["nope"]})
    with pytest.raises(ConfigError) as caught:
        check_columns(found, parse_schema("uuid string, country string"))
    assert [line.split(":")[0] for line in caught.value.problems] == ["output.drop[0]", "sink.hudi.record_key[0]"]


def test_columns_of_a_catalog_table_that_fit_pass(config):
    check_columns(config({"payload.schema": GLUE}), parse_schema("uuid string, country string"))


def test_what_needs_no_payload_is_checked_without_it(problems):
    references = [
        {"name": n, "dynamodb": {"table_name": "ttt"}, "on": {"country": "c"}, "columns": ["x"]} for n in ("a", "b")
    ]
    (line,) = problems({"payload.schema": GLUE, "references": references})
    assert line.startswith("references[1].columns.x: the column 'x' is one of reference 'a' already")


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"delete_when": "rand() < 0.5"}, "sink.hudi.delete_when: rand gives another value each time"),
        ({"delete_when": "at < current_timestamp()"}, "sink.hudi.delete_when: current_timestamp gives another value"),
        ({"delete_when": "reflect('a', 'b')"}, "sink.hudi.delete_when: it calls Java"),
        ({"delete_when": ["x"]}, "sink.hudi.delete_when: found a list; allowed: text"),
        ({"tombstone_hours": 48}, "sink.hudi.tombstone_hours: allowed with sink.hudi.delete_when only"),
        (
            {"delete_when": "true", "tombstone_hours": 0},
            "sink.hudi.tombstone_hours: found 0; allowed: a number",
        ),
    ],
)
def test_what_deletes_rows_is_an_expression_that_a_repeat_gives_again(problems, settings, problem):
    changes = {f"sink.hudi.{key}": value for key, value in settings.items()}

    assert any(line.startswith(problem) for line in problems(changes)), problems(changes)


def test_deleted_rows_may_be_remembered_for_longer(problems):
    assert problems({"sink.hudi.delete_when": "uuid like 'x%'", "sink.hudi.tombstone_hours": 48}) == []
