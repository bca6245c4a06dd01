"""Which columns a SQL expression of Spark may use, found without Spark."""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

ALL_COLUMNS: Final = "*"

# Source: the nondeterministic and current-time functions of spark.apache.org/docs/3.5.6/api/sql.
UNSTABLE_FUNCTIONS: Final = frozenset(
    {"curdate", "current_date", "current_timestamp", "input_file_name", "localtimestamp", "now", "rand", "randn"}
    | {"monotonically_increasing_id", "random", "shuffle", "spark_partition_id", "uuid"}
)

# Source: the miscellaneous functions of spark.apache.org/docs/3.5.6/api/sql, and of Spark 4.
JAVA_FUNCTIONS: Final = frozenset({"java_method", "reflect", "try_reflect"})

# In Spark's grammar a literal after `r` is raw, names may start with a digit, and a string may have either quote.
# Source: SqlBaseLexer.g4 of Spark 3.5.
_TOKEN: Final = re.compile(
    r"""
      (?P<comment> --[^\r\n]* | /\*.*?\*/ )
    | (?P<literal> r'[^']*' | r"[^"]*" | '(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*" )
    | (?P<quoted>  `(?:[^`]|``)*` )
    | (?P<number>  (?:\d+(?:\.\d*)?|\.\d+) (?:e[+-]?\d+)? (?:bd|[dflsy])? (?!\w) )
    | (?P<name>    \w+ )
    | (?P<symbol>  :: | -> | \S )
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
# What follows one of these is a field, a type or an alias.
_BEFORE_NO_COLUMN: Final = (".", "::", "as")

_Token = tuple[str, str]


def names_used(expression: str) -> frozenset[str]:
    """Return the names in `expression` that may be columns, in lower case; `*` among them if it takes all columns.

    Keywords and a lambda's own names are among them too: a caller looks for the names that it knows. A column that is
    used is never missing.
    """
    tokens = list(_tokens(expression))
    nothing = ("", "")
    befores, afters = [nothing, *tokens], [*tokens[1:], nothing]
    return frozenset(
        token[1]
        for before, token, after in zip(befores, tokens, afters, strict=False)
        if _is_name(before, token, after) or _is_star(before, token)
    )


def words_in(expression: str) -> frozenset[str]:
    """Return the names of functions that `expression` calls, and other bare words, in lower case."""
    tokens = [*_tokens(expression), ("", "")]
    return frozenset(
        text
        for (kind, text), after in pairwise(tokens)
        if kind == "name" and (after == ("symbol", "(") or text.startswith(("current_", "local")))
    )


def calls_java(expression: str) -> bool:
    """Tell whether `expression` calls a function by which Spark calls any method of Java, its name quoted or not."""
    tokens = [*_tokens(expression), ("", "")]
    return any(
        kind in ("name", "quoted") and text in JAVA_FUNCTIONS and after == ("symbol", "(")
        for (kind, text), after in pairwise(tokens)
    )


def _is_name(before: _Token, token: _Token, after: _Token) -> bool:
    kind, _ = token
    if kind not in ("name", "quoted") or after == ("symbol", "("):
        return False
    if before[1] in _BEFORE_NO_COLUMN:
        return False
    # DATE '2026-01-31' is a literal, as is INTERVAL 1 DAY; two operands never stand side by side.
    return before[0] not in ("number", "literal") and not (kind == "name" and after[0] == "literal")


def _is_star(before: _Token, token: _Token) -> bool:
    return token == ("symbol", ALL_COLUMNS) and before[1] in ("", "(", ",")


def _tokens(expression: str) -> Iterator[_Token]:
    """Go through kind and text of each token, names in lower case and without their quotes."""
    for found in _TOKEN.finditer(expression):
        kind, text = found.lastgroup or "", found[0]
        if kind == "quoted":
            yield kind, text[1:-1].replace("``", "`").lower()
        elif kind != "comment":
            yield kind, text.lower() if kind == "name" else text
