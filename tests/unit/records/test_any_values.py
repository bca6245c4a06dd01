"""Records of random schemas with values of every type at every depth: exact rows, or one dead letter each."""

from random import Random

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from streamjoin.records.decode import decode_batch
from streamjoin.records.decoder import PayloadDecoder, PayloadFormat
from tests.any_values import Draw, any_records, sorted_rows


@settings(max_examples=50)
@given(st.integers(0, 2**32))
def test_whatever_values_a_record_has_its_row_has_exactly_these_or_it_is_rejected(seed: int) -> None:
    draw = Draw(Random(seed))
    schema = draw.schema(draw.random.randrange(1, 25))
    payloads, rows = any_records(draw, schema, 20)
    batch = pa.RecordBatch.from_arrays([pa.array(payloads, pa.binary())], names=["data"])
    out = pa.Table.from_batches(decode_batch(batch, PayloadDecoder(schema, PayloadFormat()), schema))
    out.validate(full=True)
    reasons = out.column("_reason").to_pylist()
    events = pa.Table.from_batches([pa.RecordBatch.from_struct_array(each) for each in out.column("_event").chunks])
    kept = events.filter(pa.array([reason is None for reason in reasons]))
    assert sorted_rows(kept, schema) == rows
    assert {reason for reason in reasons if reason is not None} <= {"WRONG_TYPE"}
    assert len(reasons) == len(payloads)
