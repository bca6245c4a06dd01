"""Histories of a DynamoDB table as change records, and what the table holds in the end."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from tests.changes.samples import kinesis_record, pipe_record

TABLE = "orders"
START_S = 1_738_281_600

Step = tuple[int, int | None, int]
"""Which item, its new quantity (None: it is removed), and by how much time passes before."""

STEPS: st.SearchStrategy[list[Step]] = st.lists(
    st.tuples(st.integers(0, 3), st.none() | st.integers(0, 9), st.integers(0, 2)), min_size=1, max_size=12
)


@dataclass
class History:
    """What happened to a table.

    Args:
        records: A change record for every change, oldest first.
        content: The table's items afterwards, by `orderid`.
    """

    records: list[bytes] = field(default_factory=list)
    content: dict[str, dict[str, Any]] = field(default_factory=dict)


def history(steps: Sequence[Step], *, envelope: str = "pipe") -> History:
    """Return what `steps` make of an empty table.

    Args:
        steps: What happens, in order; a removal of what isn't there is no change.
        envelope: `pipe`: a time in seconds, which many changes share, and a sequence number. `kinesis`: a time in
            microseconds, another one for each change, and no number.
    """
    told, now = History(), 0
    for number, (item, quantity, pause) in enumerate(steps):
        now += pause
        key = f"o{item}"
        old = told.content.pop(key, None)
        new = None if quantity is None else {"orderid": key, "quantity": quantity}
        if old is None and new is None:
            continue
        operation = "REMOVE" if new is None else "INSERT" if old is None else "MODIFY"
        keys = {"orderid": key}
        if new is not None:
            told.content[key] = new
        if envelope == "pipe":
            # Of differing width, as the service's are.
            place: dict[str, Any] = {"created_s": START_S + now, "sequence_number": 10**21 - 5 + number}
            told.records.append(pipe_record(TABLE, operation, keys, new, old, **place))
        else:
            created = (START_S + now) * 1_000_000 + number
            told.records.append(kinesis_record(TABLE, operation, keys, new, old, created=created))
    return told


@st.composite
def deliveries(draw: st.DrawFn, count: int) -> list[list[int]]:
    """Draw batches in which each of `count` records comes at least once, in any order."""
    repeats = draw(st.lists(st.integers(0, count - 1), max_size=count)) if count else []
    order = draw(st.permutations([*range(count), *repeats]))
    cuts = sorted(draw(st.lists(st.integers(0, len(order)), max_size=3)))
    return [order[start:end] for start, end in zip([0, *cuts], [*cuts, len(order)], strict=True)]
