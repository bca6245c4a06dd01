"""Orders of a large table by day: the rows that it starts with, the batches that come then, and what it must hold."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from benchmarks.our_way import job_config
from benchmarks.todays_way import DAY
from benchmarks.workload import SHARDS, country_item
from streamjoin.aws.clients import aws_client
from streamjoin.enrich.assembly import hudi_table
from streamjoin.enrich.order import ORDERING_COLUMN, SEQUENCE_COLUMN
from streamjoin.entry import parse_config
from streamjoin.history import checkpoint
from streamjoin.history.counts import BatchCounts
from streamjoin.hudi.write import bulk_insert
from streamjoin.local.samples.produce import produce
from streamjoin.local.tables import create_stream
from streamjoin.query import read_table
from streamjoin.shards.position import Position

RECORDS = 4_000
ITEMS = 4
DAYS = 30
# Of a batch: keys that the table has, of its newest tenth; one in ten of them gets another day.
KNOWN, NEWEST_SHARE, MOVED = 400, 0.1, 10
# Prime, so that the keys of a batch are spread and no key comes twice soon.
_STRIDE = 7_919
_COUNTRIES = (*(str(country_item(number)["countryname"]) for number in range(ITEMS)), "Brazil", "Kenya")
_COMBINED = (*(str(country_item(number)["combinedname"]) for number in range(ITEMS)), None, None)
_CODES = (*(str(country_item(number)["code"]) for number in range(ITEMS)), None, None)
_FIRST_ORDER_DATE, _FIRST_US = "1/1/10", 1_262_304_000_000_000
_TEXTS = {
    "itemtype": ("Books", "Bicycles", "Coffee", "Furniture", "Lamps", "Paper", "Shoes", "Tea", "Toys", "Garden Tools"),
    "saleschannel": ("Online", "Offline"),
    "orderpriority": ("L", "M", "H", "C"),
    "region": ("Asia", "Europe", "Africa"),
    "shipdate": ("2/1/24", "2/2/24", "2/3/24", "2/4/24", "2/5/24"),
}


@dataclass(frozen=True)
class WideOrders:
    """A table and its batches. Order number n has the same key everywhere; days follow the numbers.

    Args:
        stream_name: Where the batches are put.
        rows: That the table starts with.
        known: Records of a batch whose keys the table has.
        newest_share: Among which of its rows they are: 1.0 is anywhere.
        moves: Whether some of the known orders get another day.
    """

    stream_name: str
    rows: int
    known: int = KNOWN
    newest_share: float = NEWEST_SHARE
    moves: bool = False

    def create_stream(self) -> None:
        """Create the stream."""
        create_stream(aws_client("kinesis"), self.stream_name, SHARDS)

    def send(self, batch: int) -> None:
        """Put a batch into the stream."""
        produce(aws_client("kinesis"), self.stream_name, self.events(batch), record_key="uuid")

    def events(self, batch: int) -> Iterator[dict[str, str]]:
        """Yield the events of batch number `batch`, counted from 0: new orders, and newer versions of known ones."""
        known, share = self.held(batch)
        newest = int(self.rows * share)
        for place in range(known):
            number = self.rows - 1 - (batch * known + place) * _STRIDE % newest
            moves = self.moves and place % MOVED == 0
            yield self._event(number, 1 + batch, DAYS - 1 if moves else self._day(number))
        first = self.rows + batch * RECORDS
        for number in range(first, first + RECORDS - known):
            yield self._event(number, 1 + batch, DAYS - 1)

    def held(self, batch: int) -> tuple[int, float]:
        """Return how many keys of batch number `batch` are known, and among which share of the first rows they are."""
        return self.known, self.newest_share

    def _day(self, number: int) -> int:
        return min(number * DAYS // self.rows, DAYS - 1)

    def _event(self, number: int, version: int, day: int) -> dict[str, str]:
        return {
            "uuid": hashlib.md5(b"%d" % number, usedforsecurity=False).hexdigest(),
            "country": _COUNTRIES[(number + version) % len(_COUNTRIES)],
            **{name: texts[number % len(texts)] for name, texts in _TEXTS.items()},
            # As text it is ordered like as a date, for the script orders by the text.
            "orderdate": f"1/{10 + version}/24",
            "unitssold": str(number),
            "impressiontime": f"2026-01-{day + 1:02d}T12:00:00Z",
            **dict.fromkeys(("unitprice", "unitcost", "totalrevenue", "totalcost", "totalprofit"), "1.00"),
        }

    def first_rows(self, spark: SparkSession, tasks: int) -> DataFrame:
        """Return the rows that the table starts with, as the job would have written them."""
        number = F.col("id")

        def one_of(texts: tuple[str | None, ...]) -> Column:
            return F.element_at(F.array(*map(F.lit, texts)), (number % len(texts) + 1).cast("int"))

        day = F.least(F.floor(number * DAYS / self.rows), F.lit(DAYS - 1)) + 1
        return spark.range(0, self.rows, 1, tasks).select(
            F.md5(number.cast("string")).alias("uuid"),
            *(one_of(texts).alias(name) for name, texts in _TEXTS.items()),
            F.lit(_FIRST_ORDER_DATE).alias("orderdate"),
            number.cast("string").alias("unitssold"),
            F.format_string("2026-01-%02dT12:00:00Z", day).alias("impressiontime"),
            one_of(_CODES).alias("code"),
            one_of(_COMBINED).alias("combinedname"),
            F.format_string("2026-01-%02d", day).alias(DAY),
            # They came one after the other.
            (F.lit(_FIRST_US) + number).alias(ORDERING_COLUMN),
            F.format_string("%020d", number).alias(SEQUENCE_COLUMN),
        )

    def rows_of(self, batch: int) -> pa.Table:
        """Return the rows of a batch, as the job writes them."""
        rows = []
        for event, sent in zip(self.events(batch), self._sent(batch), strict=True):
            own = {name: event[name] for name in (*_TEXTS, "impressiontime")}
            place = {ORDERING_COLUMN: _FIRST_US + self.rows + batch, SEQUENCE_COLUMN: f"{batch:020d}"}
            rows.append({"code": _CODES[_COUNTRIES.index(event["country"])], **own, **sent, **place})
        return pa.Table.from_pylist(rows, _ROWS)

    def problems(self, base_path: str, batches: int, *, by_day: bool, keeps_moved: bool = False) -> list[str]:
        """Compare every row of a table with what it must hold after so many batches.

        Args:
            base_path: The table.
            batches: That it was given.
            by_day: Whether rows have a day.
            keeps_moved: Whether a row that moved is there twice, as the script has it: then it is known by its day too.
        """
        columns = ["uuid", "combinedname", "orderdate", "unitssold"]
        found = read_table(base_path, columns=[*columns, DAY] if by_day else columns)
        if not by_day:
            found = found.append_column(DAY, pa.nulls(found.num_rows, pa.string()))
        sent = pa.Table.from_pylist([row for batch in range(batches) for row in self._sent(batch)], _SENT)
        with duckdb.connect() as db:
            db.register("found", found)
            db.register("sent", sent)
            given = {"names": list(_COMBINED), "date": _FIRST_ORDER_DATE, "rows": self.rows, "days": DAYS}
            given |= {"by_day": by_day, "both": keeps_moved}
            counts = db.execute(_COMPARISON, given).fetchone()
        assert counts is not None
        expected, rows, same = counts
        if expected == rows == same:
            return []
        return [f"'{Path(base_path).name}': expected {expected:,} rows, found {rows:,}, of them {same:,} as expected"]

    def _sent(self, batch: int) -> Iterator[dict[str, Any]]:
        for event in self.events(batch):
            country = _COUNTRIES.index(event["country"])
            yield {
                "uuid": event["uuid"],
                "combinedname": _COMBINED[country],
                "orderdate": event["orderdate"],
                "unitssold": event["unitssold"],
                DAY: event["impressiontime"][:10],
                "batch": batch,
            }


_TEXT_COLUMNS = ("uuid", "combinedname", "orderdate", "unitssold", DAY)
_SENT = pa.schema(dict.fromkeys(_TEXT_COLUMNS, pa.string()) | {"batch": pa.int64()})


_ROWS = pa.schema(
    dict.fromkeys(
        ("uuid", *_TEXTS, "orderdate", "unitssold", "impressiontime", "code", "combinedname", DAY), pa.string()
    )
    | {ORDERING_COLUMN: pa.int64(), SEQUENCE_COLUMN: pa.string()}
)

# Days are compared where rows have one; where rows that moved are kept, the day belongs to the key.
_COMPARISON = """
WITH started AS (
    SELECT md5(n::text) uuid, $names[n % len($names) + 1] combinedname, $date orderdate, n::text unitssold,
        '2026-01-' || lpad((least(n * $days // $rows, $days - 1) + 1)::text, 2, '0') dt
    FROM range($rows) t(n)
), newest AS (
    FROM sent QUALIFY row_number() OVER (PARTITION BY uuid, CASE WHEN $both THEN dt END ORDER BY batch DESC) = 1
), expected AS (
    SELECT uuid, combinedname, orderdate, unitssold, dt FROM newest UNION ALL
    FROM started s ANTI JOIN newest n ON s.uuid = n.uuid AND (NOT $both OR s.dt = n.dt)
)
SELECT (SELECT count(*) FROM expected), (SELECT count(*) FROM found), (SELECT count(*) FROM expected e
    SEMI JOIN found f ON e.uuid = f.uuid AND e.combinedname IS NOT DISTINCT FROM f.combinedname
        AND e.orderdate = f.orderdate AND e.unitssold = f.unitssold AND (NOT $by_day OR e.dt = f.dt))
"""


def wide_config(stream_name: str, base_path: str, kind: str, layout: str) -> dict[str, Any]:
    """Return the configuration of the job for a layout: `flat`, `fixed` or `may_move`."""
    config = job_config(stream_name, base_path, kind)
    if layout != "flat":
        by_day = [{"name": DAY, "from": "impressiontime", "format": "yyyy-MM-dd"}]
        config["sink"]["hudi"] |= {"partition_by": by_day, "partitions": layout}
    return config


def fill_wide(spark: SparkSession, orders: WideOrders, config: Mapping[str, Any]) -> None:
    """Write the rows that a table starts with, in one commit, from which the job goes on at the stream's beginning."""
    table = hudi_table(parse_config(config))
    tasks = spark.sparkContext.defaultParallelism
    rows = orders.first_rows(spark, tasks)
    if not table.partition_by:
        rows = rows.drop(DAY)
    start = checkpoint.to_metadata(Position(orders.stream_name, {}), (), {}, BatchCounts().to_dict())
    bulk_insert(rows, table, commit_metadata={"batch_id": "start", **start}, parallelism=tasks)
