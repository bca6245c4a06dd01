"""docker-compose.yml, as far as it can be checked without an engine."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from streamjoin.entry import load_job
from streamjoin.spark.session import HUDI_PACKAGE
from tests.documents import ROOT, code_blocks

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SERVERS = {name: service for name, service in SERVICES.items() if "ports" in service}
# In Glue's image, from start to end.
RUNS = {name: service for name, service in SERVICES.items() if name not in SERVERS}
PAGE = (ROOT / "docs" / "docker.md").read_text()


def test_it_fits_the_schema_of_the_compose_specification() -> None:
    command = [str(Path(sys.executable).with_name("check-jsonschema")), "--builtin-schema", "vendor.compose-spec"]
    answer = subprocess.run([*command, ROOT / "docker-compose.yml"], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout


def test_each_image_has_a_pinned_tag() -> None:
    images = {name: service["image"] for name, service in SERVICES.items()}
    assert [image for image in images.values() if not re.search(r":\d[\w.]*$", image)] == []
    assert images["localstack"] == "localstack/localstack:4.14.0"
    assert {images["job"], images["tests"]} == {"public.ecr.aws/glue/aws-glue-libs:5"}
    # What runs in the container is what `streamjoin local up` runs.
    pins = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["local"]
    assert f"ministack=={images['ministack'].rpartition(':')[2]}" in pins


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_listens_on_loopback_and_says_when_it_is_there(name: str) -> None:
    service = SERVERS[name]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert service["healthcheck"].keys() == {"test", "interval", "timeout", "retries"}


def test_no_two_servers_want_one_port_of_this_machine() -> None:
    ports = [port.split(":")[1] for service in SERVERS.values() for port in service["ports"]]
    assert len(set(ports)) == len(ports)


def test_localstack_alone_starts_by_itself_and_the_job_waits_for_it() -> None:
    assert [name for name, service in SERVICES.items() if "profiles" not in service] == ["localstack"]
    assert SERVICES["job"]["depends_on"] == {"localstack": {"condition": "service_healthy"}}


def mounted() -> list[str]:
    return [volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])]


def test_what_is_mounted_or_named_by_default_is_there() -> None:
    defaults = {name: value for service in RUNS.values() for name, value in service["environment"].items()}
    named = [re.sub(r"\$\{\w+:-(.*)\}", r"\1", defaults[name]) for name in ("SCRIPT", "CONFIG", "TESTS")]
    workspace = COMPOSE["x-glue"]["working_dir"]
    named.append(defaults["AWS_CONFIG_FILE"].removeprefix(f"{workspace}/"))
    assert [name for name in (*mounted(), *named) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("name", RUNS)
def test_what_runs_in_glues_image_is_a_script_that_bash_takes(name: str) -> None:
    (script,) = RUNS[name]["command"]
    # Of two dollar signs compose leaves one; one alone it would replace itself.
    assert not re.search(r"(?<!\$)\$(?!\$)", script)
    subprocess.run(["bash", "-n", "-c", script.replace("$$", "$")], check=True, capture_output=True)


def test_both_have_the_hudi_of_glue_5_0() -> None:
    assert HUDI_PACKAGE.format(version="0.15.0") in RUNS["job"]["command"][0]
    assert RUNS["tests"]["environment"]["TEST_HUDI_VERSION"] == "0.15.0"


def test_the_database_has_what_the_configuration_of_the_job_names() -> None:
    script = (ROOT / "docker" / "country.sql").read_text()
    config = load_job(str(ROOT / "conf" / "replicate_country.yaml"), {})
    assert config.job == "replicate"
    source = config.source.mysql
    assert f"CREATE USER '{source.user}'@'%'" in script
    assert "CREATE TABLE sales.country_lookup_table" in script


def test_the_page_names_each_service_and_each_variable() -> None:
    commands = "\n".join(code_blocks(PAGE, "sh"))
    assert [name for name in SERVICES if not re.search(rf"\b{name}\b", commands)] == []
    variables = set(re.findall(r"\$\{(\w+):-", (ROOT / "docker-compose.yml").read_text()))
    assert [name for name in sorted(variables) if f"`{name}`" not in PAGE] == []
