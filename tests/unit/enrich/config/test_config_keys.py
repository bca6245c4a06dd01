import pickle
from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from pydantic import ValidationError

from streamjoin.config.hudi_options import OWNED_HUDI_OPTIONS
from streamjoin.config.schema_forms import GlueCatalogSchema
from streamjoin.config.values import RESERVED_COLUMNS
from streamjoin.enrich import order
from streamjoin.entry import load_config, parse_config
from streamjoin.errors import ConfigError
from streamjoin.hudi.write import HudiTable
from streamjoin.records import events


def test_the_example_has_no_problem_and_its_defaults(config):
    found = config({})
    assert found.source.kinesis.starting_position == "TRIM_HORIZON"
    assert found.source.kinesis.fail_on_data_loss is True
    assert found.references[0].how == "left"
    assert found.references[0].columns == {"code": "code", "combinedname": "combinedname"}
    assert found.references[0].dynamodb.scan_segments is None
    assert found.references[0].dynamodb.index_name is None
    assert found.references[0].dynamodb.max_read_units_per_second is None
    assert (found.references[0].mode, found.references[0].max_cached_items) == ("snapshot", None)
    assert (found.references[0].on_change, found.references[0].max_rows_per_pass) == ("new_rows", None)
    assert found.references[0].refresh.follow == "changes"
    assert found.references[0].refresh.interval_seconds == 60
    assert found.references[0].refresh.max_staleness_seconds == 300
    assert found.output.reference_version is None
    assert (found.sink.hudi.ordering, found.sink.hudi.partition_by) == (None, [])
    assert found.limits.max_records_per_batch == 200_000
    assert found.limits.max_bytes_per_batch == 256 * 1024 * 1024
    assert found.trigger.interval_seconds == 5


def test_a_configuration_is_frozen_and_can_be_pickled(config):
    found = config({})
    with pytest.raises(ValidationError):
        found.name = "other"
    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301


def test_what_a_configuration_dumps_can_be_loaded_again(config):
    partitions = {"sink.hudi.partition_by": [{"name": "dt", "from": "orderdate"}]}
    for version in ("version", {"country": "version"}):
        found = config({**partitions, "output.reference_version": version})
        assert parse_config(found.model_dump(by_alias=True)) == found
        assert parse_config(found.model_dump(mode="json", by_alias=True)) == found


def test_references_may_be_left_out(config, removed):
    assert config({"references": removed}).references == []


@pytest.mark.parametrize(
    ("path", "key", "meant"),
    [
        ("nmae", "nmae", "name"),
        ("source.kinesis.stream_nam", "source.kinesis.stream_nam", "stream_name"),
        ("references[0].colums", "references[0].colums", "columns"),
        ("references[0].dynamodb.tablename", "references[0].dynamodb.tablename", "table_name"),
        ("references[0].refresh.interval", "references[0].refresh.interval", "interval_seconds"),
        ("sink.hudi.record_keys", "sink.hudi.record_keys", "record_key"),
        ("sink.hudi.ordering", "sink.hudi.ordering.collumn", "column"),
        ("payload.schema", "payload.schema.glue_catalog.databse", "database"),
        ("payload.shema", "payload.shema", "schema"),
        ("sink.hudi.partition_by", "sink.hudi.partition_by[0].frm", "from"),
    ],
)
def test_an_unknown_key_is_an_error_with_a_suggestion(problems, path, key, meant):
    value = {
        "sink.hudi.ordering": {"collumn": "orderdate"},
        "payload.schema": {"glue_catalog": {"databse": "d", "table": "t"}},
        "sink.hudi.partition_by": [{"name": "dt", "frm": "orderdate"}],
    }.get(path, "x")
    (line,) = [line for line in problems({path: value}) if line.startswith(f"{key}:")]
    assert f"unknown key; did you mean '{meant}'? allowed: " in line


