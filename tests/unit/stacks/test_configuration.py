"""The configuration of a job from a stack's outputs: what the stack decides, put into what somebody wrote."""

from typing import Any

import pytest

from streamjoin.entry import parse_job
from streamjoin.errors import ConfigError, StackError
from streamjoin.stacks.configuration import configuration
from streamjoin.stacks.outputs import Outputs, TableEntry
from streamjoin.stacks.written import read_base
from tests.documents import ROOT

LAKE = "s3://dev-lake-1"
OUTPUTS = {
    "Name": "dev",
    "Region": "eu-west-1",
    "LakeBucket": "dev-lake-1",
    "ConfigurationUri": "s3://dev-artefacts/streamjoin/conf",
    "Database": "dev",
    "MetricsNamespace": "streamjoin/dev",
    "EventsStream": "dev-events",
    "FanOutConsumer": "",
    "ReferenceTables": "tgt_country_lookup_table:code:countryname,products:sku",
    "EnrichJob": "dev-enrich",
    "LakeTable": "orders",
    "EnrichBasePath": f"{LAKE}/enrich/orders",
    "EnrichDeadLetters": f"{LAKE}/dead_letters/enrich",
    "CaptureTables": "Order-Lines:order:line=N,receipts:PK:SK,there",
    "ChangesStream": "dev-changes",
    "CaptureJob": "dev-capture",
    "CaptureBasePath": f"{LAKE}/capture",
    "CaptureDeadLetters": f"{LAKE}/dead_letters/capture",
    "BackfillJob": "dev-backfill",
    "BackfillDeadLetters": f"{LAKE}/dead_letters/backfill",
    "ReplicateJob": "dev-replicate",
    "ReplicateDeadLetters": f"{LAKE}/dead_letters/replicate",
    "ControlTable": "dev-replication",
    "MySqlSecretArn": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:mysql-AbCdEf",
}


def outputs(**changes: str) -> Outputs:
    return Outputs("dev", {**OUTPUTS, **changes})


def made(job: str, conf: str | None = None, **options: Any) -> dict[str, Any]:
    base = None if conf is None else read_base(str(ROOT / "conf" / conf))
    return configuration(outputs(), job, base, **options)


def test_an_enrichment_has_the_stacks_names_and_places_and_the_files_meaning() -> None:
    written = read_base(str(ROOT / "conf" / "enrich_orders.yaml")).values
    found = made("enrich", "enrich_orders.yaml")
    assert found["name"] == "dev-enrich"
    assert found["source"]["kinesis"] == {
        "stream_name": "dev-events",
        "starting_position": "TRIM_HORIZON",
        "region": "eu-west-1",
    }
    (reference,) = found["references"]
    assert reference["dynamodb"] == {"table_name": "tgt_country_lookup_table", "region": "eu-west-1"}
    assert reference["name"] == "tgt_country_lookup_table", "by which the alarms know it"
    hudi = found["sink"]["hudi"]
    assert (hudi["base_path"], hudi["database"], hudi["table_name"]) == (f"{LAKE}/enrich/orders", "dev", "orders")
    assert hudi["catalog"] == "glue"
    assert found["dead_letters"]["base_path"] == f"{LAKE}/dead_letters/enrich"
    assert found["metrics"]["cloudwatch_namespace"] == "streamjoin/dev"
    for key in ("payload", "output", "limits", "trigger"):
        assert found[key] == written[key]
    assert (hudi["record_key"], hudi["ordering"]) == (["uuid"], {"column": "orderdate", "format": "M/d/yy"})
    assert reference["on"] == {"country": "countryname"}


def test_it_can_be_the_file_of_the_next_one() -> None:
    first = made("enrich", "enrich_orders.yaml")
    assert configuration(outputs(), "enrich", read_base(_text(first))) == first


def _text(values: dict[str, Any]) -> str:
    import yaml  # noqa: PLC0415

    return str(yaml.safe_dump(values, sort_keys=False))


