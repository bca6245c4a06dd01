"""The Terraform module, held against the template that it wraps; no provider is needed."""

import json
import re
import shutil
import subprocess
from itertools import groupby
from pathlib import Path
from typing import Any

import hcl2
import pytest
import yaml

from tests.documents import ROOT

INFRA = ROOT / "infra"
MODULE = INFRA / "terraform"
FILES = sorted(MODULE.rglob("*.tf"))


class Template(yaml.SafeLoader):
    """Reads a template; what its functions would give is left out."""


Template.add_multi_constructor("!", lambda loader, suffix, node: None)
ROOT_TEMPLATE = yaml.load((INFRA / "streamjoin.yaml").read_text(), Template)  # noqa: S506  (a safe loader)


def plain(value: Any) -> Any:
    """Return what python-hcl2 read, without the quotes that it leaves around texts and names."""
    if isinstance(value, dict):
        return {plain(key): plain(each) for key, each in value.items() if key != "__is_block__"}
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, str) and value.startswith("${") and value.endswith("}"):
        return value[2:-1]
    return value.strip('"') if isinstance(value, str) else value


def read(path: Path) -> dict[str, Any]:
    with path.open() as file:
        return dict(plain(hcl2.load(file)))


def named(blocks: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: block for each in blocks for name, block in each.items()}


MAIN = read(MODULE / "main.tf")
VARIABLES = named(read(MODULE / "variables.tf")["variable"])
OUTPUTS = named(read(MODULE / "outputs.tf")["output"])
PARAMETERS = named(MAIN["locals"])["parameters"]


def variable_of(parameter: str) -> str:
    (name,) = set(re.findall(r"var\.(\w+)", PARAMETERS[parameter]))
    return name


def type_of(parameter: dict[str, Any]) -> str:
    if parameter["Type"] == "Number":
        return "number"
    if parameter["Type"].startswith(("List<", "CommaDelimitedList")):
        return "list(string)"
    return "bool" if set(parameter.get("AllowedValues", [])) == {"true", "false"} else "string"


def test_every_parameter_of_the_template_is_set_and_no_other() -> None:
    assert set(PARAMETERS) == set(ROOT_TEMPLATE["Parameters"])
    # The bucket is made by the module itself.
    assert PARAMETERS["ArtefactsBucket"] == "local.artefacts_bucket"


def test_every_input_is_used_described_and_typed() -> None:
    used = set(re.findall(r"var\.(\w+)", (MODULE / "main.tf").read_text()))
    assert used == set(VARIABLES)
    assert [name for name, block in VARIABLES.items() if not block.get("description") or not block.get("type")] == []


@pytest.mark.parametrize("parameter", [name for name in PARAMETERS if name != "ArtefactsBucket"])
def test_an_input_is_of_its_parameters_type_takes_its_values_and_leaves_it_its_default(parameter: str) -> None:
    template, variable = ROOT_TEMPLATE["Parameters"][parameter], VARIABLES[variable_of(parameter)]
    assert variable["type"] == type_of(template)
    conditions = " ".join(each["condition"] for each in variable.get("validation", []))
    if template.get("AllowedValues") and variable["type"] != "bool":
        (words,) = re.findall(r"contains\(\[(.*?)\]", conditions)
        assert json.loads(f"[{words}]") == template["AllowedValues"]
    if parameter == "Name":
        assert f'regex("{template["AllowedPattern"]}", var.name)' in conditions
    elif parameter == "ArtefactsPrefix":
        assert variable["default"] == template["Default"]
    else:
        assert "Default" in template
        assert (variable["default"], "default" in variable) == (None, True)


def test_every_output_of_the_template_is_an_output_and_a_list_is_one() -> None:
    given = {name: re.findall(r'local\.outputs, "(\w+)"', block["value"]) for name, block in OUTPUTS.items()}
    found = [name for names in given.values() for name in names]
    assert sorted(found) == sorted(ROOT_TEMPLATE["Outputs"])
    assert [name for name, block in OUTPUTS.items() if not block.get("description")] == []
    lists = {name for name, block in OUTPUTS.items() if "split(" in block["value"]}
    assert lists == {"reference_tables", "capture_tables"}


def test_the_example_sets_inputs_and_reads_outputs_that_are_there() -> None:
    path = MODULE / "examples" / "orders" / "main.tf"
    module = named(read(path)["module"])["streamjoin"]
    assert (path.parent / module["source"]).resolve() == MODULE.resolve()
    assert set(module) - {"source"} <= set(VARIABLES)
    assert {name for name, block in VARIABLES.items() if "default" not in block} <= set(module)
    assert set(re.findall(r"module\.streamjoin\.(\w+)", path.read_text())) <= set(OUTPUTS)


def test_the_module_says_that_it_was_not_applied() -> None:
    assert "was not applied" in (MODULE / "README.md").read_text()


def depths(lines: list[str]) -> list[int]:
    """Return how deep each line is to stand: a line that opens brackets, however many, is one step."""
    found: list[int] = []
    opened: list[int] = []
    for line in lines:
        code = re.sub(r'"(?:[^"\\]|\\.)*"|#.*', "", line)
        more = sum(code.count(each) for each in "([{") - sum(code.count(each) for each in ")]}")
        while more < 0:
            more += opened.pop()
        found.append(len(opened))
        if more > 0:
            opened.append(more)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(MODULE)))
def test_a_file_has_the_format_of_terraform(path: Path) -> None:
    text = path.read_text()
    lines = text.split("\n")
    assert text.endswith("}\n")
    assert "\t" not in text
    assert [line for line in lines if line != line.rstrip()] == []
    placed = zip(lines, depths(lines), strict=True)
    assert [line for line, depth in placed if line and len(line) - len(line.lstrip()) != 2 * depth] == []
    # The equals signs of neighbours stand below each other, if their values end on the same line.
    places = [re.match(r'\s*["\w.:-]+\s*= ', line) for line in lines]
    balanced = [sum(line.count(each) for each in "([{") == sum(line.count(each) for each in ")]}") for line in lines]
    kept = [place.end() if place and whole else 0 for place, whole in zip(places, balanced, strict=True)]
    for aligned, group in groupby(zip(kept, lines, strict=True), key=lambda pair: pair[0] > 0):
        assert not aligned or len({place for place, _ in group}) == 1


@pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform isn't installed")
def test_terraform_itself_finds_nothing_to_format() -> None:
    command = ["terraform", "fmt", "-check", "-diff", "-recursive", str(MODULE)]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (answer.returncode, answer.stdout) == (0, "")
