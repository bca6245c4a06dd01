"""Columns that stay empty, and attributes that differ from their names by case alone."""

import json

import pyarrow as pa

from streamjoin.records.case_twins import columns_in
from streamjoin.records.decode import decode_batch
from streamjoin.records.decoder import PayloadDecoder, PayloadFormat
from streamjoin.schema.attribute_names import AttributeNames
from streamjoin.schema.ddl import parse_schema


def test_attributes_that_differ_by_case_alone_are_noted_of_all_objects_until_they_are_taken() -> None:
    decoder = PayloadDecoder(parse_schema("orderid string, n int"))
    decoder(b'{"orderId":"1","n":2}')
    decoder(b"{")
    decoder(b'{"N":"wrong","other":1}')
    assert decoder.take_case_twins() == {"orderid": "orderId", "n": "N"}
    assert decoder.take_case_twins() == {}
    for number in range(5_000):
        decoder(b'{"n":%d}' % number)
    decoder(b'{"ORDERID":"late"}')
    assert decoder.take_case_twins() == {"orderid": "ORDERID"}
    assert PayloadDecoder(parse_schema("a string"), PayloadFormat("csv")).take_case_twins() == {}


def test_attributes_within_structs_are_named_with_their_path() -> None:
    schema = parse_schema(
        "address struct<zip: string, at: struct<lat: double>>, items array<struct<sku: string, tags: array<string>>>, "
        "prices map<string, struct<amount: double>>, note string"
    )
    decoder = PayloadDecoder(schema)
    event = {
        "address": {"Zip": "1", "at": {"LAT": 1.5}},
        "items": [{"sku": "a"}, {"SKU": "b", "Tags": []}],
        "prices": {"eur": {"Amount": 1.0}},
        "note": {"Note": 1},
    }
    decoder(json.dumps(event).encode())
    assert decoder.take_case_twins() == {
        "address.zip": "address.Zip",
        "address.at.lat": "address.at.LAT",
        "items[].sku": "items[].SKU",
        "items[].tags": "items[].Tags",
        "prices{}.amount": "prices{}.Amount",
    }
    batch = pa.RecordBatch.from_pydict({"data": [json.dumps(event).encode(), b"{}"]})
    (decoded,) = decode_batch(batch, decoder, schema)
    assert dict(columns_in(decoded.column("_event"))) == {
        "address": False,
        "address.zip": True,
        "address.at": False,
        "address.at.lat": True,
        "items": False,
        "items[].sku": False,
        "items[].tags": True,
        "prices": False,
        "prices{}.amount": True,
        "note": False,
    }


def test_what_is_within_an_empty_column_is_not_asked() -> None:
    schema = parse_schema("address struct<zip: string>, items array<struct<sku: string>>")
    (decoded,) = decode_batch(
        pa.RecordBatch.from_pydict({"data": [b'{"items":[]}', b'{"items":null}']}), PayloadDecoder(schema), schema
    )
    assert dict(columns_in(decoded.column("_event"))) == {"address": True, "items": False, "items[].sku": True}


def test_a_catalog_s_columns_take_attributes_of_any_case() -> None:
    schema = AttributeNames().with_columns(parse_schema("orderid string"))
    decoder = PayloadDecoder(schema)
    assert decoder(b'{"orderId":"1"}') == ["1"]
