"""Items whose partition is promised never to change."""

from streamjoin.records.values import Rejected
from tests.unit.capture.changes.test_change_rows import by, current, made


def test_a_removal_says_its_partition_if_that_is_what_its_row_is_found_by() -> None:
    by_country = by("country", name="c")
    for old, has_row in (({"PK": "a", "country": "DE"}, True), ({"PK": "a"}, False)):
        assert isinstance(made(current(**by_country), "REMOVE", old=old), dict)
        found = made(current(**by_country, is_fixed=True), "REMOVE", old=old)
        assert isinstance(found, dict if has_row else Rejected)
