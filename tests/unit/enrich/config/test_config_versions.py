import pytest

from streamjoin.enrich.config.columns import check_columns
from streamjoin.enrich.config.versions import version_columns
from streamjoin.errors import ConfigError
from streamjoin.schema.ddl import parse_schema

GLUE = {"glue_catalog": {"database": "d", "table": "t"}}


def reference(name: str, columns: dict[str, str]) -> dict[str, object]:
    return {"name": name, "dynamodb": {"table_name": "ttt"}, "on": {"country": "c"}, "columns": columns}


TWO = [reference("a", {"x": "ax"}), reference("b", {"x": "bx"})]


def test_a_bare_name_is_that_of_the_only_reference(config):
    assert version_columns(config({"output.reference_version": "country_version"})) == {"country": "country_version"}


def test_a_mapping_may_name_some_of_several_references(config):
    found = config({"references": TWO, "output.reference_version": {"b": "b_version"}})
    assert version_columns(found) == {"b": "b_version"}
    found = config({"references": TWO, "output.reference_version": {"b": "vb", "a": "va"}})
    assert list(version_columns(found).items()) == [("a", "va"), ("b", "vb")]


def test_rows_have_no_version_unless_they_are_asked_for(config):
    assert version_columns(config({})) == {}


def test_a_bare_name_with_several_references_is_refused(problems):
    (line,) = problems({"references": TWO, "output.reference_version": "version"})
    assert line == (
        "output.reference_version: found 'version', but there are 2 references; give the mapping {reference: column}, "
        "such as {a: version_a, b: version_b}"
    )


@pytest.mark.parametrize(
    ("version", "key"), [("version", "output.reference_version"), ({"a": "v"}, "output.reference_version.a")]
)
def test_a_version_of_no_reference_is_refused(problems, version, key):
    (line,) = problems({"references": [], "output": {"reference_version": version}})
    assert line.startswith(f"{key}: ")
    assert line.endswith("there are no references; leave it out")


def test_a_version_of_an_unknown_reference_is_refused(problems):
    (line,) = problems({"output.reference_version": {"contry": "version"}})
    assert line == "output.reference_version.contry: no such reference; did you mean 'country'? allowed: country"


@pytest.mark.parametrize(
    ("name", "origin"),
    [
        ("uuid", "the payload already (payload.schema)"),
        ("UUID", "the payload already (payload.schema)"),
        # A dropped column is still there when rows are finished.
        ("country", "the payload already (payload.schema)"),
        ("code", "reference 'country' already (references[0].columns.code)"),
        ("total", "output.derive already (output.derive.total)"),
        ("dt", "sink.hudi.partition_by already (sink.hudi.partition_by[0].name)"),
    ],
)
def test_the_version_has_a_name_of_its_own(problems, name, origin):
    (line,) = problems(
        {
            "output.reference_version": name,
            "output.derive": {"total": "unitssold"},
            "sink.hudi.partition_by": [{"name": "dt", "from": "orderdate"}],
        }
    )
    assert line.startswith("output.reference_version: the column '")
    assert f"is one of {origin}; use another name" in line


def test_two_versions_have_two_names(problems):
    (line,) = problems({"references": TWO, "output.reference_version": {"a": "version", "b": "Version"}})
    assert line == (
        "output.reference_version.b: the column 'version' is one of output.reference_version already "
        "(output.reference_version.a); use another name"
    )


@pytest.mark.parametrize("name", ["_hoodie_version", "_reference_version", "_record"])
def test_the_version_has_no_reserved_name(problems, name):
    (line,) = problems({"output.reference_version": {"country": name}})
    assert line.startswith(f"output.reference_version.country: found '{name}'; '{name}' is reserved for ")


def test_the_version_has_a_name_that_hudi_can_store(problems):
    (line,) = problems({"output.reference_version": "country-version"})
    assert line.startswith("output.reference_version: Hudi can't store a column named 'country-version'")


@pytest.mark.parametrize("schema", ["uuid string, country string, orderdate string", GLUE])
@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"sink.hudi.record_key": ["uuid", "version"]}, "sink.hudi.record_key[1]"),
        ({"sink.hudi.ordering": {"column": "version"}}, "sink.hudi.ordering.column"),
        ({"sink.hudi.partition_by": ["version"]}, "sink.hudi.partition_by[0].name"),
        ({"sink.hudi.partition_by": [{"name": "dt", "from": "version"}]}, "sink.hudi.partition_by[0].from"),
        ({"output.drop": ["version"]}, "output.drop[0]"),
        ({"output.drop": [], "output.select": ["uuid", "version"]}, "output.select[1]"),
        ({"references[0].on": {"version": "countryname"}}, "references[0].on.version"),
    ],
)
def test_the_version_is_added_to_finished_rows_so_that_nothing_is_made_of_it(problems, schema, changes, key):
    (line,) = problems({"payload.schema": schema, "output.reference_version": "version", **changes})
    assert line.startswith(f"{key}: ")
    assert "no such column" in line
    assert "; output.reference_version adds it to the finished row; name another column" in line


def test_the_version_may_be_beside_a_selection(problems):
    changes = {"output": {"select": ["uuid", "code"], "reference_version": {"country": "version"}}}
    assert problems(changes) == []


def test_the_version_is_compared_with_columns_of_a_catalog_table_when_they_are_known(config):
    found = config({"payload.schema": GLUE, "output.reference_version": "version"})
    check_columns(found, parse_schema("uuid string, country string"))
    with pytest.raises(ConfigError) as caught:
        check_columns(found, parse_schema("uuid string, country string, version bigint"))
    (line,) = caught.value.problems
    assert line.startswith("output.reference_version: the column 'version' is one of the payload already")


def test_a_version_with_a_problem_of_its_own_is_not_reported_twice(problems):
    assert len(problems({"output.reference_version": 5})) == 1
    assert len(problems({"output.reference_version": {"contry": "_record"}})) == 1