def test_every_problem_is_reported_at_once(problems, removed):
    lines = problems(
        {
            "name": removed,
            "source.kinesis.stream_nam": "x",
            "references[0].how": "outer",
            "references[0].on": {"contry": "countryname"},
            "sink.hudi.base_path": removed,
            "sink.hudi.record_key": ["uid"],
            "dead_letters": removed,
            "limits": {"max_bytes_per_batch": "many"},
        }
    )
    assert [line.split(":")[0] for line in lines] == [
        "name",
        "source.kinesis.stream_nam",
        "references[0].how",
        "sink.hudi.base_path",
        "dead_letters",
        "limits.max_bytes_per_batch",
        "references[0].on.contry",
        "sink.hudi.record_key[0]",
    ]


@pytest.mark.parametrize(
    "path",
    [
        *("job", "name", "source", "source.kinesis", "payload", "payload.schema", "sink", "sink.hudi"),
        *("sink.hudi.base_path", "sink.hudi.table_name", "sink.hudi.record_key", "dead_letters"),
        *("dead_letters.base_path", "references[0].name", "references[0].dynamodb"),
        *("references[0].dynamodb.table_name", "references[0].on", "references[0].columns"),
    ],
)
def test_a_required_key_that_is_missing_is_named(problems, removed, path):
    assert problems({path: removed})[0].startswith(f"{path}: missing; expected: ")


