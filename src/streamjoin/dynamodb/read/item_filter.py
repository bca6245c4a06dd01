"""Which items of a table are taken: those whose attribute lies before or after a moment."""

from dataclasses import dataclass

from streamjoin.dynamodb.attribute_types import exact
from streamjoin.dynamodb.service import Item
from streamjoin.moments import epoch_us, iso_us


@dataclass(frozen=True)
class ItemFilter:
    """Compares one attribute with moments, all in microseconds since 1970; every bound that is given must hold.

    Args:
        attribute: A number is an epoch, in s, ms or microseconds by its magnitude; text is ISO 8601, in UTC if it
            names no zone.
        before_us: The attribute is less.
        until_us: The attribute is less, or equal.
        after_us: The attribute is greater.
        from_us: The attribute is greater, or equal.
    """

    attribute: str
    before_us: int | None = None
    until_us: int | None = None
    after_us: int | None = None
    from_us: int | None = None

    def takes(self, item: Item) -> bool | None:
        """Say whether the item is taken; None: it has no such attribute, or no moment in it, and isn't taken."""
        found = self._moment_us(item)
        if found is None:
            return None
        return (
            (self.before_us is None or found < self.before_us)
            and (self.until_us is None or found <= self.until_us)
            and (self.after_us is None or found > self.after_us)
            and (self.from_us is None or found >= self.from_us)
        )

    def _moment_us(self, item: Item) -> int | None:
        value = item.get(self.attribute, {})
        if "N" in value:
            return epoch_us(exact(value["N"]))
        return iso_us(value["S"]) if "S" in value else None
