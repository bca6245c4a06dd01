import pyarrow as pa
import pytest

from streamjoin.enrich.config.columns import check_columns
from streamjoin.errors import ConfigError

PLANE = {"name": "plane", "dynamodb": {"table_name": "planes"}, "on": {"code": "id"}, "columns": {"name": "plane_name"}}


def only(lines: list[str], start: str) -> str:
    (line,) = lines
    assert line.startswith(start), line
    return line


def test_a_join_needs_a_column_of_the_event(problems):
    line = only(problems({"references[0].on": {"contry": "countryname"}}), "references[0].on.contry: no such column")
    assert "did you mean 'country'? allowed: uuid, country, orderdate, unitssold, tags" in line


def test_a_join_may_use_what_an_earlier_reference_gives(problems):
    assert problems({"references": [_country(), PLANE]}) == []


def test_a_join_may_not_use_what_a_later_reference_gives(problems):
    line = only(problems({"references": [PLANE, _country()]}), "references[0].on.code: no such column")
    assert "references[1] gives it, which is joined no earlier" in line


def test_a_join_may_not_use_a_derived_column(problems):
    changes = {"references[0].on": {"up": "countryname"}, "output.derive": {"up": "upper(country)"}}
    assert "output.derive runs after the joins" in only(problems(changes), "references[0].on.up: ")


def test_a_join_needs_a_simple_type(problems):
    only(problems({"references[0].on": {"tags": "x"}}), "references[0].on.tags: found a column of type array<string>")


def test_attributes_are_checked_against_the_references_own_schema(problems):
    lines = problems({"references[0].schema": "countryname string, code string"})
    assert "attribute 'combinedname' is not in references[0].schema" in only(lines, "references[0].columns: ")
    lines = problems({"references[0].schema": "country string, code string, combinedname string"})
    only(lines, "references[0].on: attribute 'countryname' is not in references[0].schema; did you mean 'country'?")
    assert problems({"references[0].schema": "countryname string, code string, combinedname string"}) == []


@pytest.mark.parametrize("name", ["orderdate", "OrderDate"])
def test_a_reference_can_not_overwrite_a_column_of_the_event(problems, name):
    line = only(problems({"references[0].columns": {"date": name}}), "references[0].columns.date: ")
    assert "'orderdate' is one of the payload already (payload.schema)" in line
    assert f"give it another name: {{date: country_{name}}}" in line


def test_two_references_can_not_give_one_column(problems):
    other = PLANE | {"columns": ["code"]}
    line = only(problems({"references": [_country(), other]}), "references[1].columns.code: ")
    assert "'code' is one of reference 'country' already (references[0].columns.code)" in line


def test_one_table_may_be_joined_twice_under_other_names(problems):
    again = _country() | {"name": "again", "columns": {"code": "code2", "combinedname": "name2"}}
    assert problems({"references": [_country(), again]}) == []


@pytest.mark.parametrize("name", ["_hoodie_commit_time", "_HOODIE_x", "_ordering_us", "_record", "_reference_x"])
def test_reserved_names_are_refused_everywhere(problems, name):
    for changes, key in (
        ({"payload.schema": f"uuid string, country string, {name} string"}, "payload.schema"),
        ({"references[0].columns": {"code": name}}, "references[0].columns.code"),
        ({"output.derive": {name: "1"}}, f"output.derive.{name}"),
        ({"sink.hudi.partition_by": [{"name": name, "from": "orderdate"}]}, "sink.hudi.partition_by[0].name"),
    ):
        lines = problems(changes)
        assert any(line.startswith(f"{key}: ") and f"'{name}' is reserved" in line for line in lines), lines


def test_drop_and_select_exclude_each_other(problems):
    only(problems({"output.select": ["uuid"]}), "output: found both drop and select")
    assert problems({"output": {"drop": [], "select": ["uuid"]}}) == []


@pytest.mark.parametrize("key", ["drop", "select"])
def test_drop_and_select_name_columns_that_exist(problems, key):
    lines = problems({"output": {key: ["uuid", "cod"]}})
    assert f"output.{key}[1]: found 'cod': no such column; did you mean 'code'? allowed: " in lines[0]


