"""Hypothesis strategies of DynamoDB items: every type, nested, with names that look like types."""

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_NAMES = st.one_of(st.sampled_from(["S", "N", "B", "M", "L", "SS", "NS", "BS", "a", "b"]), _TEXT)

NUMBERS = st.one_of(
    st.integers(-(10**38) + 1, 10**38 - 1).map(str),
    st.integers(0, 10**6).map(lambda cents: f"{cents // 100}.{cents % 100:02d}"),
    st.builds(
        lambda sign, digits, exponent: str(Decimal((sign, tuple(map(int, str(digits))), exponent))),
        st.integers(0, 1),
        st.integers(0, 10**38 - 1),
        st.integers(-130, 88),
    ),
    st.sampled_from(["0", "-0", "0.0", "1E-130", "9.9E+125", "1.10"]),
)
SCALARS = st.one_of(
    st.fixed_dictionaries({"S": _TEXT}),
    st.fixed_dictionaries({"N": NUMBERS}),
    st.fixed_dictionaries({"B": st.binary(max_size=8)}),
    st.fixed_dictionaries({"BOOL": st.booleans()}),
    st.just({"NULL": True}),
    st.fixed_dictionaries({"SS": st.lists(_TEXT, min_size=1, max_size=4, unique=True)}),
    st.fixed_dictionaries({"NS": st.lists(NUMBERS, min_size=1, max_size=4, unique_by=Decimal)}),
    st.fixed_dictionaries({"BS": st.lists(st.binary(max_size=4), min_size=1, max_size=4, unique=True)}),
)
VALUES: st.SearchStrategy[dict[str, Any]] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.fixed_dictionaries({"L": st.lists(inner, max_size=3)}),
        st.fixed_dictionaries({"M": st.dictionaries(_NAMES, inner, max_size=3)}),
    ),
    max_leaves=8,
)
ITEMS: st.SearchStrategy[dict[str, Any]] = st.dictionaries(_NAMES, VALUES, max_size=5)


def unordered(value: dict[str, Any]) -> Any:
    """Return a value as one that equals every other that the service takes for it; numbers count by their text."""
    ((kind, content),) = value.items()
    if kind in ("SS", "NS", "BS"):
        return kind, frozenset(content)
    if kind == "L":
        return kind, tuple(map(unordered, content))
    if kind == "M":
        return kind, frozenset((name, unordered(each)) for name, each in content.items())
    return kind, content
