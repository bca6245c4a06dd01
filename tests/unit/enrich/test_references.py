"""Which mode a reference is read in, and which references share a table."""

from typing import Any

import pytest

from streamjoin.config.stages import ReferenceSettings
from streamjoin.enrich import assembly
from streamjoin.enrich.assembly import references_of
from streamjoin.reference.followed.reference import Reference
from streamjoin.reference.lookup.reference import LookupReference
from streamjoin.reference.table import describe
from tests.faults.reference import FakeDynamoDb, FakeSpark, settings


class LargeTable(FakeDynamoDb):
    """A table that says it has so many items; its primary key is `code`."""

    def __init__(self, items: int) -> None:
        super().__init__([])
        self.count = items

    def describe_table(self, **request: Any) -> dict[str, Any]:
        found = super().describe_table(**request)
        return {"Table": {**found["Table"], "ItemCount": self.count}}


def made(monkeypatch: pytest.MonkeyPatch, items: int, *configured: ReferenceSettings) -> list[Any]:
    monkeypatch.setattr(assembly, "aws_client", lambda *_: LargeTable(items))
    return list(references_of(configured, FakeSpark()))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("items", "on", "more", "kind"),
    [
        (1_000_001, {"country": "code"}, {}, LookupReference),
        (1_000_000, {"country": "code"}, {}, Reference),
        # No key of the table.
        (1_000_001, {"country": "countryname"}, {}, Reference),
        # Nothing would tell which items changed.
        (1_000_001, {"country": "code"}, {"on_change": "rewrite_rows"}, Reference),
    ],
)
def test_auto_takes_lookup_for_a_large_table_whose_key_is_joined(
    monkeypatch: pytest.MonkeyPatch, items: int, on: dict[str, str], more: dict[str, str], kind: type
) -> None:
    (found,) = made(monkeypatch, items, settings(mode="auto", on=on, columns=["combinedname"], **more))
    assert isinstance(found, kind)


def test_references_share_a_table_whatever_staleness_each_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    def one(name: str, **refresh: Any) -> ReferenceSettings:
        return settings(name=name, refresh={"follow": "scan", "interval_seconds": 60, **refresh})

    first, second, third = made(
        monkeypatch,
        4,
        one("a", max_staleness_seconds=100),
        one("b", max_staleness_seconds=200),
        one("c", interval_seconds=5),
    )
    assert first._feed is second._feed
    assert third._feed is not first._feed


def test_a_table_that_was_described_already_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = settings(mode="auto", on={"country": "code"}, columns=["combinedname"])
    described = describe(LargeTable(1_000_001), chosen.dynamodb.table_name)
    monkeypatch.setattr(assembly, "aws_client", lambda *_: LargeTable(0))
    (found,) = references_of([chosen], FakeSpark(), {chosen.name: described})  # type: ignore[arg-type]
    assert isinstance(found, LookupReference)
