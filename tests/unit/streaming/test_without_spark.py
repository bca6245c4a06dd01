"""The loop runs where there is no Spark: `replicate` needs none."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["streaming.runner", "streaming.report", "lock", "mysql"])
def test_a_part_of_replicate_is_imported_without_pyspark(module: str) -> None:
    code = f"import sys; sys.modules['pyspark'] = None; import streamjoin.{module}"
    subprocess.run([sys.executable, "-c", code], check=True)
