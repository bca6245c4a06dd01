"""Where rows of CSV begin and end in a text that holds several of them."""

import re
from collections.abc import Iterator

from streamjoin.records.text import BYTE_ORDER_MARK


class CsvRows:
    """Finds the rows of a text.

    A line end within quotes belongs to its field; a quote that is never closed, to its line alone. Empty lines are no
    rows, nor is a header: a line whose fields are the columns' names, upper and lower case counting as one.

    Args:
        columns: The columns' names.
        delimiter: What stands between two fields.
    """

    def __init__(self, columns: tuple[str, ...], delimiter: str) -> None:
        separator = re.escape(delimiter)
        field = rf'(?>"(?>[^"]+|"")*"[^{separator}\r\n]*|[^{separator}\r\n]*)'
        self._row = re.compile(rf"{field}(?:{separator}{field})*+")
        self._separator = re.compile(separator)
        self._delimiter, self._header = delimiter, [name.lower() for name in columns]

    def __call__(self, content: bytes) -> Iterator[bytes]:
        """Yield the text of each row, without its line end."""
        # Bytes that aren't UTF-8 stay what they are: they are one row's, not its neighbours'.
        text = content.decode("utf-8", "surrogateescape")
        at = 0
        while at < len(text):
            found = self._row.match(text, at)
            end = found.end() if found else len(text)
            row = text[at:end].lstrip(BYTE_ORDER_MARK)
            if row and not self._is_header(row):
                yield row.encode("utf-8", "surrogateescape")
            at = end + 1

    def _is_header(self, row: str) -> bool:
        return [name.strip(' "').lower() for name in row.split(self._delimiter)] == self._header
