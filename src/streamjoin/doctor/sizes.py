"""Sizes as people read them."""

from typing import Final

_UNITS: Final = (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024))


def text_bytes(count: float) -> str:
    """Return a number of bytes in the unit that suits it."""
    unit, size = next(((unit, size) for unit, size in _UNITS if count >= size), ("bytes", 1))
    return f"{count / size:,.1f} {unit}" if size > 1 else f"{count:,.0f} {unit}"
