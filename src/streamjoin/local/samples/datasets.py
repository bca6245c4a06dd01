"""The sample data sets by name: their events, their record key, and the reference tables that go with them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from streamjoin.local.samples.flights import (
    AIRLINES_REFERENCE,
    AIRPORTS_REFERENCE,
    FLIGHTS_RECORDS,
    PLANES_REFERENCE,
    flights,
)
from streamjoin.local.samples.names import DatasetName
from streamjoin.local.samples.orders import COUNTRY_REFERENCE, orders
from streamjoin.local.tables import ReferenceTable


@dataclass(frozen=True)
class Dataset:
    """One sample data set.

    Attributes:
        record_key: The field that names an event; also the Kinesis partition key.
        records: Yields events, given a seed (of no effect on real data) and the number of the first.
        total_records: How many there are; None if they are made up.
        demo_records: How many the demo takes unless told otherwise.
    """

    name: DatasetName
    record_key: str
    records: Callable[[int, int], Iterator[dict[str, Any]]]
    total_records: int | None
    demo_records: int
    references: tuple[ReferenceTable, ...]


def _flights(seed: int, start: int) -> Iterator[dict[str, Any]]:
    del seed
    return flights(start)


DATASETS: Final[Mapping[DatasetName, Dataset]] = {
    DatasetName.ORDERS: Dataset(
        name=DatasetName.ORDERS,
        record_key="uuid",
        records=orders,
        total_records=None,
        demo_records=20_000,
        references=(COUNTRY_REFERENCE,),
    ),
    DatasetName.FLIGHTS: Dataset(
        name=DatasetName.FLIGHTS,
        record_key="id",
        records=_flights,
        total_records=FLIGHTS_RECORDS,
        demo_records=50_000,
        references=(AIRLINES_REFERENCE, AIRPORTS_REFERENCE, PLANES_REFERENCE),
    ),
}