@pytest.mark.parametrize(
    ("path", "value", "allowed"),
    [
        ("job", "enrch", "did you mean 'enrich'? allowed: enrich"),
        ("source.kinesis.starting_position", "latest", "did you mean 'LATEST'? allowed: TRIM_HORIZON, LATEST, AT_TIM"),
        ("payload.format", "cvs", "did you mean 'csv'? allowed: json, csv, avro"),
        ("references[0].how", "outer", "allowed: left, inner"),
        ("references[0].how", ["left"], "found a list; allowed: left, inner"),
        ("references[0].on_duplicate", "last", "allowed: first, fail"),
        ("references[0].mode", "snapshop", "did you mean 'snapshot'? allowed: snapshot, lookup, auto"),
        ("references[0].max_cached_items", 0, "found 0; allowed: a number greater than 0"),
        ("references[0].refresh", {"follow": "stream"}, "allowed: changes, scan"),
        ("references[0].on_change", "rows", "did you mean 'new_rows'? allowed: new_rows, rewrite_rows"),
        ("references[0].max_rows_per_pass", 0.5, "found 0.5; allowed: a whole number"),
        ("references[0].dynamodb.index_name", "x", "found 'x'; allowed: 3 to 255 letters, digits and _ . -"),
        ("references[0].dynamodb.max_read_units_per_second", 0, "found 0; allowed: a number greater than 0"),
        ("references[0].dynamodb.max_read_units_per_second", True, "found true; allowed: a number"),
        ("references[0].dynamodb.max_read_units_per_second", float("inf"), "allowed: a finite number"),
        ("output.reference_version", ["v"], "found a list; allowed: the name of a column, or a mapping {reference: co"),
        ("output.reference_version", {}, "found a mapping; allowed: the name of a column, or a mapping"),
        ("output.reference_version", " ", "found ' '; allowed: text that is not empty"),
        ("output.reference_version", {"country": 3}, "output.reference_version.country: found 3; allowed: text"),
        ("sink.hudi.table_type", "MOR", "allowed: COPY_ON_WRITE, MERGE_ON_READ"),
        ("sink.hudi.catalog", "hive", "allowed: none, glue"),
        ("name", 2024, "found 2024; allowed: text (put a number or a date in quotes)"),
        ("name", "my job", "allowed: letters, digits, and _ . -"),
        ("source", None, "found nothing; allowed: a mapping with the keys kinesis"),
        ("references", {"name": "x"}, "found a mapping; allowed: a list"),
        ("references[0].on", "country", "found 'country'; allowed: a mapping, key: value"),
        ("references[0].on", {}, "allowed: at least 1 of them"),
        (
            "references[0].columns",
            "code",
            "'code'; allowed: a list of attribute names, or a mapping {attribute: output name}",
        ),
        ("references[0].columns", None, "allowed: a list of attribute names, or a mapping {attribute: output name}"),
        ("references[0].on_misfit", "null", "allowed: null_value, fail"),
        ("references[0].columns", ["code", "code"], "'code' is listed twice"),
        ("references[0].dynamodb.scan_segments", 0, "found 0; allowed: a number greater than 0"),
        ("sink.hudi.record_key", [], "allowed: at least 1 of them"),
        ("sink.hudi.record_key", "uuid", "found 'uuid'; allowed: a list"),
        ("sink.hudi.table_name", "Orders", "allowed: lower-case letters"),
        ("output.select", [], "allowed: at least 1 of them"),
        ("output.drop", ["uuid", "UUID"], "'UUID' is listed twice; allowed: every name once"),
        ("limits.max_records_per_batch", 0, "found 0; allowed: a number greater than 0"),
        ("limits.max_records_per_batch", True, "found true; allowed: a number"),
        ("limits.max_records_per_batch", 1.5, "found 1.5; allowed: a whole number"),
        ("limits.max_bytes_per_batch", "0MB", "allowed: a number greater than 0"),
        ("limits.max_bytes_per_batch", "5 parsecs", "allowed: a number of bytes, or a size such as 512KiB"),
        ("limits.target_batch_seconds", -1, "found -1; allowed: a number greater than 0"),
        ("trigger.interval_seconds", -0.5, "found -0.5; allowed: a number of at least 0"),
        ("trigger.interval_seconds", "soon", "found 'soon'; allowed: a number"),
        ("source.kinesis.fail_on_data_loss", "maybe", "found 'maybe'; allowed: true or false"),
        ("source.kinesis.timestamp", "yesterday", "allowed: an ISO 8601 time"),
        ("source.kinesis.timestamp", "0001-01-01T00:00:00+14:00", "a time that is in the years 1 to 9999 in UTC too"),
        ("source.kinesis.timestamp", "9999-12-31T23:59:59-01:00", "a time that is in the years 1 to 9999 in UTC too"),
        ("source.kinesis.stream_arn", "arn:aws:s3:::x", "allowed: arn:aws:kinesis:<region>:<account>:stream/<name>"),
        ("source.kinesis.role_arn", "admin", "allowed: arn:aws:iam::<account>:role/<name>"),
        ("source.kinesis.fan_out", "two words", "found 'two words'; allowed: 1 to 128 letters, digits and _ . -"),
        ("source.kinesis.region", "Ireland", "allowed: a region such as us-east-1"),
        ("payload.schema", "uuid strng", "character 6: found 'strng'; expected a type: did you mean 'string'?"),
        ("payload.schema", [{"name": "a", "type": "strng"}], "column 'a': character 1: found 'strng'"),
        ("payload.schema", 5, "found 5; allowed: DDL text"),
        ("references[0].schema", {"glue_catalog": {}}, "found a mapping; allowed: DDL text"),
    ],
)
def test_an_invalid_value_is_listed_with_the_valid_ones(problems, path, value, allowed):
    assert allowed in problems({path: value})[0]


@pytest.mark.parametrize(
    ("job", "hint"), [("captur", "did you mean 'capture'? "), ("join", ""), (["enrich"], ""), (7, "")]
)
def test_an_unknown_job_is_refused_without_a_flood_of_unknown_keys(job, hint):
    with pytest.raises(ConfigError) as caught:
        parse_config({"job": job, "tables": [{"table_name": "t"}], "anything": 1})
    (line,) = caught.value.problems
    assert line.startswith("job: found ")
    assert line.endswith(f"; {hint}allowed: enrich, capture, backfill, replicate")


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("256MiB", 268435456), ("10MB", 10_000_000), ("512KiB", 524288), ("1 GiB", 2**30), ("7", 7), (7, 7), ("9B", 9)],
)
def test_sizes_become_bytes(config, text, size_bytes):
    assert config({"limits.max_bytes_per_batch": text}).limits.max_bytes_per_batch == size_bytes


