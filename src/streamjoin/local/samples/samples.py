"""Made-up items for `streamjoin seed-table`, the same for a seed: orders, and receipts with many kinds of values."""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, TypeAlias

SampleItem: TypeAlias = Mapping[str, Any]

_PRODUCTS: Final = (
    ("Desk lamp", 34_90),
    ("Espresso cups", 27_50),
    ("Garden hose", 41_25),
    ("Notebook", 5_80),
    ("Rain jacket", 89_00),
    ("Running shoes", 119_95),
    ("Travel mug", 18_40),
    ("Wool blanket", 64_00),
)
_STORES: Final = ("Aarhus", "Bergen", "Cork", "Delft", "Évora", "Gdańsk")
_PAYMENTS: Final = ("card", "cash", "voucher")
_FIRST_DAY: Final = datetime(2019, 5, 1, tzinfo=UTC)
_DAYS: Final = 120
_MOST_LINES: Final = 4


class SampleName(StrEnum):
    """The samples that come with the package."""

    ORDERS = "orders"
    RECEIPTS = "receipts"


@dataclass(frozen=True)
class Sample:
    """One sample.

    Attributes:
        keys: Partition key and, if there is one, sort key, with their DynamoDB types.
        item: Returns item number so and so of the sequence that a seed stands for.
        records: How many there are unless told otherwise.
    """

    keys: Mapping[str, str]
    item: Callable[[int, int], SampleItem]
    records: int

    def items(self, records: int, seed: int) -> Iterator[SampleItem]:
        """Yield the first so many items."""
        return (self.item(seed, number) for number in range(records))


def order(seed: int, number: int) -> SampleItem:
    """Return an order: orderid, product_name, quantity, price."""
    dice = _dice(seed, number)
    product, cents = dice.choice(_PRODUCTS)
    return {
        "orderid": f"o-{number:06}",
        "product_name": product,
        "quantity": dice.randint(1, 12),
        "price": _money(cents),
    }


def receipt(seed: int, number: int) -> SampleItem:
    """Return a receipt, with numbers, text, times of both kinds, a list, a map, a set, binary, a boolean and null."""
    dice = _dice(seed, number)
    created = _FIRST_DAY + timedelta(days=dice.randrange(_DAYS), seconds=dice.randrange(86_400))
    updated = created + timedelta(milliseconds=dice.randrange(45 * 86_400_000))
    lines = [_line(dice) for _ in range(dice.randint(1, _MOST_LINES))]
    total = sum((line["amount"] for line in lines), Decimal(0))
    customer = f"c-{dice.randrange(400):04}"
    item: dict[str, Any] = {
        "PK": f"CUSTOMER#{customer}",
        "SK": f"RECEIPT#{number:07}",
        "receiptid": f"r-{number:07}",
        "customer": {
            "id": customer,
            "address": {"city": dice.choice(_STORES), "lines": ["Market Street", number % 90]},
        },
        "createdAt": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "updatedat": int(updated.timestamp() * 1000),
        "total": total,
        "tax": (total * 19 / 119).quantize(Decimal("0.01")),
        "lines": lines,
        "tags": {line["product"].split()[0].lower() for line in lines},
        "checksum": dice.randbytes(8),
        "is_paid": dice.random() < 0.9,
        "payment": dice.choice(_PAYMENTS),
    }
    if number % 7 == 0:
        item["note"] = None
    if number % 5 == 0:
        # More digits than a float has: a sum of amounts in a currency's smallest part, of a lifetime.
        item["loyalty_points"] = Decimal(f"{number}12345678901234567890.{number % 1000:03}")
    return item


def _line(dice: random.Random) -> dict[str, Any]:
    product, cents = dice.choice(_PRODUCTS)
    quantity = dice.randint(1, 5)
    return {"product": product, "quantity": quantity, "amount": _money(quantity * cents)}


def _dice(seed: int, number: int) -> random.Random:
    # One for each item: any of them can be made without those before it.
    return random.Random(f"{seed}:{number}")  # noqa: S311  (not for secrets)


def _money(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)


SAMPLES: Final[Mapping[SampleName, Sample]] = {
    SampleName.ORDERS: Sample(keys={"orderid": "S"}, item=order, records=1_000),
    SampleName.RECEIPTS: Sample(keys={"PK": "S", "SK": "S"}, item=receipt, records=1_000),
}
