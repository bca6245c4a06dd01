"""The notebooks as they lie in the repository: their code, and the outputs that are kept in them."""

import ast
import base64
import json
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import nbformat
import pytest

import streamjoin
from tests.documents import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# Each names the machine or the moment of one run: paths, ports, addresses in memory, times of these years.
OF_ONE_RUN = (
    r"(?<![\w.])/(?:home|root|tmp|var|usr|work|Users|private|opt)/",
    r"[A-Za-z]:\\\\",
    r"127\.0\.0\.1|localhost",
    r"0x[0-9a-f]{6,}",
    r"20(?:2[5-9]|[3-9]\d)-\d\d-\d\d",
    r"\d\d:\d\d:\d\d",
    r"site-packages|\.venv",
)


def code_cells(path: Path) -> list[Any]:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def said(path: Path) -> Iterator[str]:
    """Yield each output as text; of a picture what stands before its dots: size and notes."""
    for output in (output for cell in code_cells(path) for output in cell.outputs):
        yield output.get("text", "")
        for kind, data in output.get("data", {}).items():
            if kind == "image/png":
                yield base64.b64decode(data).partition(b"IDAT")[0].decode("latin-1")
            else:
                yield data


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_of_the_current_format_and_its_code_is_good(path: Path) -> None:
    text = path.read_text()
    nbformat.validate(json.loads(text))
    assert (json.loads(text)["nbformat"], json.loads(text)["nbformat_minor"]) == (4, 5)
    for cell in code_cells(path):
        ast.parse(cell.source)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_keeps_the_outputs_of_one_run_of_all_its_cells(path: Path) -> None:
    cells = code_cells(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)), "run: make notebooks"
    outputs = [output for cell in cells for output in cell.outputs]
    assert {output.output_type for output in outputs} <= {"execute_result", "display_data", "stream"}
    assert [output for output in outputs if output.get("name") == "stderr"] == []
    for cell in cells:
        *_, last = ast.parse(cell.source).body
        draws = "plt." in cell.source
        shows = isinstance(last, ast.Expr) and not re.search(r"\.(close|set_option)\([^()]*\)$", cell.source)
        assert bool(cell.outputs) == (draws or shows or "print(" in cell.source), cell.source
        assert any("image/png" in output.get("data", {}) for output in cell.outputs) == draws, cell.source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_nothing_kept_in_a_notebook_is_of_one_machine_or_moment(path: Path) -> None:
    texts = list(said(path))
    assert len(texts) > 10
    found = {pattern: re.findall(pattern, text) for text in texts for pattern in OF_ONE_RUN if re.search(pattern, text)}
    assert found == {}
    assert str(ROOT) not in path.read_text()


def test_a_notebook_takes_every_step_that_the_package_offers() -> None:
    (path,) = NOTEBOOKS
    tree = ast.parse("\n".join(cell.source for cell in code_cells(path)))
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "streamjoin"
        for alias in node.names
    }
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert imported == set(streamjoin.__all__)
    assert imported <= called


def test_each_name_that_a_notebook_imports_can_be_called() -> None:
    # From then on the package `streamjoin.enrich` has the name of the function.
    import_module("streamjoin.enrich.notebook")
    assert [name for name in streamjoin.__all__ if not callable(getattr(streamjoin, name))] == []
    with pytest.raises(TypeError, match=r"enrich\(\) missing 2 required positional arguments"):
        streamjoin.enrich()