def test_what_is_derived_may_be_dropped_or_replace_a_column(problems):
    derive = {"total": "unitssold * 2", "orderdate": "trim(orderdate)"}
    assert problems({"output": {"derive": derive, "drop": ["total"]}}) == []


@pytest.mark.parametrize("expression", ["", "  ", None])
def test_an_expression_is_not_empty(problems, expression):
    only(problems({"output.derive": {"x": expression}}), "output.derive.x: found")


@pytest.mark.parametrize("derive", [{"UUID": "1"}, {"x": "1", "X": "2"}])
def test_derived_columns_differ_by_more_than_case(problems, derive):
    assert "in case only; use another name" in only(problems({"output.derive": derive}), "output.derive.")


@pytest.mark.parametrize(
    ("output", "key", "reason"),
    [
        ({}, "uid", "found 'uid': no such column; did you mean 'uuid'?"),
        ({}, "UUID", "found 'UUID': no such column; did you mean 'uuid'?"),
        ({"drop": ["uuid"]}, "uuid", "found 'uuid', which output.drop leaves out"),
        ({"select": ["code"]}, "uuid", "found 'uuid', which output.select leaves out"),
        ({}, "tags", "found a column of type array<string>; allowed: a column of a simple type"),
    ],
)
def test_the_record_key_is_a_column_of_the_output(problems, output, key, reason):
    lines = problems({"output": output, "sink.hudi.record_key": [key]})
    assert reason in only(lines, "sink.hudi.record_key[0]: ")


@pytest.mark.parametrize("key", [["code"], ["k"], ["uuid", "orderdate"]])
def test_the_record_key_may_be_joined_derived_or_composite(problems, key):
    assert problems({"output": {"derive": {"k": "uuid"}}, "sink.hudi.record_key": key}) == []


@pytest.mark.parametrize("column", ["orderdate", "unitssold", "code", "d"])
def test_the_ordering_column_may_be_left_out_of_the_output(problems, column):
    output = {"derive": {"d": "1"}, "drop": [column]}
    assert problems({"output": output, "sink.hudi.ordering": {"column": column}}) == []


@pytest.mark.parametrize(
    ("ordering", "problem"),
    [
        ({"column": "orderdat"}, "sink.hudi.ordering.column: found 'orderdat': no such column; did you mean 'orderd"),
        ({"column": "unitssold", "format": "yyyy"}, "sink.hudi.ordering.format: column 'unitssold' is of type int;"),
        ({"column": "tags"}, "sink.hudi.ordering.column: found a column of type array<string>; allowed: an int"),
        ({"column": "orderdate", "format": "yyyy-mm-dd"}, "sink.hudi.ordering.format: found 'yyyy-mm-dd'; 'mm' is"),
    ],
)
def test_the_ordering_column_can_be_ordered_by(problems, ordering, problem):
    only(problems({"sink.hudi.ordering": ordering}), problem)


def test_a_format_fits_a_text_column_and_one_of_unknown_type(problems):
    for column in ("orderdate", "code"):
        assert problems({"sink.hudi.ordering": {"column": column, "format": "M/d/yy"}}) == []
    lines = problems({"sink.hudi.ordering": {"column": "code", "format": "M/d/yy"}, **_typed("code date")})
    only(lines, "sink.hudi.ordering.format: column 'code' is of type date")


@pytest.mark.parametrize(
    ("partitions", "problem"),
    [
        ([{"name": "dt", "from": "nope"}], "sink.hudi.partition_by[0].from: found 'nope': no such column"),
        (["nope"], "sink.hudi.partition_by[0].name: found 'nope': no such column"),
        (["country"], "sink.hudi.partition_by[0].name: found 'country', which output.drop leaves out"),
        (["code", "code"], "sink.hudi.partition_by[1].name: found 'code', which is also the name of sink.hudi.part"),
        ([{"name": "code", "format": "yyyy"}], "sink.hudi.partition_by[0].format: found without from"),
        ([{"name": "code", "from": "uuid"}], "sink.hudi.partition_by[0].name: 'code' is a column of reference 'cou"),
        (
            [{"name": "x", "from": "tags", "format": "yyyy"}],
            "sink.hudi.partition_by[0].format: column 'tags' is of type",
        ),
        (
            [{"name": "Code", "from": "uuid"}],
            "sink.hudi.partition_by[0].name: 'code' is a column of reference 'country'",
        ),
        ([{"name": "dt", "from": "uuid", "format": "yyyymmdd"}], "sink.hudi.partition_by[0].format: found 'yyyymmdd'"),
    ],
)
def test_partitions_are_made_of_columns(problems, partitions, problem):
    only(problems({"sink.hudi.partition_by": partitions}), problem)


