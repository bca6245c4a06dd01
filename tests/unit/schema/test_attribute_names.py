"""Columns of a catalog's table, found among attributes that are written in another way."""

from typing import Any

import pytest

from streamjoin.records.decoder import PayloadDecoder
from streamjoin.schema.columns import schema_from_glue

OPENX = "org.openx.data.jsonserde.JsonSerDe"


class GlueClient:
    def __init__(self, columns: dict[str, str], serde: dict[str, Any] | None) -> None:
        names = [{"Name": name, "Type": kind} for name, kind in columns.items()]
        self._storage = {"Columns": names} | ({} if serde is None else {"SerdeInfo": serde})

    def get_table(self, **_: Any) -> Any:
        return {"Table": {"StorageDescriptor": self._storage}}


def decode(columns: dict[str, str], payload: str, serde: dict[str, Any] | None = None) -> Any:
    schema = schema_from_glue(GlueClient(columns, serde), "d", "t")
    return PayloadDecoder(schema)(payload.encode())


def openx(**parameters: str) -> dict[str, Any]:
    return {"SerializationLibrary": OPENX, "Parameters": parameters}


ORDERS = {"orderid": "string", "customername": "string", "amount": "int"}


@pytest.mark.parametrize(
    "serde",
    [
        None,
        {"SerializationLibrary": "org.apache.hive.hcatalog.data.JsonSerDe"},
        openx(),
        openx(paths="amount,customerName,orderId"),
        openx(**{"case.insensitive": "TRUE"}),
    ],
)
def test_case_does_not_count_in_a_table_of_the_catalog(serde: dict[str, Any] | None) -> None:
    assert decode(ORDERS, '{"orderId":"1","customerName":"Ann","amount":5}', serde) == ["1", "Ann", 5]


def test_an_attribute_of_the_exact_name_wins_in_any_order_also_as_null() -> None:
    for payload in ('{"orderId":"x","orderid":"1","ORDERID":"y"}', '{"orderid":"1","orderId":"x"}'):
        assert decode({"orderid": "string"}, payload) == ["1"]
    assert decode({"orderid": "string"}, '{"orderid":null,"orderId":"x"}') == [None]
    # Of several that differ by case alone that which the table's paths name, else the last.
    both = '{"orderId":"1","ORDERID":"2"}'
    assert decode({"orderid": "string"}, both) == ["2"]
    assert decode({"orderid": "string"}, both, openx(paths="orderId")) == ["1"]


def test_mappings_hold_and_what_is_not_there_is_looked_for_by_the_columns_name() -> None:
    serde = openx(**{"mapping.ts": "timestamp", "mapping.userid": "User-Id"})
    columns = {"ts": "string", "userid": "string"}
    assert decode(columns, '{"timestamp":"1","ts":"x","User-Id":"u","userid":"x"}', serde) == ["1", "u"]
    assert decode(columns, '{"Timestamp":"1","user-id":"u"}', serde) == ["1", "u"]
    assert decode(columns, '{"TS":"1"}', serde) == ["1", None]


def test_nested_fields_are_found_in_the_same_way() -> None:
    kind = "struct<unitprice:double,tags:array<struct<tagid:int>>,by:map<string,struct<itemid:int>>>"
    payload = '{"orderItem":{"unitPrice":1.5,"Tags":[{"tagId":1},{"tagid":2,"tagId":3}],"by":{"K":{"ItemID":4}}}}'
    assert decode({"orderitem": kind}, payload) == [
        {"unitprice": 1.5, "tags": [{"tagid": 1}, {"tagid": 2}], "by": [("K", {"itemid": 4})]}
    ]


def test_case_counts_if_the_table_says_so() -> None:
    serde = openx(**{"case.insensitive": "false", "mapping.orderid": "orderId"})
    assert decode(ORDERS, '{"orderId":"1","customerName":"Ann","amount":5}', serde) == ["1", None, 5]


def test_a_wrong_value_of_another_case_is_rejected_by_its_columns_name() -> None:
    assert decode(ORDERS, '{"Amount":"x"}').detail == "column 'amount': expected int, found a string"
