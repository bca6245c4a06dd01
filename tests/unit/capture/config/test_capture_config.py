import json

import pytest

from streamjoin.capture.config.capture import journal_path, settings_of_table
from streamjoin.entry import json_schema, load_config, parse_config, parse_job, summary
from streamjoin.errors import ConfigError

STREAM = {"dynamodb_stream": {"table_name": "orders"}}


def test_what_is_left_out_has_its_default(capture):
    found = capture({})
    table = found.tables[0]
    assert (table.layout, table.undeclared, table.tombstone_hours) == ("current", "keep", 24)
    assert (table.drop, table.rename, table.sink.hudi.record_key, table.sink.hudi.partition_by) == ([], {}, [], [])
    assert (found.unlisted_tables, found.trigger.interval_seconds) == ("dead_letter", 5)


def test_the_journal_lies_beside_the_dead_letters_unless_told(capture):
    assert journal_path(capture({})) == "s3://bucket/lake/dead_letters_journal"
    assert journal_path(capture({"journal": {"base_path": "s3://bucket/journal"}})) == "s3://bucket/journal"


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"source": {}}, "source: found neither kinesis nor dynamodb_stream; give one of them"),
        ({"source.dynamodb_stream": {"table_name": "orders"}}, "source: found both kinesis and dynamodb_stream; "),
        ({"source.kinesis": {}}, "source.kinesis: found neither stream_name nor stream_arn; "),
        ({"source": {"mysql": {}}}, "source.mysql: a key of job: replicate; "),
        ({"source.dynamodb_table": {}}, "source.dynamodb_table: a key of job: backfill; "),
        ({"tables": []}, "tables: found a list; allowed: at least 1 of them"),
        ({"tables": "orders"}, "tables: found 'orders'; allowed: a list, each element behind a -"),
        ({"tables[0]": "orders"}, "tables[0]: found 'orders'; allowed: a mapping with the keys table_name, "),
        ({"tables[0].table_name": "a b"}, "tables[0].table_name: found 'a b'; allowed: 3 to 255 letters, digits"),
        ({"tables[1].table_name": "orders"}, "tables[1].table_name: found 'orders', as in tables[0]; "),
        ({"tables[0].table_name": "*"}, "tables[1].table_name: a second template, as in tables[0]; "),
        ({"tables[0].layout": "log"}, "tables[0].layout: found 'log'; allowed: current, changelog"),
        ({"tables[0].fixed_partition": {"dt": "0"}}, "tables[0].fixed_partition: a key of job: backfill; "),
        ({"tables[0].sink.hudi.ordering": {"column": "x"}}, "tables[0].sink.hudi.ordering: a key of job: enrich; "),
        ({"tables[0].tombstone_hours": 0}, "tables[0].tombstone_hours: found 0; allowed: a number greater than 0"),
        ({"unlisted_tables": "drop"}, "unlisted_tables: found 'drop'; allowed: dead_letter, ignore"),
        ({"payload": {"schema": "a int"}}, "payload: a key of job: enrich; "),
        ({"sink": {}}, "sink: unknown key; allowed: job, name, source, tables, "),
        ({"metrics.prometheus_port": 0}, "metrics.prometheus_port: found 0; allowed: 1 to 65535"),
        ({"source.kinesis.fan_out": "a b"}, "source.kinesis.fan_out: found 'a b'; allowed: 1 to 128 letters, digits"),
    ],
)
def test_a_problem_is_named_with_its_key_and_what_is_allowed(capture_problems, changes, line):
    assert any(problem.startswith(line) for problem in capture_problems(changes)), capture_problems(changes)


