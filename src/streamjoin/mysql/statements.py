"""What a statement of the binlog does to whole tables: emptied, or no longer the table that it was.

Rows come as rows; TRUNCATE, DROP, ALTER and RENAME come as the text that was typed. It is read word by word, with
comments, quotes and names of other schemas as they may come; what is not one of these statements does nothing.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

# A comment with ! is code to the server, so only its brackets are passed over.
_TOKEN = re.compile(
    r"""
      (?P<skip> \s+ | --(?=[\s]|$)[^\n]* | \#[^\n]* | /\*M?!\d* | \*/ | /\*.*?(?:\*/|$) )
    | `(?P<back>(?:[^`]|``)*)`
    | "(?P<double>(?:[^"\\]|""|\\.)*)"
    | '(?P<text>(?:[^'\\]|''|\\.)*)'
    | (?P<word>[\w$\u0080-\uffff]+)
    | (?P<mark>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_STATEMENTS_OF_ROWS = {"INSERT", "REPLACE", "UPDATE", "DELETE", "LOAD", "WITH"}


class Effect(StrEnum):
    """What happened to a table."""

    TRUNCATED = "truncated"
    ALTERED = "altered"


@dataclass(frozen=True)
class TableEffect:
    """A table and what a statement did to it; `name` is None for all tables of the schema.

    Args:
        effect: What.
        schema: Database.
        name: Table.
        is_rows: The statement changed rows, and it is logged as a statement: the table is one that it names.
    """

    effect: Effect
    schema: str
    name: str | None
    is_rows: bool = False


@dataclass(frozen=True)
class _Token:
    text: str
    kind: str

    @property
    def word(self) -> str:
        """The keyword that this may be; nothing for what is quoted."""
        return self.text.upper() if self.kind in ("word", "mark") else ""

    @property
    def is_name(self) -> bool:
        # Double quotes are a name's if the session had ANSI_QUOTES; where a name is expected, no text can stand.
        return self.kind in ("word", "back", "double")


def _tokens(sql: str) -> Iterator[_Token]:
    for match in _TOKEN.finditer(sql):
        kind = match.lastgroup or ""
        if kind == "skip":
            continue
        found = match[kind]
        if kind == "back":
            found = found.replace("``", "`")
        elif kind == "double":
            found = found.replace('""', '"')
        yield _Token(found, kind)


class _Words:
    """A statement, read word by word."""

    def __init__(self, sql: str, default_schema: str) -> None:
        self._rest = _tokens(sql)
        self._schema = default_schema
        self._next = next(self._rest, None)

    @property
    def word(self) -> str:
        """The next keyword; nothing at the end, and for what is quoted."""
        return self._next.word if self._next else ""

    @property
    def is_over(self) -> bool:
        return self._next is None

    @property
    def is_name(self) -> bool:
        return self._next is not None and self._next.is_name

    def advance(self) -> str:
        """Pass over a word; return its text."""
        token, self._next = self._next, next(self._rest, None)
        return token.text if token else ""

    def take(self, *words: str) -> bool:
        """Pass over these words, as far as they are the next ones in this order; tell whether all were there."""
        for word in words:
            if self.word != word:
                return False
            self.advance()
        return True

    def name(self) -> tuple[str, str]:
        """Take a table's name, with its schema if it has one."""
        first = self.advance()
        if self.word == ".":
            self.advance()
            return first, self.advance()
        # `.name` is a table of the default schema, as ODBC programs write it.
        return (self._schema, self.advance()) if first == "." else (self._schema, first)


def effects(sql: str, default_schema: str) -> list[TableEffect]:
    """Return what a statement does to tables, in order.

    Args:
        sql: As the binlog has it.
        default_schema: The session's database; empty if it had none.
    """
    words = _Words(sql, default_schema)
    if words.take("SET", "STATEMENT"):
        # MariaDB: SET STATEMENT variable=value FOR the statement itself.
        while not words.is_over and not words.take("FOR"):
            words.advance()
    verb = words.word
    words.advance()
    if verb == "TRUNCATE":
        words.take("TABLE")
        return [TableEffect(Effect.TRUNCATED, *words.name())]
    if verb in ("START", "COMMIT", "ROLLBACK") and words.take("ALTER"):
        # MariaDB's ALTER in two phases: a number, then the statement.
        while not words.is_over and words.word != "ALTER":
            words.advance()
        verb = words.word
        words.advance()
    readers = {"DROP": _drop, "ALTER": _alter, "RENAME": _rename, "CREATE": _create}
    if verb in readers:
        return readers[verb](words)
    return _rows(words) if verb in _STATEMENTS_OF_ROWS else []


