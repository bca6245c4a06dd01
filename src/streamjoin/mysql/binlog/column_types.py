"""Types of columns by the numbers that the binlog has for them."""

from enum import IntEnum


class ColumnType(IntEnum):
    """A column's type in a table map event.

    Source: field_types.h of MySQL's server; 140 and 141 are MariaDB's.
    """

    DECIMAL = 0
    TINY = 1
    SHORT = 2
    LONG = 3
    FLOAT = 4
    DOUBLE = 5
    TIMESTAMP = 7
    LONGLONG = 8
    INT24 = 9
    DATE = 10
    TIME = 11
    DATETIME = 12
    YEAR = 13
    VARCHAR = 15
    BIT = 16
    TIMESTAMP2 = 17
    DATETIME2 = 18
    TIME2 = 19
    BLOB_COMPRESSED = 140
    VARCHAR_COMPRESSED = 141
    VECTOR = 242
    JSON = 245
    NEWDECIMAL = 246
    ENUM = 247
    SET = 248
    BLOB = 252
    VAR_STRING = 253
    STRING = 254
    GEOMETRY = 255

    @classmethod
    def name_of(cls, number: int) -> str:
        """Return a type's name for messages, also of one that isn't known."""
        return cls(number).name.lower() if number in set(cls) else f"number {number}"
