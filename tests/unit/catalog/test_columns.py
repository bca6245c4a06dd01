import json

import pyarrow as pa

from streamjoin.catalog.columns import Column, as_keys, columns_of, spark_properties
from tests.lake_tables import avro

NESTED = avro(
    id="string",
    at=["null", {"type": "long", "logicalType": "timestamp-micros"}],
    day=["null", {"type": "int", "logicalType": "date"}],
    price=["null", {"type": "fixed", "name": "f", "size": 5, "logicalType": "decimal", "precision": 10, "scale": 2}],
    Tags=["null", {"type": "array", "items": ["null", "string"]}],
    counts=["null", {"type": "map", "values": ["null", "long"]}],
    place=[
        "null",
        {
            "type": "record",
            "name": "place",
            "fields": [
                {"name": "City", "type": ["null", "string"]},
                {"name": "lines", "type": ["null", {"type": "array", "items": "int"}]},
            ],
        },
    ],
    raw=["null", "bytes"],
    ratio=["null", "double"],
    flag=["null", "boolean"],
)


def test_types_are_those_of_hive_nested_ones_too():
    found = {column.key: column.type_text for column in columns_of(NESTED)}
    assert list(found)[:5] == [
        *("_hoodie_commit_time", "_hoodie_commit_seqno", "_hoodie_record_key"),
        *("_hoodie_partition_path", "_hoodie_file_name"),
    ]
    assert {name: text for name, text in found.items() if not name.startswith("_hoodie")} == {
        "id": "string",
        "at": "timestamp",
        "day": "date",
        "price": "decimal(10,2)",
        "tags": "array<string>",
        "counts": "map<string,bigint>",
        "place": "struct<city:string,lines:array<int>>",
        "raw": "binary",
        "ratio": "double",
        "flag": "boolean",
    }


def test_columns_of_hudi_are_there_once():
    assert columns_of(avro(_hoodie_commit_time="string", id="string")) == columns_of(avro(id="string"))


def test_what_avro_says_of_a_column_is_its_comment():
    schema = json.loads(avro(id="string", _order="string"))
    schema["fields"][0]["doc"] = "What it is known by."
    found = {column.name: column.comment for column in columns_of(json.dumps(schema))}
    assert found["id"] == "What it is known by."
    assert found["_order"].startswith("Its order is")


def test_spark_is_told_the_columns_in_parts_with_their_own_names():
    columns = [*columns_of(NESTED), *(Column(f"column_{i}", pa.int64()) for i in range(200))]
    found = spark_properties(columns, [Column("dt", pa.string())])
    parts = [
        found[f"spark.sql.sources.schema.part.{i}"] for i in range(int(found["spark.sql.sources.schema.numParts"]))
    ]
    assert max(map(len, parts)) <= 4000 < sum(map(len, parts))
    schema = json.loads("".join(parts))
    by_name = {field["name"]: field["type"] for field in schema["fields"]}
    assert list(by_name)[-1] == "dt"
    assert by_name["Tags"] == {"type": "array", "elementType": "string", "containsNull": True}
    assert by_name["counts"]["valueType"] == "long"
    assert [field["name"] for field in by_name["place"]["fields"]] == ["City", "lines"]
    assert (by_name["price"], by_name["at"], by_name["column_7"]) == ("decimal(10,2)", "timestamp", "long")


def test_partitions_whose_text_is_no_value_of_their_type_are_text():
    types = [pa.string(), pa.int32(), pa.date32(), pa.float64(), pa.timestamp("us", tz="UTC"), pa.decimal128(5, 2)]
    found = as_keys([Column(str(index), each) for index, each in enumerate(types)])
    assert [each.type_text for each in found] == ["string", "int", "date", "string", "string", "string"]
