"""Which attributes of objects no column is called like."""

from streamjoin.records.decoder import PayloadDecoder, PayloadFormat
from streamjoin.schema.ddl import parse_schema


def test_unknown_attributes_of_the_first_objects_are_noted_until_they_are_taken() -> None:
    decoder = PayloadDecoder(parse_schema("orderid string, n int"))
    decoder(b'{"orderId":"1","n":2}')
    decoder(b"{")
    decoder(b'{"n":"wrong","other":1}')
    assert decoder.take_unknown() == {"orderId", "other"}
    assert decoder.take_unknown() == set()
    for _ in range(100):
        decoder(b"{}")
    decoder(b'{"late":1}')
    assert decoder.take_unknown() == set()
    decoder(b'{"late":1}')
    assert decoder.take_unknown() == {"late"}
    assert PayloadDecoder(parse_schema("a string"), PayloadFormat("csv")).take_unknown() == set()
