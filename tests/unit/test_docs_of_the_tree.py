"""The files, folders and modules that the documents name, looked for in the tree."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.documents import ROOT, code_blocks

TOPS = ("src", "tests", "docs", "conf", "jobs", "notebooks", "scripts", "benchmarks", "infra")
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


def functions(tree: ast.AST, prefix: str = "") -> Iterator[str]:
    """Yield the names of functions and classes, inner ones with the names around them."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield prefix + node.name
            yield from functions(node, f"{prefix}{node.name}.")
        else:
            yield from functions(node, prefix)


def test_the_walk_of_an_event_names_files_and_functions_that_are_there() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    walk = re.search(r"^## A walk of one event$(.*?)^## ", text, re.MULTILINE | re.DOTALL)
    assert walk is not None
    steps = re.findall(r"^    - `([\w/]+\.py)`: (.*)$", walk[1], re.MULTILINE)
    named_there = [(file, name) for file, names in steps for name in re.findall(r"`([\w.]+)`", names)]
    missing = [
        (file, name)
        for file, name in named_there
        if name not in set(functions(ast.parse((PACKAGE / file).read_text())))
    ]
    assert missing == []
    files, calls = {file for file, _ in steps}, set(named_there)
    assert f"{len(files)} files, {len(calls)} functions" in walk[1]
