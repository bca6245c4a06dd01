import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from streamjoin.entry import json_schema, load_config, load_job, parse_config, parse_job
from streamjoin.errors import ConfigError
from streamjoin.replicate.config import ReplicateConfig, TlsSettings

ROOT = Path(__file__).resolve().parents[3]
SECRET = "zq7Kv0xWJt-5pRmQ2"  # noqa: S105  (made up)
EXAMPLE: dict[str, Any] = {
    "job": "replicate",
    "name": "countries",
    "source": {"mysql": {"host": "db.example.org", "user": "replicator", "password": "${MYSQL_PASSWORD}"}},
    "table_mappings": str(ROOT / "conf" / "dms" / "country_lookup.json"),
}


def example(changes: dict[str, object]) -> dict[str, Any]:
    values = copy.deepcopy(EXAMPLE)
    for path, value in changes.items():
        at = values
        *parents, last = path.split(".")
        for part in parents:
            at = at.setdefault(part, {})
        at[last] = value
    return values


def found(changes: dict[str, object]) -> ReplicateConfig:
    config = parse_job(example(changes))
    assert isinstance(config, ReplicateConfig)
    return config


def problems(changes: dict[str, object]) -> list[str]:
    with pytest.raises(ConfigError) as error:
        parse_job(example(changes))
    return error.value.problems


def test_what_is_left_out_has_its_default():
    config = found({})
    assert (config.source.mysql.port, config.source.mysql.tls) == (3306, False)
    assert (config.target.dynamodb.create_tables, config.target.dynamodb.control_table) == (
        True,
        "streamjoin_replication",
    )
    assert (config.limits.max_records_per_batch, config.trigger.interval_seconds) == (10_000, 0.2)
    assert config.dead_letters is None


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"source.mysql.port": 0}, "source.mysql.port: found 0; allowed: 1 to 65535"),
        ({"source.mysql.hots": "x"}, "source.mysql.hots: unknown key; did you mean 'host'? "),
        ({"source.mysql.tls": "yes"}, "source.mysql.tls: found 'yes'; allowed: true, false, or {ca_file: PATH}"),
        ({"source.mysql.tls": {"ca": "x"}}, "source.mysql.tls.ca_file: missing; "),
        ({"source.mysql.password_secret": "s"}, "source.mysql: found both password and password_secret; "),
        ({"source.mysql": {"host": "h", "user": "u"}}, "source.mysql: found neither password nor password_secret; "),
        ({"source": {"kinesis": {"stream_name": "s"}}}, "source.mysql: missing; "),
        ({"table_mappings": ""}, "table_mappings: found ''; "),
        ({"target.dynamodb.control_table": "x"}, "target.dynamodb.control_table: found 'x'; allowed: 3 to 255 letters"),
        ({"dead_letters.base_path": "s3a://b/x"}, "dead_letters.base_path: found 's3a://b/x'; use s3://"),
        ({"limits.max_records_per_batch": 0}, "limits.max_records_per_batch: found 0; allowed: a number greater"),
        ({"metrics.prometheus_port": 0}, "metrics.prometheus_port: found 0; allowed: 1 to 65535"),
        ({"sink": {}}, "sink: unknown key; "),
    ],
)
def test_a_problem_is_named_with_its_key_and_what_is_allowed(changes, line):
    assert any(problem.startswith(line) for problem in problems(changes)), problems(changes)


def test_every_problem_is_found_at_once():
    lines = problems({"name": "", "source.mysql.port": 70_000, "source.mysql.password_secret": "s", "bogus": 1})
    assert len(lines) == 4


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, ["the file can't be read: No such file or directory"]),
        ("{", ["the file can't be read as JSON: "]),
        ('{"rules": [{"rule-type": "selection"}]}', ["rules[0]: object-locator: missing"]),
    ],
)
def test_problems_of_the_table_mappings_are_told_with_those_of_the_file(tmp_path, content, said):
    path = tmp_path / "mappings.json"
    if content is not None:
        path.write_text(content)
    lines = problems({"bogus": 1, "table_mappings": str(path)})
    assert lines[0].startswith("bogus: unknown key")
    for line in said:
        assert any(each.startswith(f"table_mappings '{path}': {line}") for each in lines[1:]), lines


