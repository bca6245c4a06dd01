"""Schemas of any shape that a configuration can declare, for Hypothesis."""

import pyarrow as pa
from hypothesis import strategies as st

from streamjoin.schema.ddl import TIMESTAMP

SIMPLE = [
    *(pa.string(), pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64()),
    *(pa.float32(), pa.float64(), pa.date32(), TIMESTAMP, pa.binary()),
]
DECIMALS = st.integers(1, 38).flatmap(lambda p: st.builds(pa.decimal128, st.just(p), st.integers(0, p)))
PLAIN_NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)
ANY_NAMES = PLAIN_NAMES | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


def schemas(names: st.SearchStrategy[str]) -> st.SearchStrategy[pa.Schema]:
    return _fields(_types(names), names).map(pa.schema)


def _types(names: st.SearchStrategy[str]) -> st.SearchStrategy[pa.DataType]:
    return st.recursive(
        st.sampled_from(SIMPLE) | DECIMALS,
        lambda inner: (
            inner.map(pa.list_)
            | inner.map(lambda value: pa.map_(pa.string(), value))
            | _fields(inner, names).map(pa.struct)
        ),
        max_leaves=6,
    )


def _fields(types: st.SearchStrategy[pa.DataType], names: st.SearchStrategy[str]) -> st.SearchStrategy[list[pa.Field]]:
    fields = st.builds(pa.field, names, types)
    return st.lists(fields, min_size=1, max_size=4, unique_by=lambda field: field.name.lower())
