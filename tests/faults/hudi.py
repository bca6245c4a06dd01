"""Rows that Hudi refuses: real writes of real tables that fail by one row, whatever table they go to."""

from collections.abc import Mapping

import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from streamjoin.hudi import write
from streamjoin.hudi.table import HudiTable

REFUSED = "refused"


def refuse(monkeypatch: pytest.MonkeyPatch, column: str, text: str = REFUSED) -> list[str]:
    """Let the write of a row fail that has `text` in `column`; return the base paths of all writes from now on.

    Args:
        monkeypatch: Ends it with the test.
        column: Writes of tables without it go on.
        text: Of the rows that are refused.
    """
    save, paths = write._save, list[str]()

    def refusing(rows: DataFrame, table: HudiTable, options: Mapping[str, str]) -> None:
        paths.append(table.base_path)
        if column in rows.columns:
            found = F.col(f"`{column}`")
            fails = F.raise_error(F.lit("no place for 'MARKEDxVALUE'")).cast(rows.schema[column].dataType)
            rows = rows.withColumn(column, F.when(found.cast("string").contains(text), fails).otherwise(found))
        save(rows, table, options)

    monkeypatch.setattr(write, "_save", refusing)
    return paths