def test_the_consumer_of_fan_out_and_the_name_of_a_version_column_follow() -> None:
    base = made("enrich", "enrich_orders.yaml")
    base["references"][0]["name"] = "country"
    base["output"]["reference_version"] = {"country": "country_version"}
    found = configuration(outputs(FanOutConsumer="etl"), "enrich", read_base(_text(base)))
    assert found["source"]["kinesis"]["fan_out"] == "etl"
    assert found["output"]["reference_version"] == {"tgt_country_lookup_table": "country_version"}


def test_a_table_that_is_joined_twice_has_two_names() -> None:
    base = made("enrich", "enrich_orders.yaml")
    base["references"][0]["name"] = "country"
    base["references"].append({**base["references"][0], "name": "again", "columns": {"code": "code2"}})
    found = configuration(outputs(), "enrich", read_base(_text(base)))
    assert [each["name"] for each in found["references"]] == ["tgt_country_lookup_table", "again"]


def test_a_capture_without_a_file_takes_each_table_as_it_is() -> None:
    found = made("capture")
    assert found["source"]["kinesis"] == {"stream_name": "dev-changes", "region": "eu-west-1"}
    assert [(each["table_name"], each["sink"]["hudi"]) for each in found["tables"]] == [
        (
            name,
            {
                **({"record_key": keys} if keys else {}),
                "base_path": f"{LAKE}/capture/{name}",
                "database": "dev",
                "table_name": in_athena,
                "catalog": "glue",
            },
        )
        for name, in_athena, keys in [
            ("Order-Lines", "order_lines", ["order", "line"]),
            ("receipts", "receipts", ["PK", "SK"]),
            ("there", "there", []),
        ]
    ]


def test_a_capture_keeps_what_its_file_says_of_a_table_and_gives_others_the_template() -> None:
    found = made("capture", "capture_receipts.yaml")
    by_name = {each["table_name"]: each for each in found["tables"]}
    assert by_name["receipts"]["drop"] == ["PK", "SK"]
    assert by_name["receipts"]["sink"]["hudi"]["record_key"] == ["receiptid"]
    assert by_name["receipts"]["sink"]["hudi"]["base_path"] == f"{LAKE}/capture/receipts"
    assert by_name["there"]["layout"] == "changelog"
    assert "*" not in by_name
    with pytest.raises(StackError, match=r"doesn't capture orders, which the file has; it captures: Order-Lines, rec"):
        made("capture", "capture_orders.yaml")


def test_a_backfill_is_of_one_of_the_captured_tables() -> None:
    found = made("backfill", table="receipts")
    assert found["name"] == "dev-backfill-receipts"
    assert found["source"] == {"dynamodb_table": {"table_name": "receipts", "region": "eu-west-1"}}
    (captured,) = [each for each in made("capture")["tables"] if each["table_name"] == "receipts"]
    assert found["tables"] == [captured]
    assert found["dead_letters"]["base_path"] == f"{LAKE}/dead_letters/backfill/receipts"
    for table, told in ((None, "none was given"), ("gone", "found 'gone'")):
        with pytest.raises(StackError, match=f"{told}, expected --table with one of Order-Lines, receipts, there"):
            made("backfill", table=table)


def test_a_replication_takes_its_password_from_the_secret_and_its_mappings_from_where_they_are_put() -> None:
    seen = []

    def placed(path: str) -> str:
        seen.append(path)
        return str(ROOT / "conf" / path)

    found = made("replicate", "replicate_country.yaml", placed=placed)
    assert seen == ["dms/country_lookup.json"]
    mysql = found["source"]["mysql"]
    assert "password" not in mysql
    assert mysql["password_secret"] == OUTPUTS["MySqlSecretArn"]
    assert found["target"]["dynamodb"]["control_table"] == "dev-replication"
    assert found["target"]["dynamodb"]["create_tables"] is False


def test_every_configuration_is_one_that_the_job_takes() -> None:
    for job, conf in (("enrich", "enrich_orders.yaml"), ("capture", None)):
        assert parse_job(made(job, conf)).name == f"dev-{job}"


