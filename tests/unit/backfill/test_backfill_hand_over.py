"""Backfill and capture of one table, in every interleaving: the table of the lake ends as DynamoDB's own.

The lake's table is a dictionary with the rules of the real one: the greater order wins, a removal leaves a tombstone,
tombstones are looked up under the lock under which rows are committed. Orders are the package's own.
"""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from streamjoin.dynamodb.change_records import change_order

ITEMS = ("a", "b", "c")


@dataclass(frozen=True)
class Change:
    """What happened to an item; a value of None: it was removed."""

    item: str
    value: int | None
    created_us: int
    number: int

    @property
    def order(self):
        return change_order(self.created_us, str(self.number))


@dataclass
class Lake:
    """The table of the lake, as capture and backfill write it alternately."""

    rows: dict = field(default_factory=dict)
    tombstones: dict = field(default_factory=dict)

    def capture(self, batch):
        newest = {}
        for change in batch:
            if change.item not in newest or change.order > newest[change.item].order:
                newest[change.item] = change
        for change in newest.values():
            if change.value is None:
                self.tombstones[change.item] = max(self.tombstones.get(change.item, ""), change.order)
            self._upsert(change.item, change.order, change.value)

    def backfill(self, items, noted_us):
        for item, value in items.items():
            self._upsert(item, change_order(noted_us, None), value)

    def _upsert(self, item, order, value):
        stone = self.tombstones.get(item, "")
        if value is not None and order <= stone:
            return
        if item in self.rows and self.rows[item][0] > order:
            return
        if value is None:
            self.rows.pop(item, None)
        else:
            self.rows[item] = (order, value)

    @property
    def content(self):
        return {item: value for item, (_, value) in self.rows.items()}


def table_at(changes, moment_us):
    """Return what DynamoDB's table has at a moment."""
    content = {}
    for change in changes:
        if change.created_us <= moment_us:
            if change.value is None:
                content.pop(change.item, None)
            else:
                content[change.item] = change.value
    return content


@st.composite
def histories(draw):
    """Changes with times that may be equal, when the backfill noted its moment, and when it read each item."""
    steps = draw(st.lists(st.tuples(st.sampled_from(ITEMS), st.booleans(), st.integers(0, 2)), max_size=14))
    moment_us, changes = 1_000_000, []
    for number, (item, is_removed, later) in enumerate(steps, start=1):
        moment_us += later
        changes.append(Change(item, None if is_removed else number, moment_us, number))
    noted_us = draw(st.integers(999_999, moment_us + 1))
    read_us = {item: draw(st.integers(noted_us, moment_us + 3)) for item in ITEMS}
    return changes, noted_us, read_us


@settings(max_examples=400)
@given(histories(), st.data())
def test_whatever_comes_first_the_lake_ends_as_the_table_is(history, data):
    changes, noted_us, read_us = history
    # Capture was started before the backfill, anywhere; or after it, at the moment that was noted.
    since_us = noted_us - data.draw(st.sampled_from([0, 0, 1, 2, 30]), label="capture began before")
    captured = [change for change in changes if change.created_us >= since_us]
    cuts = sorted(data.draw(st.sets(st.integers(0, len(captured)), max_size=4), label="batches end at"))
    batches = [captured[start:end] for start, end in zip([0, *cuts], [*cuts, len(captured)], strict=True)]
    # Delivered again, and late: what Kinesis Data Streams for DynamoDB does, and a batch that is repeated.
    for batch in list(batches):
        again = data.draw(st.lists(st.sampled_from(batch), max_size=2)) if batch else []
        batches.insert(data.draw(st.integers(batches.index(batch), len(batches))), again)
    batches = [data.draw(st.permutations(batch)) for batch in batches]
    read = {item: table_at(changes, read_us[item]).get(item) for item in ITEMS}
    read = {item: value for item, value in read.items() if value is not None}
    # A commit of some items, and one of the others; a crash repeats either.
    first = {item: value for item, value in read.items() if data.draw(st.booleans(), label=f"{item} first")}
    commits = [first, {item: value for item, value in read.items() if item not in first}]
    if data.draw(st.booleans(), label="repeated"):
        commits.insert(data.draw(st.integers(1, 2)), first)
    places = sorted(data.draw(st.integers(0, len(batches))) for _ in commits)
    lake = Lake()
    for place in range(len(batches) + 1):
        for commit, at in zip(commits, places, strict=True):
            if at == place:
                lake.backfill(commit, noted_us)
        if place < len(batches):
            lake.capture(batches[place])
    assert lake.content == table_at(changes, 2_000_000)


def test_an_item_that_was_removed_while_the_table_was_read_does_not_come_back():
    removed = Change("a", None, 1_000_010, 7)
    lake = Lake()
    lake.capture([removed])
    lake.backfill({"a": 1}, 1_000_000)
    assert lake.content == {}


def test_a_change_in_the_very_microsecond_that_was_noted_is_newer_than_the_backfill():
    lake = Lake()
    lake.capture([Change("a", 2, 1_000_000, 1)])
    lake.backfill({"a": 1}, 1_000_000)
    assert lake.content == {"a": 2}
