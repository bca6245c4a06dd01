import pytest
from chispa import assert_df_equality
from pyspark.sql import SparkSession

from streamjoin.enrich.join import enrich
from streamjoin.errors import SchemaError
from streamjoin.records.decode import decode


def test_every_event_comes_out_once_and_unmatched_ones_have_nulls(spark: SparkSession) -> None:
    events = spark.createDataFrame([("a", "India"), ("b", "Atlantis"), ("c", None)], "id string, country string")
    reference = spark.createDataFrame([("India", "IN-India")], "countryname string, combinedname string")
    enriched = enrich(events, reference, on={"country": "countryname"}, columns=["combinedname"], name="country")
    expected = spark.createDataFrame(
        [("a", "India", "IN-India"), ("b", "Atlantis", None), ("c", None, None)],
        "id string, country string, combinedname string",
    )
    assert_df_equality(enriched.kept, expected, ignore_row_order=True, ignore_nullable=True)
    assert enriched.rejected.count() == 0


def test_an_inner_join_rejects_what_has_no_match_and_says_so(spark: SparkSession) -> None:
    records = spark.createDataFrame([(bytearray(b'{"id": "a"}'),), (bytearray(b"{"),)], "data binary")
    reference = spark.createDataFrame([], "k string, v string")
    enriched = enrich(decode(records, "id string"), reference, on={"id": "k"}, columns=["v"], how="inner", name="r")
    found = {(bytes(r["data"]), r["reason"], r["detail"]) for r in enriched.rejected.collect()}
    assert (b'{"id": "a"}', "UNMATCHED_REFERENCE", "no row of reference 'r' for id") in found
    assert {reason for _, reason, _ in found} == {"UNMATCHED_REFERENCE", "MALFORMED_JSON"}


def test_a_composite_key_matches_only_when_all_its_parts_do(spark: SparkSession) -> None:
    events = spark.createDataFrame([("a", 1), ("a", 2), ("b", 1)], "x string, y int")
    reference = spark.createDataFrame([("a", 1, "hit")], "k1 string, k2 bigint, v string")
    enriched = enrich(events, reference, on={"x": "k1", "y": "k2"}, columns=["v"])
    assert {(r.x, r.y, r.v) for r in enriched.kept.collect()} == {("a", 1, "hit"), ("a", 2, None), ("b", 1, None)}


def test_text_and_whole_numbers_are_compared_by_the_numbers_own_form(spark: SparkSession) -> None:
    reference = spark.createDataFrame([(7, "seven")], "k bigint, v string")
    events = spark.createDataFrame([("7",), ("07",), ("x",)], "x string")
    found = {r.x: r.v for r in enrich(events, reference, on={"x": "k"}, columns=["v"]).kept.collect()}
    assert found == {"7": "seven", "07": None, "x": None}
    reference = spark.createDataFrame([("7", "seven"), ("08", "eight")], "k string, v string")
    events = spark.createDataFrame([(7,), (8,)], "x int")
    found = {r.x: r.v for r in enrich(events, reference, on={"x": "k"}, columns=["v"]).kept.collect()}
    assert found == {7: "seven", 8: None}


def test_keys_that_can_not_be_compared_exactly_are_refused(spark: SparkSession) -> None:
    events = spark.createDataFrame([("7",)], "x string")
    reference = spark.createDataFrame([], "k decimal(38,2), v string")
    with pytest.raises(SchemaError, match=r"string can't be compared with the reference's decimal\(38,2\)"):
        enrich(events, reference, on={"x": "k"}, columns=["v"])


def test_the_same_table_can_be_joined_twice_under_other_names(spark: SparkSession) -> None:
    events = spark.createDataFrame([("EWR", "LAX")], "origin string, dest string")
    airports = spark.createDataFrame([("EWR", "Newark"), ("LAX", "Los Angeles")], "faa string, name string")
    once = enrich(events, airports.withColumnRenamed("name", "from"), on={"origin": "faa"}, columns=["from"], name="o")
    twice = enrich(once, airports.withColumnRenamed("name", "to"), on={"dest": "faa"}, columns=["to"], name="d")
    assert [tuple(r) for r in twice.kept.collect()] == [("EWR", "LAX", "Newark", "Los Angeles")]
