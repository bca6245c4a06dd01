"""What the documents say, checked against what is there."""

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from streamjoin.cli import app
from streamjoin.entry import json_schema, load_job
from streamjoin.errors import RejectReason
from tests.documents import CONFIGURATION, OTHER_JOBS, ROOT, code_blocks, keys_of, quoted, table_rows

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
DELIVERY = (ROOT / "docs" / "delivery.md").read_text()
README = (ROOT / "README.md").read_text()


def named(document: Path) -> str:
    return str(document.relative_to(ROOT))


def code_lines(text: str) -> list[str]:
    """Return the lines of code: those of blocks, and what stands between back quotes."""
    blocks = [line for block in code_blocks(text) for line in block.replace("\\\n", " ").splitlines()]
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return blocks + re.findall(r"`([^`]+)`", prose)


def yaml_blocks() -> list[Any]:
    return [
        pytest.param(block, id=f"{named(document)}-{number}")
        for document in DOCUMENTS
        for number, block in enumerate(code_blocks(document.read_text(), "yaml"))
    ]


NOT_YET = [(quoted(cells[0])[0], word) for cells in table_rows(CONFIGURATION, 2) for word in quoted(cells[1])]
SCHEMA = json_schema()
KEYS = keys_of(SCHEMA, SCHEMA["$defs"])
KEY_ROWS = {quoted(cells[0])[0]: cells for cells in table_rows(CONFIGURATION, 4)}


def test_every_test_that_the_guarantees_name_exists() -> None:
    written = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    names = {name for name in re.findall(r"`(test_\w+)`", "".join(d.read_text() for d in DOCUMENTS))}
    assert len(names) > 50
    assert [name for name in sorted(names) if f"def {name}(" not in written] == []


def test_every_guarantee_names_a_test() -> None:
    guarantees = re.split(r"^## (?=[0-9])", DELIVERY, flags=re.MULTILINE)[1:]
    assert [text.partition(".")[0] for text in guarantees] == [str(number) for number in range(1, 11)]
    assert [text.splitlines()[0] for text in guarantees if not re.search(r"`test_\w+`", text)] == []


def test_every_reason_for_rejecting_is_listed() -> None:
    assert [quoted(cells[0])[0] for cells in table_rows(DELIVERY, 2)] == [reason.value for reason in RejectReason]


def test_every_key_of_the_configuration_is_documented_and_no_other() -> None:
    headings = [key for line in re.findall(r"^## (.*)$", CONFIGURATION, re.MULTILINE) for key in quoted(line)]
    assert sorted({*headings, *KEY_ROWS}) == sorted(KEYS)


@pytest.mark.parametrize("key", KEY_ROWS)
def test_the_default_of_a_key_is_the_documented_one(key: str) -> None:
    node, required = KEYS[key]
    cell = KEY_ROWS[key][2]
    if required:
        assert cell == "required"
        return
    empty: object = {"array": [], "object": {}}.get(node.get("type", ""))
    assert yaml.safe_load(quoted(cell)[0]) == node.get("default", empty)


@pytest.mark.parametrize("key", [key for key in KEY_ROWS if "enum" in KEYS[key][0]])
def test_the_words_that_a_key_takes_are_the_documented_ones(key: str) -> None:
    assert quoted(KEY_ROWS[key][3]) == KEYS[key][0]["enum"]


@pytest.mark.parametrize("block", yaml_blocks())
def test_every_example_configuration_is_valid(block: str) -> None:
    assert load_job(block, {}).job in ("enrich", *OTHER_JOBS)


def test_the_example_of_all_keys_has_them_all() -> None:
    (example,) = code_blocks(CONFIGURATION, "yaml")
    missing = [key for key in KEYS if not re.search(rf"\b{key.rpartition('.')[2].removesuffix('[]')}:", example)]
    assert missing == [
        # The other forms of what is there.
        "source.kinesis.stream_arn",
        "payload.schema[].type",
        "payload.schema.glue_catalog",
        "payload.schema.glue_catalog.table",
        "payload.schema_file",
        "payload.writer_schema_files",
        "payload.delimiter",
        "payload.null_text",
        "payload.max_unpacked_bytes",
        "references[].schema[].type",
        "output.select",
    ]


def test_the_readme_is_short_and_so_is_its_configuration() -> None:
    assert len(README.splitlines()) <= 140
    (block,) = re.findall(r"<!-- the 12-line configuration -->\n```yaml\n(.*?)```", README, re.DOTALL)
    assert len(block.splitlines()) <= 12


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_make_target_that_is_named_exists(document: Path) -> None:
    targets = re.findall(r"^([a-z0-9-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    lines = [line for line in code_lines(document.read_text()) if line.startswith("make ")]
    words = [word for line in lines for word in re.sub(r'\b[A-Z]+=("[^"]*"|\S+)|#.*', "", line).split()[1:]]
    assert [word for word in words if word not in targets] == []


def subcommands(command: Any) -> dict[str, Any]:
    return dict(getattr(command, "commands", {}))


def check_command(line: str) -> None:
    """Check that the command, its subcommands and its options exist."""
    command: Any = typer.main.get_command(app)
    words = re.split(r"[;|)\"]|\s#", line)[0].split()
    options = {option for param in command.params for option in param.opts}
    for word in words:
        name, *_ = word.split("=")
        if name.startswith("--"):
            assert name in options, f"{line}: no option {name}"
        elif subcommands(command):
            if word == "…":
                return
            assert word in subcommands(command), f"{line}: no command {word}"
            command = subcommands(command)[word]
            options = {option for param in command.params for option in param.opts}


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_command_that_is_named_exists(document: Path) -> None:
    for line in code_lines(document.read_text()):
        # The package is no command.
        for arguments in re.findall(r"(?:^|(?<!from)[\s/(])streamjoin (.+)", line):
            check_command(arguments)
    for options in re.findall(r'demo ARGS="([^"]*)"', document.read_text()):
        check_command(f"demo {options}")


def test_the_page_of_commands_is_what_the_program_says_of_itself() -> None:
    spec = importlib.util.spec_from_file_location("commands", ROOT / "scripts" / "commands.py")
    assert spec is not None
    assert spec.loader is not None
    commands = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(commands)
    assert (ROOT / "docs" / "commands.md").read_text() == commands.page(), "run: make commands"


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_link_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", path):
            continue
        found = document.parent / path if path else document
        assert found.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", found.read_text(), re.MULTILINE)
            assert anchor in [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings], (
                target
            )


def test_every_decision_is_listed_and_has_its_parts() -> None:
    folder = ROOT / "docs" / "adr"
    pages = sorted(path for path in folder.glob("*.md") if path.name != "README.md")
    assert len({path.name[:4] for path in pages}) == len(pages)
    for path in pages:
        parts = re.findall(r"^## (.*)$", path.read_text(), re.MULTILINE)
        assert parts == ["Status", "Context", "Decision", "Consequences", "Rejected"], path.name
        assert f"]({path.name})" in (folder / "README.md").read_text()
