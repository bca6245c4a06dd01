"""Made-up sales orders, the same for the same seed, and the country table that they are joined with."""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Final, NamedTuple

from streamjoin.local.tables import Item, ReferenceTable

_FIRST_ORDER: Final = date(2010, 1, 1)
_ORDER_DAYS: Final = 7 * 365


class _Country(NamedTuple):
    name: str
    region: str


class _Article(NamedTuple):
    name: str
    price_cents: int
    cost_cents: int


# The first four have a row in the country table; the others show what becomes of events without one.
_COUNTRIES: Final = (
    _Country("India", "Asia"),
    _Country("USA", "North America"),
    _Country("Australia", "Australia and Oceania"),
    _Country("Germany", "Europe"),
    _Country("Brazil", "South America"),
    _Country("Kenya", "Sub-Saharan Africa"),
)
_ARTICLES: Final = (
    _Article("Books", 1_899, 1_210),
    _Article("Bicycles", 48_950, 31_475),
    _Article("Coffee", 1_149, 640),
    _Article("Furniture", 27_900, 19_835),
    _Article("Garden Tools", 6_425, 3_990),
    _Article("Lamps", 3_775, 2_005),
    _Article("Paper", 459, 288),
    _Article("Shoes", 8_990, 4_715),
    _Article("Tea", 845, 395),
    _Article("Toys", 2_399, 1_130),
)
_CHANNELS: Final = ("Online", "Offline")
_PRIORITIES: Final = ("L", "M", "H", "C")

COUNTRY_TABLE: Final = "tgt_country_lookup_table"


def _country_row(code: str, countryname: str, combinedname: str) -> Item:
    return {"code": code, "countryname": countryname, "combinedname": combinedname}


COUNTRY_ROWS: Final[Sequence[Item]] = (
    _country_row("IN", "India", "IN-India"),
    _country_row("US", "USA", "US-USA"),
    _country_row("AU", "Australia", "AU-Australia"),
    _country_row("DE", "Germany", "DE-Germany"),
)
CHANGED_COUNTRY_ROWS: Final[Sequence[Item]] = (
    _country_row("IN", "India", "IN-IND-India"),
    _country_row("US", "USA", "US-USA-US"),
    _country_row("AU", "Australia", "AU-AUS-Australia"),
    _country_row("DE", "Germany", "DE-DEU-Germany"),
    # Its orders came before it.
    _country_row("BR", "Brazil", "BR-BRA-Brazil"),
)

COUNTRY_REFERENCE: Final = ReferenceTable(
    name=COUNTRY_TABLE,
    keys={"code": "S", "countryname": "S"},
    rows=lambda: COUNTRY_ROWS,
    changed_rows=lambda: CHANGED_COUNTRY_ROWS,
)


def orders(seed: int = 0, start: int = 0) -> Iterator[dict[str, str]]:
    """Yield orders without end, the first being number `start` of the seed's sequence."""
    index = start
    while True:
        yield order(seed, index)
        index += 1


def order(seed: int, index: int) -> dict[str, str]:
    """Return order number `index` of the sequence that `seed` stands for; all 15 fields are text, as in the source."""
    # A hash instead of a random generator: any order of the sequence can be made without those before it.
    digest = hashlib.blake2b(b"%d:%d" % (seed, index), digest_size=32).digest()
    dice = int.from_bytes(digest[16:], "little")
    dice, choice = divmod(dice, len(_COUNTRIES))
    country = _COUNTRIES[choice]
    dice, choice = divmod(dice, len(_ARTICLES))
    article = _ARTICLES[choice]
    dice, channel = divmod(dice, len(_CHANNELS))
    dice, priority = divmod(dice, len(_PRIORITIES))
    dice, day = divmod(dice, _ORDER_DAYS)
    dice, shipping_days = divmod(dice, 50)
    dice, units = divmod(dice, 9_999)
    units += 1
    second = dice % 86_400
    ordered = _FIRST_ORDER + timedelta(days=day)
    shipped = ordered + timedelta(days=shipping_days + 1)
    code = digest[:16].hex()
    return {
        "uuid": f"{code[:8]}-{code[8:12]}-{code[12:16]}-{code[16:20]}-{code[20:]}",
        "country": country.name,
        "itemtype": article.name,
        "saleschannel": _CHANNELS[channel],
        "orderpriority": _PRIORITIES[priority],
        "orderdate": _short_date(ordered),
        "region": country.region,
        "shipdate": _short_date(shipped),
        "unitssold": str(units),
        "unitprice": _money(article.price_cents),
        "unitcost": _money(article.cost_cents),
        "totalrevenue": _money(units * article.price_cents),
        "totalcost": _money(units * article.cost_cents),
        "totalprofit": _money(units * (article.price_cents - article.cost_cents)),
        "impressiontime": f"2022-03-24T{second // 3_600:02}:{second // 60 % 60:02}:{second % 60:02}Z",
    }


def _short_date(day: date) -> str:
    # M/d/yy without leading zeros, as the source writes it; strftime has no portable form of it.
    return f"{day.month}/{day.day}/{day.year % 100:02}"


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"