def _drop(words: _Words) -> list[TableEffect]:
    if words.take("DATABASE") or words.take("SCHEMA"):
        words.take("IF", "EXISTS")
        return [TableEffect(Effect.TRUNCATED, words.advance(), None)]
    if words.take("INDEX"):
        words.take("IF", "EXISTS")
        # No other index tells rows apart.
        is_key = words.advance().upper() == "PRIMARY"
        return [TableEffect(Effect.ALTERED, *words.name())] if words.take("ON") and is_key else []
    # Temporary tables aren't replicated, and dropping one isn't dropping the table that has the same name.
    if not (words.take("TABLE") or words.take("TABLES")):
        return []
    words.take("IF", "EXISTS")
    dropped = [TableEffect(Effect.TRUNCATED, *words.name())]
    while words.take(","):
        dropped.append(TableEffect(Effect.TRUNCATED, *words.name()))
    return dropped


def _alter(words: _Words) -> list[TableEffect]:
    words.take("ONLINE")
    words.take("IGNORE")
    if not words.take("TABLE"):
        return []
    words.take("IF", "EXISTS")
    altered = words.name()
    if words.word in ("ENABLE", "DISABLE"):
        words.advance()
        # What every dump brackets its rows with; changes no row.
        if words.take("KEYS") and words.is_over:
            return []
    depth, found = 0, [TableEffect(Effect.ALTERED, *altered)]
    while not words.is_over:
        word = words.word
        words.advance()
        depth += {"(": 1, ")": -1}.get(word, 0)
        if depth:
            continue
        if word == "RENAME" and words.word not in ("COLUMN", "INDEX", "KEY"):
            _ = words.take("TO") or words.take("AS") or words.take("=")
            found = [TableEffect(Effect.TRUNCATED, *altered), TableEffect(Effect.ALTERED, *words.name())]
        elif word in ("WITH", "TO", "CONVERT") and words.take("TABLE") and words.is_name:
            # EXCHANGE PARTITION … WITH TABLE t, CONVERT PARTITION … TO TABLE t, CONVERT TABLE t TO PARTITION …
            found.append(TableEffect(Effect.ALTERED, *words.name()))
    return found


def _rename(words: _Words) -> list[TableEffect]:
    if not (words.take("TABLE") or words.take("TABLES")):
        return []
    words.take("IF", "EXISTS")
    # The names as they end: after `a TO spare, b TO a` the name `a` is another table's, and no table is called `b`.
    found: dict[tuple[str, str], Effect] = {}
    while True:
        old = words.name()
        while not words.is_over and words.word != "TO":
            words.advance()
        words.advance()
        new = words.name()
        for name, effect in ((old, Effect.TRUNCATED), (new, Effect.ALTERED)):
            found.pop(name, None)
            found[name] = effect
        if not words.take(","):
            return [TableEffect(effect, *name) for name, effect in found.items()]


def _create(words: _Words) -> list[TableEffect]:
    replaces = words.take("OR", "REPLACE")
    if not words.take("TABLE"):
        return []
    words.take("IF", "NOT", "EXISTS")
    made = words.name()
    while not words.is_over:
        # Rows that come as rows stand behind the statement, which is logged without its SELECT then.
        if words.take("SELECT"):
            return [TableEffect(Effect.ALTERED, *made)]
        words.advance()
    # A table that was not there has no rows; only MariaDB's OR REPLACE drops one.
    return [TableEffect(Effect.TRUNCATED, *made)] if replaces else []


def _rows(words: _Words) -> list[TableEffect]:
    """Return every name in the statement as if it were a table: the caller knows which ones are."""
    found: dict[tuple[str, str], None] = {}
    while not words.is_over:
        if words.is_name:
            found[words.name()] = None
        else:
            words.advance()
    return [TableEffect(Effect.ALTERED, schema, name, is_rows=True) for schema, name in found]
