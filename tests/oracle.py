"""The main job over plain lists: what every property is compared with. No Spark, no Hudi, nothing of streamjoin."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

EVENT_SCHEMA = "id string, country string, at string, amount int"


@dataclass(frozen=True)
class Record:
    shard_id: str
    sequence: int
    payload: bytes


@dataclass
class Expected:
    """Rows and their sequence numbers by record key, the reason of each dead letter by its place in the stream."""

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)
    dead_letters: dict[tuple[str, int], str] = field(default_factory=dict)


DELETES = 5
"""Where events may delete rows, an event with this amount does."""


def expected_table(
    records: Iterable[Record], reference: Mapping[str, str], *, inner: bool = False, deletes: bool = False
) -> Expected:
    """Events with `id`, `country`, `at` (M/d/yy), `amount`; joined by country; the newest `at` of an id wins."""
    return expected_versions([(record, reference) for record in records], None, inner=inner, deletes=deletes)


def expected_versions(
    seen: Iterable[tuple[Record, Mapping[str, str]]],
    now: Mapping[str, str] | None,
    *,
    inner: bool = False,
    deletes: bool = False,
) -> Expected:
    """The same with a reference that changes: each record beside the reference that its batch was joined with.

    With `now`, all rows have its values (`rewrite_rows`); without, each row has those of its own batch (`new_rows`).
    With `deletes`, there is no row of a key whose newest event deletes it.
    """
    expected, newest = Expected(), dict[str, tuple[int, int]]()
    for record, reference in seen:
        verdict = judge(record.payload, reference if now is None else now, inner=inner)
        if isinstance(verdict, str):
            expected.dead_letters[record.shard_id, record.sequence] = verdict
            continue
        key, order = verdict["id"], (verdict["_ordering_us"], record.sequence)
        if key not in newest or order > newest[key]:
            newest[key], expected.rows[key], expected.places[key] = order, verdict, record.sequence
    for key in [key for key, row in expected.rows.items() if deletes and row["amount"] == DELETES]:
        del expected.rows[key], expected.places[key]
    return expected


def judge(payload: bytes, reference: Mapping[str, str], *, inner: bool) -> dict[str, Any] | str:  # noqa: PLR0911
    """Return the row, or the reason why there is none."""
    if not payload.strip():
        return "EMPTY_PAYLOAD"
    try:
        event = json.loads(payload.decode())
    except UnicodeDecodeError:
        return "NOT_UTF8"
    except ValueError:
        return "MALFORMED_JSON"
    if not isinstance(event, dict):
        return "NOT_AN_OBJECT"
    if not isinstance(event.get("amount"), int | None):
        return "WRONG_TYPE"
    if inner and event.get("country") not in reference:
        return "UNMATCHED_REFERENCE"
    if not event.get("id"):
        return "MISSING_RECORD_KEY"
    try:
        at = datetime.strptime(event["at"], "%m/%d/%y").replace(tzinfo=UTC)
    except (KeyError, TypeError, ValueError):
        return "INVALID_ORDERING"
    ordering = int(at.timestamp()) * 1_000_000
    row = {name: event.get(name) for name in ("id", "country", "at", "amount")}
    return {**row, "combinedname": reference.get(event.get("country")), "_ordering_us": ordering}
