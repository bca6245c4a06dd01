"""The demos: for each data set the job's configuration, and the queries that show what came of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from streamjoin.local.samples.names import DatasetName
from streamjoin.local.samples.orders import COUNTRY_TABLE


@dataclass(frozen=True)
class Scenario:
    """What the demo does with one data set.

    Attributes:
        events: What the records are called.
        config: Returns the job's configuration, given the base paths of table and dead letters.
        summary_sql: Rows by a value that comes from the reference that changes.
        sample_sql: A few rows, the newest first.
        change: What is changed in the reference, in words.
        outdated_sql: Counts the rows that still have a value from before the change, as `n`.
    """

    events: str
    config: Callable[[str, str], dict[str, Any]]
    summary_sql: str
    sample_sql: str
    change: str
    outdated_sql: str


def _job(name: str, base_path: str, dead_letters_path: str, hudi: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "job": "enrich",
        "name": name,
        "source": {"kinesis": {"stream_name": name, "starting_position": "TRIM_HORIZON"}},
        "sink": {"hudi": {"base_path": base_path, "table_name": name, **hudi}},
        "dead_letters": {"base_path": dead_letters_path},
        "trigger": {"interval_seconds": 1},
    }


def _reference(name: str, table: str, on: Mapping[str, str], columns: Any) -> dict[str, Any]:
    return {
        "name": name,
        "dynamodb": {"table_name": table},
        "on": dict(on),
        "columns": columns,
        "how": "left",
        "refresh": {"follow": "changes"},
        "on_change": "rewrite_rows",
    }


def _orders_config(base_path: str, dead_letters_path: str) -> dict[str, Any]:
    return {
        **_job(
            "orders",
            base_path,
            dead_letters_path,
            {
                "database": "sales",
                "record_key": ["uuid"],
                "ordering": {"column": "orderdate", "format": "M/d/yy"},
            },
        ),
        "payload": {
            "format": "json",
            "schema": (
                "uuid string, country string, itemtype string, saleschannel string, orderpriority string, "
                "orderdate string, region string, shipdate string, unitssold string, unitprice string, "
                "unitcost string, totalrevenue string, totalcost string, totalprofit string, impressiontime string"
            ),
        },
        "references": [_reference("country", COUNTRY_TABLE, {"country": "countryname"}, ["code", "combinedname"])],
        # `country` stays: by it rows are found when its reference row changes.
        "output": {"drop": ["unitprice", "unitcost", "totalrevenue", "totalcost", "totalprofit"]},
    }


def _flights_config(base_path: str, dead_letters_path: str) -> dict[str, Any]:
    plane = {"manufacturer": "manufacturer", "model": "model", "year": "plane_year", "seats": "seats"}
    return {
        **_job(
            "flights",
            base_path,
            dead_letters_path,
            {"database": "flights", "record_key": ["id"], "ordering": {"column": "time_hour"}},
        ),
        "payload": {
            "format": "json",
            "schema": (
                "id string, year int, month int, day int, dep_time int, sched_dep_time int, dep_delay int, "
                "arr_time int, sched_arr_time int, arr_delay int, carrier string, flight int, tailnum string, "
                "origin string, dest string, air_time int, distance int, hour int, minute int, time_hour timestamp"
            ),
        },
        "references": [
            _reference("airline", "flights_airlines", {"carrier": "carrier"}, {"name": "airline_name"}),
            # One table, joined twice.
            _reference("origin_airport", "flights_airports", {"origin": "faa"}, {"name": "origin_name"}),
            _reference("dest_airport", "flights_airports", {"dest": "faa"}, {"name": "dest_name"}),
            _reference("plane", "flights_planes", {"tailnum": "tailnum"}, plane),
        ],
        "output": {"drop": ["hour", "minute"]},
    }


SCENARIOS: Final[Mapping[DatasetName, Scenario]] = {
    DatasetName.ORDERS: Scenario(
        events="orders",
        config=_orders_config,
        summary_sql=(
            "SELECT combinedname, count(*) AS orders, sum(CAST(unitssold AS bigint)) AS units "
            "FROM orders GROUP BY combinedname ORDER BY combinedname"
        ),
        sample_sql=(
            "SELECT left(uuid, 8) AS uuid, orderdate, itemtype, unitssold, code, combinedname "
            "FROM orders ORDER BY _hoodie_commit_time DESC, uuid LIMIT 5"
        ),
        change="'IN-India' becomes 'IN-IND-India', 'US-USA' becomes 'US-USA-US', and so on; Brazil is new",
        outdated_sql=(
            "SELECT count(*) AS n FROM orders "
            "WHERE combinedname = code || '-' || country OR (combinedname IS NULL AND country = 'Brazil')"
        ),
    ),
    DatasetName.FLIGHTS: Scenario(
        events="flights",
        config=_flights_config,
        summary_sql=(
            "SELECT carrier, airline_name, count(*) AS flights, round(avg(dep_delay), 1) AS delay_minutes, "
            "count(seats) AS of_known_planes FROM flights GROUP BY ALL ORDER BY carrier, flights DESC"
        ),
        sample_sql=(
            "SELECT id, airline_name, origin_name, dest_name, manufacturer, seats "
            "FROM flights ORDER BY _hoodie_commit_time DESC, id LIMIT 5"
        ),
        change="'United Air Lines Inc.' becomes 'United Airlines, Inc.', and three more airlines get new names",
        outdated_sql=(
            "SELECT count(*) AS n FROM flights WHERE carrier IN ('UA', 'B6', 'EV', 'DL') AND airline_name IN "
            "('United Air Lines Inc.', 'JetBlue Airways', 'ExpressJet Airlines Inc.', 'Delta Air Lines Inc.')"
        ),
    ),
}
