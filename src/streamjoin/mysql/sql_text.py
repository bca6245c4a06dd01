"""Names and values as they stand in SQL."""

from decimal import Decimal

from streamjoin.dms.source_table import Value


def quoted_name(*parts: str) -> str:
    """Return a name in backticks, its parts joined by dots."""
    return ".".join("`" + part.replace("`", "``") + "`" for part in parts)


def quoted_text(value: str) -> str:
    """Return a text as a literal that means the same in every mode and character set of a session."""
    return f"_utf8mb4 X'{value.encode('utf-8', 'replace').hex()}'"


def literal(value: Value) -> str:
    """Return a value as a literal that a column of its kind compares with."""
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    if isinstance(value, str):
        return quoted_text(value)
    return format(value, "f") if isinstance(value, Decimal) else repr(value)