@pytest.mark.parametrize("job", ["enrich", "replicate"])
def test_what_a_stack_can_not_know_is_asked_for(job: str) -> None:
    with pytest.raises(StackError, match=f"give the job's file with --base, such as conf/{job}_"):
        made(job)


def test_a_missing_output_is_told_with_those_there_are() -> None:
    other = Outputs("web", {"Url": "x"})
    with pytest.raises(StackError, match=r"stack 'web' has no output EnrichJob; it has: Url. .*infra/streamjoin.yaml"):
        configuration(other, "enrich")
    with pytest.raises(StackError, match="has no output EventsStream"):
        values = {key: value for key, value in OUTPUTS.items() if key != "EventsStream"}
        configuration(Outputs("dev", values), "enrich", read_base(str(ROOT / "conf" / "enrich_orders.yaml")))


def test_a_job_that_the_stack_does_not_have_is_told_with_the_parameter_that_decides() -> None:
    with pytest.raises(
        StackError, match=r"no job capture; it has: enrich, backfill, replicate. Its parameter CaptureT"
    ):
        configuration(outputs(CaptureJob=""), "capture")
    values = {key: value for key, value in OUTPUTS.items() if key != "ReplicateJob"}
    with pytest.raises(StackError, match=r"no job replicate; .* Its parameter Replication decides"):
        configuration(Outputs("dev", values), "replicate")


def test_a_reference_of_another_table_and_another_jobs_file_are_refused() -> None:
    base = read_base(str(ROOT / "conf" / "enrich_orders.yaml"))
    with pytest.raises(
        StackError, match="reference 'country' reads table 'tgt_country_lookup_table', which is none of"
    ):
        configuration(outputs(ReferenceTables="products:sku"), "enrich", base)
    with pytest.raises(ConfigError, match="job: found 'enrich'; expected here: capture"):
        configuration(outputs(), "capture", base)


def test_a_variable_is_asked_for_only_where_the_stack_puts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "conf" / "enrich_orders.yaml").read_text()
    replaced = text.replace("${ORDERS_STREAM:-orders}", "${ORDERS_STREAM}").replace(
        "${LAKE:-.streamjoin/lake}", "${LAKE}"
    )
    assert configuration(outputs(), "enrich", read_base(replaced)) == made("enrich", "enrich_orders.yaml")
    kept = text.replace("[uuid]", "['${KEY}']")
    with pytest.raises(
        ConfigError, match=r"sink.hudi.record_key\[0\]: environment variable 'KEY' is not set; set it, or"
    ):
        configuration(outputs(), "enrich", read_base(kept))
    monkeypatch.setenv("ORDER_TOKEN", "hunter2hunter2")
    secret = text.replace("drop: [country", "derive: {t: \"'${ORDER_TOKEN}'\"}\n  drop: [country")
    with pytest.raises(ConfigError, match=r"output\.derive\.t: would show the secret variable 'ORDER_TOKEN'") as caught:
        configuration(outputs(), "enrich", read_base(secret))
    assert "hunter2" not in str(caught.value)


def test_a_variable_is_named_as_it_stands_in_the_file_wherever_the_stack_has_the_table() -> None:
    text = """
    job: capture
    tables:
      - table_name: receipts
        sink: {hudi: {options: {hoodie.memory: "${MEMORY}"}}}
    """
    problem = (
        r"tables\[0\]\.sink\.hudi\.options\['hoodie\.memory'\]: environment variable 'MEMORY' is not set; set it, or"
    )
    with pytest.raises(ConfigError, match=problem):
        configuration(outputs(), "capture", read_base(text))


def test_entries_of_tables_are_read_as_the_parameters_write_them() -> None:
    assert TableEntry.parse("readings:device:at=N") == TableEntry("readings", ("device", "at"))
    assert TableEntry.parse(" there ") == TableEntry("there", ())