@pytest.mark.parametrize(
    ("option", "instead"),
    [
        ("hoodie.datasource.write.recordkey.field", "rows are known by the item's own key, or by their change"),
        ("hoodie.table.ordering.fields", "changes are ordered by their own time and sequence number"),
        ("hoodie.table.name", "set sink.hudi.table_name instead"),
    ],
)
def test_an_option_that_streamjoin_sets_is_refused_with_what_holds_for_changes(capture_problems, option, instead):
    (line,) = capture_problems({"tables[0].sink.hudi.options": {option: "x"}})
    assert line.endswith(f"this option is set by streamjoin; {instead}")


@pytest.mark.parametrize(
    ("path", "value", "end"),
    [
        ("tables[1].sink.hudi.base_path", "s3://bucket/x", "allowed in a template: one with {table}, which stands for"),
        ("tables[1].sink.hudi.table_name", "all", "allowed in a template: one with {table}, which stands for"),
        ("tables[0].sink.hudi.base_path", "s3://bucket/{table}", "{table} is allowed in a template only"),
        ("tables[0].sink.hudi.table_name", "x_{table}", "{table} is allowed in a template only"),
        ("dead_letters.base_path", "s3://bucket/{table}", "without the characters * ? # { } [ ]"),
        ("tables[1].sink.hudi.base_path", "s3://{table}/lake", "allowed: {table} behind the bucket"),
        ("tables[1].sink.hudi.base_path", "s3a://bucket/{table}", "use s3:// instead of s3a://"),
        ("tables[1].sink.hudi.base_path", "s3://bucket/{tabel}", "without the characters * ? # { } [ ]"),
        ("tables[1].sink.hudi.table_name", "{table}-log", "lower-case letters, digits and _ (what Athena can name)"),
        ("tables[1].sink.hudi.table_name", {"table": None}, "allowed: text (in quotes, if there are braces in it)"),
    ],
)
def test_a_template_has_the_tables_name_in_its_path_and_name_and_no_other_entry_has(capture_problems, path, value, end):
    assert any(line.startswith(f"{path}: found ") and end in line for line in capture_problems({path: value}))


def test_a_template_is_filled_with_a_name_that_athena_can_take(capture):
    config = capture({})
    assert settings_of_table(config, "orders") is config.tables[0]
    found = settings_of_table(config, "Eu-Receipts.2026")
    assert (found.table_name, found.layout) == ("Eu-Receipts.2026", "changelog")
    assert found.sink.hudi.base_path == "s3://bucket/lake/log/Eu-Receipts.2026"
    assert found.sink.hudi.table_name == "eu_receipts_2026_log"
    assert settings_of_table(capture({"tables": [{**config.model_dump(by_alias=True)["tables"][0]}]}), "other") is None


def test_a_template_makes_no_table_in_the_place_of_another(capture):
    config = capture({"tables[1].sink.hudi.base_path": "s3://bucket/lake/{table}"})
    assert settings_of_table(config, "receipts").sink.hudi.base_path == "s3://bucket/lake/receipts"
    for name, key in (("dead_letters", "dead_letters.base_path"), ("dead_letters_journal", "journal.base_path")):
        with pytest.raises(
            ConfigError, match=rf"for the table '{name}' it is 's3://bucket/lake/{name}', equal to {key}"
        ):
            settings_of_table(config, name)


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        (
            {"tables[1].table_name": "receipts", "tables[1].sink.hudi.base_path": "s3://bucket/lake/orders/log"},
            ["tables[1].sink.hudi.base_path: found 's3://bucket/lake/orders/log', inside of tables[0].sink.hudi"],
        ),
        (
            {"dead_letters.base_path": "s3://bucket/lake"},
            [
                "dead_letters.base_path: found 's3://bucket/lake', around tables[0].sink.hudi.base_path",
                "dead_letters.base_path: found 's3://bucket/lake', around tables[1].sink.hudi.base_path",
            ],
        ),
        (
            {"journal": {"base_path": "s3://bucket/lake/dead_letters/journal"}},
            ["journal.base_path: found 's3://bucket/lake/dead_letters/journal', inside of dead_letters.base_path"],
        ),
        (
            {"tables[0].sink.hudi.base_path": "s3://bucket/lake/dead_letters_journal/"},
            ["journal.base_path: found 's3://bucket/lake/dead_letters_journal', equal to tables[0].sink"],
        ),
    ],
)
def test_tables_dead_letters_and_journal_lie_beside_each_other(capture_problems, changes, lines):
    found = [line for line in capture_problems(changes) if "allowed: a path beside it" in line]
    assert [line[: len(start)] for line, start in zip(found, lines, strict=True)] == lines