def test_what_is_no_mapping_at_all_is_told_once():
    assert problems({"source": ["mysql"]}) == ["source: found a list; allowed: a mapping with the keys mysql"]
    assert problems({"source": {"mysql": None}}) == [
        "source.mysql: found nothing; allowed: a mapping with the keys host, port, user, password, password_secret, tls"
    ]


@pytest.mark.parametrize("value", [True, "true", {"ca_file": "/ca.pem"}])
def test_tls_is_a_word_also_from_a_variable_or_says_whom_to_trust(value):
    tls = found({"source.mysql.tls": value}).source.mysql.tls
    assert tls == (TlsSettings(ca_file="/ca.pem") if isinstance(value, dict) else True)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"source.mysql.password": ["${MYSQL_PASSWORD}"]},
        {"source.mysql.host": ""},
        {"name": "${MYSQL_PASSWORD} "},
        {"source.mysql.password_secret": "x"},
        {"table_mappings": ["${MYSQL_PASSWORD}"]},
    ],
)
def test_a_password_is_in_no_error_and_no_repr(changes):
    document = yaml.safe_dump(example(changes))
    try:
        text = repr(load_job(document, {"MYSQL_PASSWORD": SECRET}))
    except ConfigError as error:
        text = str(error)
    assert not any(SECRET[start : start + 5] in text for start in range(len(SECRET) - 4))


def test_a_command_that_needs_a_table_refuses_the_job_and_says_why():
    for load in (load_config, parse_config):
        with pytest.raises(
            ConfigError, match=r"job: found 'replicate', which writes DynamoDB tables .*expected here: enr"
        ):
            load(example({"source.mysql.password": "x"}))


def test_keys_of_this_job_are_named_as_such_in_another_one():
    with pytest.raises(ConfigError) as error:
        parse_job({**example({}), "job": "enrich"})
    assert [line for line in error.value.problems if "a key of job: replicate" in line] == [
        f"{key}: a key of job: replicate; leave it out, or set job" for key in ("source.mysql", "table_mappings")
    ]


def test_table_mappings_are_found_beside_the_configuration(tmp_path, monkeypatch):
    (tmp_path / "conf" / "dms").mkdir(parents=True)
    (tmp_path / "conf" / "dms" / "m.json").touch()
    (tmp_path / "conf" / "job.yaml").write_text(yaml.safe_dump(example({"table_mappings": "dms/m.json"})))
    elsewhere = load_job(tmp_path / "conf" / "job.yaml", {"MYSQL_PASSWORD": "x"})
    assert elsewhere.table_mappings == f"{tmp_path}/conf/dms/m.json"
    monkeypatch.chdir(tmp_path / "conf")
    assert load_job("job.yaml", {"MYSQL_PASSWORD": "x"}).table_mappings == "dms/m.json"


@pytest.mark.parametrize("path", ["s3://bucket/m.json", "/nowhere/m.json", "nowhere/m.json"])
def test_other_paths_stay_as_they_are(path):
    assert found({"table_mappings": path}).table_mappings == path


def test_the_schema_for_editors_has_every_key_with_a_description_of_one_line():
    schema = json_schema("replicate")
    assert schema["properties"]["job"]["enum"] == ["replicate"]
    for part in (schema, *schema["$defs"].values()):
        assert part["additionalProperties"] is False
        for key, value in part["properties"].items():
            model = schema["$defs"].get(value.get("$ref", "").rpartition("/")[2], {})
            description = value.get("description") or model.get("description", "")
            assert description.strip(), key
            assert "\n" not in description, key


def test_the_configuration_that_comes_with_the_project_has_no_problem(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    config = load_job(ROOT / "conf" / "replicate_country.yaml", {})
    assert isinstance(config, ReplicateConfig)
    assert Path(config.table_mappings).is_file()
