from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamjoin.reference import probe
from streamjoin.reference.probe import Layer, ShippedLayer, key_text, merged

KEYS = st.text(max_size=3)


def layer(rows: dict[str, int | None]) -> Layer:
    table = pa.table({"n": pa.array(rows.values(), pa.int64())})
    return Layer.of(list(rows), table, [value is not None for value in rows.values()])


def found(in_layer: Layer, keys: list[str | None]) -> list[int | None]:
    places = in_layer.find(pa.array(keys, pa.string()))
    values = in_layer.table["n"].to_pylist()
    return [values[place] if place >= 0 else None for place in places]


@given(st.dictionaries(KEYS, st.integers(0, 99)), st.lists(st.none() | KEYS))
def test_a_key_finds_its_row_and_nothing_else(rows: dict[str, int], wanted: list[str | None]) -> None:
    assert found(layer(dict(rows)), wanted) == [None if key is None else rows.get(key) for key in wanted]


@given(st.dictionaries(KEYS, st.integers(0, 99)), st.lists(st.none() | KEYS))
def test_keys_of_one_hash_are_told_apart(rows: dict[str, int], wanted: list[str | None]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probe, "_hashes", lambda keys: np.array([len(k or "") % 2 for k in keys.to_pylist()], np.uint64))
        assert found(layer(dict(rows)), wanted) == [None if key is None else rows.get(key) for key in wanted]


@given(st.dictionaries(KEYS, st.integers(0, 99)), st.dictionaries(KEYS, st.none() | st.integers(0, 99)))
def test_merging_changes_gives_what_applying_them_gives(rows: dict[str, int], changes: dict[str, int | None]) -> None:
    both = merged(layer(dict(rows)), layer(changes))
    expected = {key: value for key, value in {**rows, **changes}.items() if value is not None}
    assert dict(zip(both.keys.to_pylist(), both.table["n"].to_pylist(), strict=True)) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (7, "7"),
        (7, Decimal("7.00")),
        (7, 7.0),
        (Decimal("1E+3"), 1000),
        (Decimal("0.10"), 0.1),
        (0.0, -0.0),
        (Decimal("-0"), 0),
        (datetime(2026, 1, 1, 12, tzinfo=UTC), datetime(2026, 1, 1, 13, tzinfo=timezone(timedelta(hours=1)))),
        (datetime(2026, 1, 1, 12, tzinfo=UTC), datetime(2026, 1, 1, 12, tzinfo=UTC).replace(tzinfo=None)),
        (bytearray(b"x").hex(), b"x"),
    ],
)
def test_values_that_a_join_takes_as_equal_have_one_text(one: Any, other: Any) -> None:
    assert key_text([one]) == key_text([other])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("007", 7),
        ("7.0", 7),
        (True, 1),
        (date(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC)),
        (Decimal("0.1"), 1),
        ("", "0"),
    ],
)
def test_values_that_differ_have_different_texts(one: Any, other: Any) -> None:
    assert key_text([one]) != key_text([other])


def test_a_key_with_a_null_part_has_no_text_and_parts_are_not_run_together() -> None:
    assert key_text([None]) is None
    assert key_text(["x", None]) is None
    assert key_text(["x", "yz"]) != key_text(["xy", "z"])


def test_what_can_be_no_join_key_is_refused() -> None:
    with pytest.raises(TypeError, match="a list can't be part of a join key"):
        key_text([[1]])


class CountingBroadcast:
    def __init__(self, value: Layer) -> None:
        self._value, self.unpacked = value, 0

    @property
    def value(self) -> Layer:
        self.unpacked += 1
        return self._value


def test_a_worker_unpacks_a_layer_once_however_many_references_there_are() -> None:
    shipped = [ShippedLayer(f"place-{n}", f"t{n}", CountingBroadcast(layer({"a": n}))) for n in range(20)]  # type: ignore[arg-type]
    for _ in range(3):
        assert [probe._unpacked(each).table["n"][0].as_py() for each in shipped] == list(range(20))
    assert {each.broadcast.unpacked for each in shipped} == {1}


def test_a_worker_holds_the_newest_layer_of_a_place_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "_layers", {})
    monkeypatch.setattr(probe, "_PLACES_KEPT", 3)
    for number in range(5):
        probe._unpacked(ShippedLayer("changes", f"t{number}", CountingBroadcast(layer({"a": number}))))  # type: ignore[arg-type]
    assert [token for token, _ in probe._layers.values()] == ["t4"]
    for number in range(5):
        probe._unpacked(ShippedLayer(f"other-{number}", "t", CountingBroadcast(layer({}))))  # type: ignore[arg-type]
    assert list(probe._layers) == ["other-2", "other-3", "other-4"]
