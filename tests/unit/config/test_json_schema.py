import json
from collections.abc import Iterator

from streamjoin.entry import json_schema


def objects(schema: dict[str, object]) -> Iterator[tuple[str, dict[str, object]]]:
    """Go through everything in the schema that describes a mapping."""
    for name, part in {"the file": schema, **schema["$defs"]}.items():
        for form in part.get("anyOf", [part]):
            if "properties" in form:
                yield name, form


def test_it_is_json():
    schema = json_schema()
    assert json.loads(json.dumps(schema)) == schema
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_keys_are_those_of_the_file():
    definitions = json_schema()["$defs"]
    assert {"on", "schema"} <= set(definitions["ReferenceSettings"]["properties"])
    assert "schema" in definitions["PayloadSettings"]["properties"]
    bare, mapping = definitions["PartitionSettings"]["anyOf"]
    assert bare == {"type": "string"}
    assert set(mapping["properties"]) == {"name", "from", "format", "zone"}


def test_every_key_has_a_description_of_one_line():
    schema = json_schema()
    for where, part in objects(schema):
        for key, value in part["properties"].items():
            # What stands beside a reference to a model is left out if it says the same as the model.
            model = schema["$defs"].get(value.get("$ref", "").rpartition("/")[2], {})
            description = value.get("description") or model.get("description", "")
            assert description.strip(), f"{where}.{key}"
            assert "\n" not in description, f"{where}.{key}"


def test_no_mapping_takes_unknown_keys():
    for where, part in objects(json_schema()):
        assert part["additionalProperties"] is False, where


def test_words_are_listed_with_what_they_mean():
    how = json_schema()["$defs"]["ReferenceSettings"]["properties"]["how"]
    assert how["enum"] == ["left", "inner"]
    assert len(how["enumDescriptions"]) == 2
    assert how["default"] == "left"


def test_the_ways_to_keep_a_reference_current_are_listed():
    definitions = json_schema()["$defs"]
    reference, refresh = definitions["ReferenceSettings"]["properties"], definitions["RefreshSettings"]["properties"]
    words = {
        key: (node["enum"], node["default"])
        for key, node in (reference | refresh).items()
        if key in ("mode", "follow", "on_change")
    }
    assert words == {
        "mode": (["snapshot", "lookup", "auto"], "snapshot"),
        "follow": (["changes", "scan"], "changes"),
        "on_change": (["new_rows", "rewrite_rows"], "new_rows"),
    }
    assert {"max_cached_items", "max_rows_per_pass"} <= set(reference)
    assert {"index_name", "max_read_units_per_second"} <= set(definitions["DynamoDbSettings"]["properties"])


def test_the_version_of_a_reference_is_one_name_or_one_each():
    version = json_schema()["$defs"]["OutputSettings"]["properties"]["reference_version"]
    assert [form["type"] for form in version["anyOf"]] == ["string", "object", "null"]
    assert version["anyOf"][1]["additionalProperties"]["type"] == "string"


def test_words_that_are_not_supported_yet_are_not_offered():
    assert json_schema()["properties"]["job"]["enum"] == ["enrich"]


def test_the_formats_of_a_payload_are_listed_and_files_are_paths():
    payload = json_schema()["$defs"]["PayloadSettings"]["properties"]
    assert payload["format"]["enum"] == ["json", "csv", "avro"]
    assert payload["schema_file"]["anyOf"] == [{"type": "string", "minLength": 1}, {"type": "null"}]
    assert payload["writer_schema_files"]["items"] == {"type": "string", "minLength": 1}


def test_columns_and_schemas_have_all_their_forms():
    definitions = json_schema()["$defs"]
    columns = definitions["ReferenceSettings"]["properties"]["columns"]
    assert [form["type"] for form in columns["anyOf"]] == ["array", "object"]
    forms = definitions["PayloadSettings"]["properties"]["schema"]["anyOf"]
    assert [form.get("type") for form in forms] == ["string", "array", None]
    assert forms[2] == {"$ref": "#/$defs/GlueCatalogSchema"}


def test_bounds_of_numbers_are_there():
    limits = json_schema()["$defs"]["LimitSettings"]["properties"]
    assert limits["max_records_per_batch"]["exclusiveMinimum"] == 0
    assert limits["target_batch_seconds"]["exclusiveMinimum"] == 0
    rate, _ = json_schema()["$defs"]["DynamoDbSettings"]["properties"]["max_read_units_per_second"]["anyOf"]
    assert (rate["type"], rate["exclusiveMinimum"]) == ("number", 0)
