"""What a table can't store inside a column."""

import pyarrow as pa

from streamjoin.schema.ddl import TIMESTAMP
from streamjoin.schema.names import nested_problems


def test_a_time_without_zone_is_refused_at_any_depth() -> None:
    # An expression can give one (`cast(at as timestamp_ntz)`); Hudi's writer fails on it.
    plain = pa.timestamp("us")
    nested = pa.struct([pa.field("a", pa.list_(plain))])
    assert list(nested_problems(pa.field("x", TIMESTAMP))) == []
    assert list(nested_problems(pa.field("x", plain))) == ["Hudi can't store 'x', a time without zone (timestamp_ntz)"]
    assert list(nested_problems(pa.field("x", nested))) == [
        "Hudi can't store 'x.a[]', a time without zone (timestamp_ntz)"
    ]


def test_an_array_of_structs_called_list_is_refused_at_any_depth_if_files_are_read_as_avro() -> None:
    structs = pa.list_(pa.struct([("zip", pa.string())]))
    inside = pa.map_(pa.string(), pa.struct([("list", structs)]))
    assert [
        len(list(nested_problems(pa.field(*f), read_as_avro=True))) for f in (("list", structs), ("x", inside))
    ] == [1, 1]
    fine = [("list", pa.list_(pa.string())), ("lists", structs), ("list", pa.struct([("a", structs)]))]
    assert [p for f in fine for p in nested_problems(pa.field(*f), read_as_avro=True)] == []
    assert list(nested_problems(pa.field("list", structs))) == []
