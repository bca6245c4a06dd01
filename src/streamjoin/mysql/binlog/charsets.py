"""Texts as they are stored, turned into Python's: by the character set of their column.

The binlog holds a text in its column's character set, and a load asks for the same bytes, so that both ways use one
decoder and give one value.
"""

import codecs
from collections.abc import Callable, Mapping
from typing import TypeAlias

Decode: TypeAlias = Callable[[bytes], str]

BINARY_COLLATION = 63

# Character sets whose texts Python reads as MySQL does. Those of one byte a character aren't here: the server is asked
# for its own table of them, because MySQL's latin1 is Windows' with five more characters, and others differ likewise.
_CODECS = {
    "utf8": "utf-8",
    "utf8mb3": "utf-8",
    "utf8mb4": "utf-8",
    "ucs2": "utf-16-be",
    "utf16": "utf-16-be",
    "utf16le": "utf-16-le",
    "utf32": "utf-32-be",
    "gbk": "gbk",
    "gb2312": "gb2312",
    "gb18030": "gb18030",
    "big5": "big5",
    "sjis": "shift_jis",
    "cp932": "cp932",
    "ujis": "euc_jp",
    "eucjpms": "euc_jp",
    "euckr": "euc_kr",
}


def decode_utf8(data: bytes) -> str:
    """Return UTF-8 as text; what isn't UTF-8 becomes U+FFFD."""
    return data.decode("utf-8", "replace")


def from_codec(name: str) -> Decode:
    """Return the decoder of one of Python's codecs; what can't be decoded becomes U+FFFD."""
    decode = codecs.getdecoder(name)
    return lambda data: decode(data, "replace")[0]


def from_table(characters: str) -> Decode:
    """Return the decoder of a character set of one byte a character: `characters` has 256."""
    return lambda data: codecs.charmap_decode(data, "replace", characters)[0]


class Charsets:
    """Decoders by collation id.

    Args:
        names: The character set of each collation id, by the server.
        table_of: Asks the server for the 256 characters of a one-byte character set; None if it knows of none.
    """

    def __init__(self, names: Mapping[int, str], table_of: Callable[[str], str | None]) -> None:
        self._names, self._table_of = names, table_of
        self._decoders: dict[str, Decode] = {}

    def name(self, collation: int) -> str | None:
        """Return a collation's character set; None if the server doesn't know it."""
        return "binary" if collation == BINARY_COLLATION else self._names.get(collation)

    def decoder(self, collation: int) -> Decode | None:
        """Return what decodes texts of this collation; None if we can't."""
        return self.decoder_of(self.name(collation))

    def decoder_of(self, name: str | None) -> Decode | None:
        """Return what decodes texts of this character set; None if we can't."""
        if name is None or name == "binary":
            return None
        if name not in self._decoders:
            if name in _CODECS:
                self._decoders[name] = decode_utf8 if _CODECS[name] == "utf-8" else from_codec(_CODECS[name])
            else:
                characters = self._table_of(name)
                if characters is None:
                    return None
                self._decoders[name] = from_table(characters)
        return self._decoders[name]