def test_two_tables_have_two_names_in_one_database(capture, capture_problems):
    second = {"tables[1].table_name": "receipts", "tables[1].sink.hudi.base_path": "s3://bucket/lake/receipts"}
    same = {**second, "tables[1].sink.hudi.table_name": "orders"}
    assert any(
        line.startswith("tables[1].sink.hudi.table_name: found 'orders', which is also that of tables[0]")
        for line in capture_problems(same)
    )
    assert capture({**same, "tables[1].sink.hudi.database": "other"})


def test_the_stream_of_a_table_needs_an_entry_of_it_and_no_other(capture, capture_problems, removed):
    assert capture({"source": STREAM, "tables[1]": removed}).tables[0].table_name == "orders"
    assert capture({"source": STREAM, "tables[0]": removed}).tables[0].table_name == "*"
    (line,) = capture_problems({"source": STREAM, "tables[0].table_name": "order", "tables[1]": removed})[:1]
    assert line.startswith(
        "tables[0].table_name: found 'order', but source.dynamodb_stream has the changes of 'orders'"
    )
    lines = capture_problems({"source": STREAM, "tables[0].table_name": "order", "tables[1]": removed})
    assert "tables: found no entry of 'orders', the table of source.dynamodb_stream; add one" in lines


def test_every_problem_is_found_at_once(capture_problems):
    lines = capture_problems(
        {
            "name": "",
            "source.kinesis.starting_position": "AT_TIMESTAMP",
            "tables[0].sink.hudi.base_path": "s3a://bucket/x",
            "tables[0].drop": ["orderid"],
            "tables[1].sink.hudi.table_name": "log",
            "dead_letters.base_path": "s3://bucket/lake/log",
            "bogus": 1,
        }
    )
    assert len(lines) == len(set(lines)) == 7


def test_a_configuration_is_the_same_after_it_was_written_out(capture):
    found = capture({})
    values = found.model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert parse_job(json.loads(json.dumps(values))) == found


def test_commands_that_write_one_table_refuse_the_job(capture):
    for load in (load_config, parse_config):
        with pytest.raises(ConfigError, match=r"job: found 'capture', which writes many tables; expected here: enrich"):
            load(capture({}).model_dump(mode="json", by_alias=True, exclude_unset=True))


def test_the_summary_names_stream_tables_and_journal(capture, removed):
    assert summary(capture({})) == (
        "Job 'orders-capture', stream 'changes', 'orders' (current) into 'orders' at s3://bucket/lake/orders, "
        "all other tables (changelog) into '{table}_log' at s3://bucket/lake/log/{table}, "
        "journal at s3://bucket/lake/dead_letters_journal"
    )
    assert "stream of the table 'orders'" in summary(capture({"source": STREAM, "tables[1]": removed}))


@pytest.mark.parametrize("job", ["capture", "backfill"])
def test_the_schema_for_editors_has_every_key_with_a_description_of_one_line(job):
    schema = json_schema(job)
    assert schema["properties"]["job"]["enum"] == [job]
    for part in (schema, *schema["$defs"].values()):
        part = next((form for form in part.get("anyOf", []) if "properties" in form), part)  # noqa: PLW2901
        assert part["additionalProperties"] is False
        for key, value in part["properties"].items():
            model = schema["$defs"].get(value.get("$ref", "").rpartition("/")[2], {})
            description = value.get("description") or model.get("description", "")
            assert description.strip(), key
            assert "\n" not in description, key
