"""Any table, events and order of things: rows are those of the table."""

from decimal import Decimal

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from streamjoin.errors import ReferenceTableError
from streamjoin.reference.lookup import fetch as fetch_module
from streamjoin.reference.lookup.fetcher import RETRY_SECONDS
from tests.faults.lookup import FakeItemTable, throttled
from tests.faults.reference import client_error, country
from tests.unit.reference.lookup.looked_up_reference import Setup

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
# What a table can hold and an event can have, written in several ways.
NUMBERS = st.builds(
    lambda digits, exponent: Decimal(digits).scaleb(exponent), st.integers(-(10**6), 10**6), st.integers(-6, 6)
)


@hypothesis_settings(deadline=None)
@given(st.data(), st.dictionaries(st.tuples(TEXTS.filter(bool), NUMBERS), TEXTS), st.integers(1, 3))
def test_rows_found_are_those_that_a_dict_of_the_table_has_for_any_keys(data, content, tasks):
    items = [{"a": {"S": a}, "b": {"N": str(b)}, "found": {"S": found}} for (a, b), found in content.items()]
    parts = [st.sampled_from(sorted(part)) if part else st.nothing() for part in map(set, zip(*content, strict=True))]
    known = st.tuples(*parts) if content else st.nothing()
    anything = st.tuples(st.none() | TEXTS, st.none() | NUMBERS)
    events = data.draw(st.lists(known | anything, max_size=12))
    it = Setup(
        table=FakeItemTable(items, key=(("a", "S"), ("b", "N"))),
        on={"y": "b", "x": "a"},
        event="x string, y decimal(38,12)",
        columns=["found"],
        schema="a string, b decimal(38,12), found string",
        cores=tasks,
        shuffle_partitions=tasks,
    )

    snapshot = it.reference.current()
    before, fetch_module.fetcher = fetch_module.fetcher, it.fetcher
    try:
        side = snapshot.side(it.events(*events))
    finally:
        fetch_module.fetcher = before

    assert {(a, b): found for found, b, a in side.rows} == {key: content[key] for key in events if key in content}
    assert snapshot.consumed_read_units == len({(a, b) for a, b in events if a and b is not None})


KEYS = st.sampled_from(["", "A", "B", "C", "D", "E", "é", "x" * 2049, None])


@hypothesis_settings(deadline=None, max_examples=150)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("batch"), st.lists(KEYS, max_size=8)),
            st.tuples(st.just("put"), st.sampled_from("ABCDE"), st.integers(0, 9)),
            st.tuples(st.just("delete"), st.sampled_from("ABCDE")),
            st.tuples(st.just("wait"), st.sampled_from([1, 30, 60, 400])),
            st.tuples(st.just("fault"), st.sampled_from(["none", "throttled", "denied", "partial"])),
            st.tuples(st.just("restart")),
        ),
        max_size=25,
    ),
    st.integers(1, 3),
    st.integers(1, 6),
)
def test_rows_are_those_of_the_table_as_it_was_no_longer_ago_than_allowed(steps, tasks, max_cached_items):
    """The oracle: every content that the table had, with the time until which it had it."""
    it = Setup(
        table=FakeItemTable(),
        schema="code string, countryname string",
        cores=tasks,
        shuffle_partitions=tasks,
        max_cached_items=max_cached_items,
    )
    content, history = {}, {key: [(0.0, None)] for key in "ABCDE"}
    version, metadata, is_failing, failed_at = 0, None, False, 0.0

    def change(key, name):
        content[key] = name
        history[key].append((it.clock(), name))

    for step in steps:
        # no two things happen at one time
        it.clock.advance(0.001)
        match step:
            case ("put", key, number):
                it.table.put(country(key, str(number)))
                change(key, str(number))
            case ("delete", key) if content.get(key) is not None:
                it.table.delete(code={"S": key})
                change(key, None)
            case ("wait", seconds):
                it.clock.advance(seconds)
            case ("fault", kind):
                errors = {"throttled": throttled(), "denied": client_error("AccessDeniedException", "BatchGetItem")}
                error = errors.get(kind)
                is_failing = error is not None
                it.table.fault = lambda op, _, error=error: error if op == "BatchGetItem" else None
                it.table.processed = (lambda keys: (keys + 1) // 2) if kind == "partial" else (lambda keys: keys)
            case ("restart",) if metadata is not None:
                it = it.restart(metadata)
            case ("batch", keys):
                if is_failing:
                    failed_at = it.clock()
                try:
                    snapshot, rows = it.look_up(*keys)
                except ReferenceTableError:
                    assert is_failing
                    continue
                assert snapshot.version > version
                version = snapshot.version
                metadata = snapshot.metadata()
                oldest = snapshot.as_of.timestamp()
                # right after a failure the table is left alone
                allowed_seconds = 300 if it.clock() - failed_at < RETRY_SECONDS else 60
                assert it.clock() - oldest <= allowed_seconds
                for key in set(keys) & set("ABCDE"):
                    found = rows[key][0] if key in rows else None
                    # what the key had at any time since the snapshot's age
                    before = [name for at, name in history[key] if at <= oldest][-1]
                    assert found in {before, *(name for at, name in history[key] if at >= oldest)}
                    if oldest == it.clock():
                        assert found == content.get(key)
                assert set(rows) <= {key for key in keys if key}
