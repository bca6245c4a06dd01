"""Each notebook, run as a notebook program runs it: a kernel of its own, its own services, from the first cell on."""

import base64
import struct
from pathlib import Path
from typing import Any

import nbformat
import pytest

from scripts.notebooks import FOLDER, executed


def shown(notebook: Any) -> list[tuple[str, list[str]]]:
    """Return the code of each cell and what it says; of a picture its size, as a font may differ by a dot."""
    said = [[text for output in cell.get("outputs", []) for text in texts(output)] for cell in notebook.cells]
    return list(zip([cell.source for cell in notebook.cells], said, strict=True))


def texts(output: Any) -> list[str]:
    if output.output_type == "stream":
        return [f"{output.name}: {output.text}"]
    data = dict(output.data)
    picture = data.pop("image/png", None)
    size = [] if picture is None else [str(struct.unpack(">II", base64.b64decode(picture)[16:24]))]
    return [*(str(data[kind]) for kind in sorted(data)), *size]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.name)
def test_a_notebook_runs_and_says_what_is_kept_in_it(path: Path) -> None:
    kept = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    assert shown(executed(path)) == shown(kept), "run: make notebooks"
