import itertools
import re
from datetime import datetime

from streamjoin.local.samples.orders import CHANGED_COUNTRY_ROWS, COUNTRY_ROWS, order, orders

FIELDS = (
    "uuid country itemtype saleschannel orderpriority orderdate region shipdate unitssold unitprice unitcost "
    "totalrevenue totalcost totalprofit impressiontime"
).split()


def first(count, **options):
    return list(itertools.islice(orders(**options), count))


def test_an_order_has_the_fifteen_text_fields_of_the_source():
    for made in first(200):
        assert list(made) == FIELDS
        assert all(isinstance(value, str) for value in made.values())


def test_the_same_seed_makes_the_same_orders_from_any_start():
    assert first(50, seed=7) == first(50, seed=7)
    assert first(20, seed=7, start=30) == first(50, seed=7)[30:]
    assert order(7, 31) == first(50, seed=7)[31]


def test_record_keys_differ_between_orders_and_between_seeds():
    keys = {made["uuid"] for seed in (0, 1) for made in first(5_000, seed=seed)}
    assert len(keys) == 10_000


def test_dates_are_written_without_leading_zeros_and_ship_after_the_order():
    for made in first(2_000):
        assert re.fullmatch(r"[1-9]\d?/[1-9]\d?/\d\d", made["orderdate"])
        ordered, shipped = (datetime.strptime(made[f], "%m/%d/%y") for f in ("orderdate", "shipdate"))  # noqa: DTZ007
        assert ordered < shipped


def test_times_are_always_valid_iso_8601():
    for made in first(2_000):
        assert made["impressiontime"].endswith("Z")
        assert datetime.fromisoformat(made["impressiontime"]).tzinfo is not None


def test_money_adds_up():
    for made in first(500):
        units = int(made["unitssold"])
        cents = {name: round(float(made[name]) * 100) for name in FIELDS[9:14]}
        assert cents["totalrevenue"] == units * cents["unitprice"]
        assert cents["totalprofit"] == cents["totalrevenue"] - cents["totalcost"]


def test_every_country_of_the_table_has_orders_and_some_orders_have_none():
    countries = {made["country"] for made in first(1_000)}
    referenced = {row["countryname"] for row in COUNTRY_ROWS}
    assert referenced < countries


def test_the_change_touches_every_row_of_the_country_table_and_adds_one_that_orders_waited_for():
    before, after = ({r["code"]: r for r in rows} for rows in (COUNTRY_ROWS, CHANGED_COUNTRY_ROWS))
    assert len(before) == 4
    assert after.keys() - before.keys() == {"BR"}
    assert after["BR"]["countryname"] in {made["country"] for made in first(1_000)}
    assert (before["IN"]["combinedname"], after["IN"]["combinedname"]) == ("IN-India", "IN-IND-India")
    for code, row in before.items():
        assert row["countryname"] == after[code]["countryname"]
        assert row["combinedname"] != after[code]["combinedname"]