@pytest.mark.parametrize(
    "text", ["2026-01-31T00:00:00Z", "2026-01-31T00:00:00", "2026-01-31", "2026-01-31T02:00:00+02:00"]
)
def test_a_timestamp_is_utc_unless_it_names_a_zone(config, text):
    found = config({"source.kinesis.starting_position": "AT_TIMESTAMP", "source.kinesis.timestamp": text})
    assert found.source.kinesis.timestamp == datetime(2026, 1, 31, tzinfo=UTC)


def test_a_schema_may_be_ddl_a_list_or_a_table_of_the_glue_catalog(config, removed):
    columns = [{"name": "uuid", "type": "string"}, {"name": "country", "type": "string"}]
    ddl = config({"payload.schema": "uuid string, country string"}).payload.schema_
    assert isinstance(ddl, pa.Schema)
    assert config({"payload.schema": columns}).payload.schema_ == ddl
    glue = config({"payload.schema": {"glue_catalog": {"database": "d", "table": "t"}}}).payload.schema_
    assert isinstance(glue, GlueCatalogSchema)
    assert (glue.glue_catalog.database, glue.glue_catalog.table) == ("d", "t")


def test_a_bare_name_in_partition_by_stands_for_a_column(config):
    (partition,) = config({"sink.hudi.partition_by": ["code"]}).sink.hudi.partition_by
    assert (partition.name, partition.from_, partition.format, partition.zone) == ("code", None, None, "UTC")


def test_a_time_zone_that_does_not_exist_is_refused(problems):
    lines = problems({"sink.hudi.partition_by": [{"name": "dt", "from": "orderdate", "zone": "Europe/Berln"}]})
    assert "did you mean 'Europe/Berlin'? allowed: UTC or the name of a time zone" in lines[0]


@pytest.mark.parametrize("option", sorted(OWNED_HUDI_OPTIONS))
def test_an_option_that_streamjoin_sets_itself_is_refused(problems, option):
    (line,) = problems({"sink.hudi": {**_HUDI, "options": {option: "x"}}})
    assert line.startswith(f"sink.hudi.options['{option}']: found '{option}'; this option is set by streamjoin; ")


def test_what_the_writer_insists_on_is_refused_and_not_ignored():
    table = HudiTable("/lake", "orders", ("uuid",), "_ordering_us", partition_by=("dt",), database="sales")
    users = dict.fromkeys(table.writer_options(2), "the user's")
    written = replace(table, options=users).writer_options(2)
    assert {name for name in users if written[name] != "the user's"} <= OWNED_HUDI_OPTIONS


def test_the_columns_that_travel_beside_an_event_are_reserved():
    names = {value for name, value in vars(events).items() if name.endswith("_COLUMN")}
    assert names | {order.ORDERING_COLUMN} <= RESERVED_COLUMNS


def test_a_refused_option_names_the_key_to_set_instead(problems):
    (line,) = problems({"sink.hudi": {**_HUDI, "options": {"hoodie.datasource.write.precombine.field": "ts"}}})
    assert line.endswith("set sink.hudi.ordering instead")


def test_options_are_hudis_own_and_become_text(problems, config):
    options = {"hoodie.clean.automatic": True, "hoodie.keep.min.commits": 20, "hoodie.index.type": "BUCKET"}
    found = config({"sink.hudi": {**_HUDI, "options": options}}).sink.hudi.options
    assert found == {
        "hoodie.clean.automatic": "true",
        "hoodie.keep.min.commits": "20",
        "hoodie.index.type": "BUCKET",
    }
    assert "start with hoodie." in problems({"sink.hudi": {**_HUDI, "options": {"spark.x": "1"}}})[0]


_HUDI = {"base_path": "/lake/orders", "table_name": "orders", "record_key": ["uuid"]}


@pytest.mark.parametrize("name", ["enrich_orders", "enrich_flights"])
@pytest.mark.parametrize("environ", [{}, {"LAKE": "s3://bucket/lake"}])
def test_the_configurations_that_come_with_the_project_have_no_problem(request, name, environ):
    found = load_config(request.config.rootpath / "conf" / f"{name}.yaml", environ)
    assert found.sink.hudi.base_path.startswith(environ.get("LAKE", ".streamjoin/lake"))
