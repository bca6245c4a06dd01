"""The loop runs if there is no Spark: `replicate` needs none."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["streaming.runner", "replicate.pipeline"])
def test_replicate_and_its_loop_are_imported_without_pyspark(module: str) -> None:
    code = f"import sys; sys.modules['pyspark'] = None; import streamjoin.{module}"
    subprocess.run([sys.executable, "-c", code], check=True)
