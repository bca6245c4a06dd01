"""Run the notebooks, and keep in each what its cells said: `make notebooks`."""

from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
TIMEOUT_SECONDS = 300


def executed(path: Path) -> Any:
    """Return a notebook with what its cells say in a run from the first to the last, in a new Python.

    Args:
        path: The notebook; its folder is the working directory, as in Jupyter.

    Raises:
        CellExecutionError: A cell failed.
    """
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    metadata = notebook.metadata.copy()
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT_SECONDS,
        startup_timeout=TIMEOUT_SECONDS,
        # Nothing that differs from run to run: no times, and what is printed in pieces as one text.
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute()
    notebook.metadata = metadata
    return notebook


def main() -> None:
    """Run each, and write it with its outputs."""
    for path in sorted(FOLDER.glob("*.ipynb")):
        nbformat.write(executed(path), path)


if __name__ == "__main__":
    main()