def test_a_partition_may_be_made_from_a_column_that_is_dropped(problems):
    partitions = ["code", {"name": "dt", "from": "country", "format": "yyyyMMdd", "zone": "Europe/Berlin"}]
    assert problems({"sink.hudi.partition_by": partitions}) == []


def test_a_partition_may_replace_its_own_source(problems):
    assert problems({"sink.hudi.partition_by": [{"name": "orderdate", "from": "orderdate", "format": "yyyy"}]}) == []


@pytest.mark.parametrize("kind", ["double", "decimal(5,2)", "boolean", "binary"])
def test_what_has_no_exact_order_as_an_integer_is_refused(problems, kind):
    changes = {"payload.schema": f"uuid string, country string, x {kind}", "sink.hudi.ordering": {"column": "x"}}
    assert f"found a column of type {kind}; allowed: an integer" in only(problems(changes), "sink.hudi.ordering.col")


def test_a_name_that_hudi_can_not_store_is_refused_unless_it_is_dropped(problems):
    schema = "uuid string, country string, `order-id` string"
    line = only(problems({"payload.schema": schema}), "payload.schema: Hudi can't store a column named 'order-id'")
    assert "by output.derive" in line
    assert problems({"payload.schema": schema, "output": {"drop": ["order-id"]}}) == []


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("struct<`detail-type`:string>", "Hudi can't store a field named 'detail-type' in 'x'"),
        ("array<map<string,struct<a:struct<`1Min`:int>>>>", "Hudi can't store a field named '1Min' in 'x[]{}.a'"),
        (pa.list_(pa.struct([("a", pa.int8()), ("A", pa.int8())])), "'x[]' has the fields 'a' and 'A' (upper and "),
        (pa.map_(pa.string(), pa.struct([])), "Hudi can't store 'x{}', a struct without fields"),
    ],
)
def test_names_inside_a_column_that_hudi_can_not_store_are_refused(problems, kind, problem):
    own = [("uuid", pa.string()), ("country", pa.string())]
    schema = f"uuid string, country string, x {kind}" if isinstance(kind, str) else pa.schema([*own, ("x", kind)])
    line = only(problems({"payload.schema": schema}), f"payload.schema: {problem}")
    assert line.endswith("drop the column, or declare 'x' as string, its JSON text")
    assert problems({"payload.schema": schema, "output": {"drop": ["x"]}}) == []


def test_names_inside_what_a_reference_gives_are_checked_too(problems):
    changes = {"references": [_country()], **_typed("code array<struct<`a b`:int>>")}
    only(problems(changes), "references[0].columns.code: Hudi can't store a field named 'a b' in 'code[]'")


@pytest.mark.parametrize("kind", [pa.struct([("a.b", pa.string())]), pa.list_(pa.struct([("a.b", pa.string())]))])
def test_names_inside_columns_of_a_catalog_are_checked_when_they_are_known(config, kind):
    found = config({"payload.schema": {"glue_catalog": {"database": "d", "table": "t"}}})
    schema = pa.schema([("uuid", pa.string()), ("country", pa.string()), ("x", kind)])
    with pytest.raises(ConfigError, match=r"payload.schema: Hudi can't store a field named 'a\.b' in 'x"):
        check_columns(found, schema)


def _country() -> dict[str, object]:
    on = {"country": "countryname"}
    return {"name": "country", "dynamodb": {"table_name": "ccc"}, "on": on, "columns": ["code", "combinedname"]}


def _typed(code: str) -> dict[str, object]:
    return {"references[0].schema": f"countryname string, {code}, combinedname string"}


def test_names_inside_a_column_that_differ_are_no_twins_however_long(problems):
    assert problems({"payload.schema": "uuid string, country string, x struct<op: string, other_name: string>"}) == []
