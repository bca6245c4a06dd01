"""Bytes of an event, read from the front."""


class Bytes:
    """Bytes that are read from the front."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data, self.at = data, at

    def take(self, size: int) -> bytes:
        """Return the next bytes."""
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, size: int) -> int:
        """Return the next little-endian number."""
        return int.from_bytes(self.take(size), "little")

    def packed(self) -> int:
        """Return the next number of the protocol's own packed form: 1, 3, 4 or 9 bytes."""
        first = self.number(1)
        return first if first < 251 else self.number({252: 2, 253: 3, 254: 8}[first])

    def all_packed(self) -> list[int]:
        """Return all that is left, as packed numbers."""
        numbers = []
        while not self.is_over:
            numbers.append(self.packed())
        return numbers

    @property
    def is_over(self) -> bool:
        """Whether all was read."""
        return self.at >= len(self.data)
