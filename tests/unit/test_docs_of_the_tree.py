"""The files, folders and modules that the documents name, looked for in the tree."""

import importlib
import re
from pathlib import Path

import pytest

from tests.documents import ROOT, code_blocks

TOPS = ("src", "tests", "docs", "conf", "jobs", "notebooks", "scripts", "benchmarks")
FILES = [
    *(path for path in ROOT.iterdir() if path.is_file()),
    *(path for top in TOPS for path in (ROOT / top).rglob("*") if "__pycache__" not in path.parts),
]
# A change log tells of files that are gone.
DOCUMENTS = sorted(path for path in FILES if path.suffix == ".md" and path.name != "CHANGELOG.md")
PACKAGE = ROOT / "src" / "streamjoin"


def named(document: Path) -> str:
    return str(document.relative_to(ROOT))


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_file_and_folder_that_a_document_names_is_there(document: Path) -> None:
    text = re.sub(r"https?://\S+", "", document.read_text())
    names = re.findall(rf"(?<![\w/{{*-])(?:(?:{'|'.join(TOPS)})/[\w/*.-]*[\w*]|[\w/*-]+\.py)\b", text)
    assert [name for name in names if not any(path.match(name) for path in FILES)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_module_that_a_document_imports_is_there(document: Path) -> None:
    code = "\n".join(code_blocks(document.read_text()))
    for module, names in re.findall(r"from (streamjoin[\w.]*) import (.+)", code):
        found = importlib.import_module(module)
        assert [name for name in re.findall(r"(\w+)(?: as \w+)?", names) if not hasattr(found, name)] == []


def test_the_architecture_has_every_folder_of_the_package_and_no_other() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    (tree,) = [block for block in code_blocks(text) if block.startswith("src/streamjoin/")]
    folders = {path.relative_to(PACKAGE).parts for path in PACKAGE.rglob("*") if (path / "__init__.py").exists()}
    shown: set[tuple[str, ...]] = set()
    parent: tuple[str, ...] = ()
    for indent, name in re.findall(r"^( *)(\w+)/ ", tree, re.MULTILINE):
        parent = (*parent[: len(indent) // 2 - 1], name)
        shown.add(parent)
    assert shown == folders
