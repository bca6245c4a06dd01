"""`streamjoin config-from-stack`: what it prints, where it writes, and what it says of a stack that isn't good."""

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from streamjoin.aws import clients
from streamjoin.cli import app
from streamjoin.errors import ConfigError, StackError, StreamJoinError
from streamjoin.stacks import written
from tests.documents import ROOT
from tests.unit.stacks.cloudformation import Service
from tests.unit.stacks.test_configuration import OUTPUTS


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    found = Service("CREATE_COMPLETE")
    found.stack_outputs = dict(OUTPUTS)
    monkeypatch.setattr(clients, "aws_client", lambda service, region=None: found)
    monkeypatch.setattr(written, "read_deployed", lambda uri: None)
    return found


def run(*arguments: str) -> str:
    answer = CliRunner().invoke(app, ["config-from-stack", *arguments], catch_exceptions=False)
    assert answer.exit_code == 0, answer.output
    return answer.output


def test_it_prints_yaml_that_is_the_jobs_configuration(service: Service) -> None:
    found = yaml.safe_load(run("dev", "--base", str(ROOT / "conf" / "enrich_orders.yaml")))
    assert found["name"] == "dev-enrich"
    assert yaml.safe_load(run("dev", "--job", "capture"))["source"]["kinesis"]["stream_name"] == "dev-changes"
    assert yaml.safe_load(run("dev", "--job", "backfill", "--table", "receipts"))["name"] == "dev-backfill-receipts"


def test_a_stack_of_the_sample_orders_needs_no_file(service: Service) -> None:
    found = yaml.safe_load(run("dev"))
    assert found["references"][0]["dynamodb"]["table_name"] == "tgt_country_lookup_table"
    assert found["sink"]["hudi"]["base_path"] == OUTPUTS["EnrichBasePath"]
    service.stack_outputs["ReferenceTables"] = "products:sku"
    with pytest.raises(StackError, match="give the job's file with --base"):
        run("dev")


def test_it_writes_a_file_and_says_what_is_next(service: Service, tmp_path: Path) -> None:
    target = tmp_path / "orders.yaml"
    told = run("dev", "-o", str(target))
    assert f"streamjoin doctor {target}" in told
    assert yaml.safe_load(target.read_text())["name"] == "dev-enrich"
    with pytest.raises(ConfigError, match=r"-o .*there/orders.yaml: can't be written: No such file or directory"):
        run("dev", "-o", str(tmp_path / "there" / "orders.yaml"))


def test_a_table_mapping_beside_the_file_is_found(service: Service) -> None:
    found = yaml.safe_load(run("dev", "--job", "replicate", "--base", str(ROOT / "conf" / "replicate_country.yaml")))
    assert found["table_mappings"] == str(ROOT / "conf" / "dms" / "country_lookup.json")


@pytest.mark.parametrize(("status", "told"), [(None, "there is no stack 'dev'"), ("ROLLBACK_COMPLETE", "ROLLBACK")])
def test_a_stack_that_has_no_good_outputs_is_told(service: Service, status: str | None, told: str) -> None:
    service.status = status
    with pytest.raises(StackError, match=told):
        run("dev")


def test_without_a_region_it_says_how_to_give_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    with pytest.raises(StreamJoinError, match="no region is known for cloudformation; set --region"):
        run("dev")
