"""SQL expressions that may raise for one row, and must not for all others."""

import re
from typing import Any, Final

from pyspark import SparkContext
from pyspark.sql import Column
from pyspark.sql import functions as F

_MAKES_A_MAP: Final = re.compile(r"\b(map|map_from_arrays|map_from_entries|map_concat|transform_keys)\(", re.IGNORECASE)


def attempted(expression: Column) -> Column:
    """Return a struct of one field `value`, what `expression` makes of a row; null for a row for which it raises.

    This is what Spark's `try_add` and its kin are made of, and Spark has no public name for it (3.5.6). An expression
    that makes a map is left to raise: its builder keeps the keys that it had when it met a null among them, and would
    give them to the next row. The record is found by halves then.
    """
    context = SparkContext._active_spark_context  # noqa: SLF001  (no public way to an expression)
    assert context is not None  # noqa: S101  (a column can't be made without one)
    jvm: Any = context._jvm  # noqa: SLF001
    struct = F.struct(expression.alias("value"))
    whole = struct._jc.expr()  # noqa: SLF001
    if _MAKES_A_MAP.search(whole.toString()):
        return struct
    tried = jvm.org.apache.spark.sql.catalyst.expressions.TryEval(whole)
    return Column(jvm.org.apache.spark.sql.Column(tried))
