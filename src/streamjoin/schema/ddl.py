"""Columns as text, `name type, …`, to Arrow's schema and back; types have the names that Spark's SQL gives them.

Not Spark's own parser: that one needs a JVM, and says little about where a text is wrong.
"""

import difflib
import re
from collections.abc import Iterable
from typing import Any, Final, NoReturn

import pyarrow as pa

from streamjoin.errors import SchemaError

TIMESTAMP: Final = pa.timestamp("us", tz="UTC")

_SIMPLE: Final[dict[str, pa.DataType]] = {
    "string": pa.string(),
    "boolean": pa.bool_(),
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "int": pa.int32(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "date": pa.date32(),
    "timestamp": TIMESTAMP,
    "binary": pa.binary(),
}
# Of two names for one type Spark itself says the first.
_NAMES: Final = {data_type: name for name, data_type in reversed(_SIMPLE.items())} | {
    pa.timestamp("us"): "timestamp_ntz"
}
_NESTED: Final = ("array<…>", "map<string,…>", "struct<a:…>")
ALLOWED_TYPES: Final = ", ".join([*_SIMPLE, "decimal(p,s)", *_NESTED])
_TYPE_WORDS: Final = [*_SIMPLE, "decimal", "array", "map", "struct"]
_TOKEN: Final = re.compile(r"\s*(?:`(?P<quoted>(?:[^`]|``)*)`|(?P<word>\w+)|(?P<sign>[,:<>()]))")
_BARE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MAX_DECIMAL_DIGITS: Final = 38
_MAX_DEPTH: Final = 50


def parse_schema(ddl: str) -> pa.Schema:
    """Return the schema of columns written as `name type, …`; `name: type` and back-quoted names work too.

    Raises:
        SchemaError: Not a list of columns; says where, what was found and what is allowed.
    """
    parser = _Parser(ddl)
    columns = parser.fields(end=None)
    return pa.schema(columns)


def parse_type(text: str) -> pa.DataType:
    """Return the type written as `text`, such as `decimal(10,2)` or `array<string>`.

    Raises:
        SchemaError: Not a type; says where, what was found and what is allowed.
    """
    parser = _Parser(text)
    found = parser.type()
    if parser.token is not None:
        parser.fail("the end of the type")
    return found


def to_ddl(schema: pa.Schema) -> str:
    """Return `schema` as text that `parse_schema` takes back. Unlike Spark's own text form it quotes nested names."""
    return ", ".join(_field_texts(schema, " "))


def type_text(data_type: pa.DataType) -> str:
    """Return the name that Spark's SQL has for a type, such as `decimal(10,2)` or `array<string>`."""
    match data_type:
        case pa.Decimal128Type():
            return f"decimal({data_type.precision},{data_type.scale})"
        case pa.ListType():
            return f"array<{type_text(data_type.value_type)}>"
        case pa.MapType():
            return f"map<{type_text(data_type.key_type)},{type_text(data_type.item_type)}>"
        case pa.StructType():
            return f"struct<{','.join(_field_texts(data_type, ':'))}>"
    return _NAMES.get(data_type, str(data_type))


def _field_texts(fields: "Iterable[pa.Field[Any]]", between: str) -> list[str]:
    return [f"{_quoted(field.name)}{between}{type_text(field.type)}" for field in fields]


def _quoted(name: str) -> str:
    return name if _BARE_NAME.fullmatch(name) else "`" + name.replace("`", "``") + "`"


class _Parser:
    """Recursive descent over one text; `token` is the one at hand, None at the end."""

    def __init__(self, text: str) -> None:
        self._text, self._end, self._depth = text, 0, 0
        self.advance()

    def advance(self) -> None:
        """Step to the next token."""
        rest = self._text[self._end :]
        self._start = self._end + len(rest) - len(rest.lstrip())
        self.token: str | None = None
        self.quoted = False
        if self._start == len(self._text):
            return
        found = _TOKEN.match(self._text, self._end)
        if found is None:
            self.token = self._text[self._start]
            self.fail("a name, a type, or one of , : < > ( ); put a name with other characters in back-quotes")
        self._end = found.end()
        self.quoted = found["quoted"] is not None
        self.token = found["quoted"].replace("``", "`") if self.quoted else found["word"] or found["sign"]

    def fail(self, expected: str) -> NoReturn:
        """Raise, naming the place, what is there and what was expected."""
        found = "the end" if self.token is None else f"'{self.token}'"
        message = f"character {self._start + 1}: found {found}; expected {expected}"
        raise SchemaError(message)

    def take(self, sign: str) -> bool:
        """Step over `sign` if it is at hand."""
        if self.token != sign or self.quoted:
            return False
        self.advance()
        return True

    def expect(self, sign: str) -> None:
        """Step over `sign`, or fail."""
        if not self.take(sign):
            self.fail(f"'{sign}'")

    def fields(self, end: str | None) -> "list[pa.Field[Any]]":
        """Read columns up to `end`, or to the end of the text."""
        fields: list[pa.Field[Any]] = []
        seen: set[str] = set()
        while True:
            name = self._name()
            if name.lower() in seen:
                self.fail(f"another name than '{name}', which is declared twice (upper and lower case count as one)")
            seen.add(name.lower())
            self.advance()
            self.take(":")
            fields.append(pa.field(name, self.type()))
            if self.take(","):
                continue
            if self.token is None if end is None else self.take(end):
                return fields
            if self.token is not None and self.token.lower() in ("not", "comment", "default"):
                self.fail("',': a column is a name and a type only, and may always be null")
            self.fail("','" if end is None else f"',' or '{end}'")

    def type(self) -> pa.DataType:
        """Read one type."""
        word = "" if self.token is None or self.quoted else self.token.lower()
        if word not in _TYPE_WORDS:
            near = difflib.get_close_matches(word, _TYPE_WORDS, 1)
            self.fail((f"a type: did you mean '{near[0]}'? Allowed: " if near else "a type: ") + ALLOWED_TYPES)
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            self.fail(f"at most {_MAX_DEPTH} levels of nesting")
        self.advance()
        found = _SIMPLE[word] if word in _SIMPLE else self._parameters(word)
        self._depth -= 1
        return found

    def _name(self) -> str:
        if not self.token or not (self.quoted or re.fullmatch(r"\w+", self.token)):
            self.fail("a column's name")
        return self.token

    def _parameters(self, word: str) -> pa.DataType:
        if word == "decimal":
            return self._decimal()
        self.expect("<")
        if word == "struct":
            return pa.struct(self.fields(end=">"))
        if word == "map":
            if self.token is None or self.token.lower() != "string":
                self.fail("'string': the keys of a map are strings")
            self.advance()
            self.expect(",")
        value = self.type()
        self.expect(">")
        return pa.list_(value) if word == "array" else pa.map_(pa.string(), value)

    def _decimal(self) -> pa.DataType:
        if not self.take("("):
            return pa.decimal128(10, 0)
        precision = self._number(1, _MAX_DECIMAL_DIGITS)
        scale = self._number(0, precision) if self.take(",") else 0
        self.expect(")")
        return pa.decimal128(precision, scale)

    def _number(self, lowest: int, highest: int) -> int:
        digits = self.token or ""
        if not re.fullmatch(r"[0-9]{1,2}", digits) or not lowest <= int(digits) <= highest:
            self.fail(f"a number from {lowest} to {highest}")
        self.advance()
        return int(digits)
