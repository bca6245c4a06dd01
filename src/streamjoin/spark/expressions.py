"""SQL expressions that may raise for one row, and must not for all others."""

from typing import Any

from pyspark import SparkContext
from pyspark.sql import Column
from pyspark.sql import functions as F


def attempted(expression: Column) -> Column:
    """Return a struct of one field `value`, what `expression` makes of a row; null for a row for which it raises.

    This is what Spark's `try_add` and its kin are made of, and Spark has no public name for it (3.5.6).
    """
    context = SparkContext._active_spark_context  # noqa: SLF001  (no public way to an expression)
    assert context is not None  # noqa: S101  (a column can't be made without one)
    jvm: Any = context._jvm  # noqa: SLF001
    whole = F.struct(expression.alias("value"))._jc.expr()  # noqa: SLF001
    tried = jvm.org.apache.spark.sql.catalyst.expressions.TryEval(whole)
    return Column(jvm.org.apache.spark.sql.Column(tried))
