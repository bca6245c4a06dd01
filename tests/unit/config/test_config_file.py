import io
import json

import pytest
import yaml
from botocore.exceptions import ClientError, NoCredentialsError

from streamjoin.config import file as config_file
from streamjoin.entry import load_config
from streamjoin.errors import ConfigError

TEXT = """\
job: enrich
name: orders
source:
  kinesis: {stream_name: orders}
payload:
  schema: "uuid string, country string"
references:
  - name: country
    dynamodb: {table_name: countries}
    on: {country: countryname}
    columns: [code]
sink:
  hudi:
    base_path: s3://bucket/lake/orders
    database: sales
    table_name: orders
    record_key: [uuid]
dead_letters:
  base_path: s3://bucket/lake/orders_dead_letters
"""


def problems(source: object, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(source, environ or {})
    return caught.value.problems


def changed(old: str, new: str) -> str:
    assert old in TEXT
    return TEXT.replace(old, new)


@pytest.fixture
def s3(monkeypatch):
    """Stand in for S3: objects by bucket and key; an exception as an object is raised."""
    objects: dict[tuple[str, str], object] = {}

    class Client:
        def get_object(self, *, Bucket: str, Key: str) -> dict[str, object]:
            found = objects[Bucket, Key]
            if isinstance(found, Exception):
                raise found
            return {"Body": io.BytesIO(found)}

    monkeypatch.setattr(config_file, "aws_client", lambda service: {"s3": Client()}[service])
    return objects


def test_a_file_a_path_a_text_and_a_mapping_give_the_same(tmp_path):
    path = tmp_path / "orders.yaml"
    path.write_text(TEXT)
    expected = load_config(TEXT, {})
    assert load_config(path, {}) == load_config(str(path), {}) == expected
    assert load_config(yaml.safe_load(TEXT), {}) == expected
    assert load_config(json.dumps(load_config(TEXT, {}).model_dump(by_alias=True)), {}) == expected


def test_a_file_is_read_from_s3(s3):
    s3["bucket", "conf/orders.yaml"] = TEXT.encode()
    assert load_config("s3://bucket/conf/orders.yaml", {}) == load_config(TEXT, {})


@pytest.mark.parametrize(
    ("failure", "named"),
    [
        (
            ClientError({"Error": {"Code": "NoSuchKey", "Message": "no such key"}}, "GetObject"),
            "GetObject failed (NoSuchKey: no such key).",
        ),
        (
            ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetObject"),
            "GetObject was denied (AccessDenied: no). Allow s3:GetObject on the object.",
        ),
        (
            NoCredentialsError(),
            "GetObject could not be sent (Unable to locate credentials). Check the network, the credentials, "
            "AWS_REGION and AWS_ENDPOINT_URL.",
        ),
    ],
)
def test_a_file_that_s3_does_not_give_is_a_problem_of_the_configuration(s3, failure, named):
    s3["bucket", "orders.yaml"] = failure
    with pytest.raises(ConfigError) as caught:
        load_config("s3://bucket/orders.yaml", {})
    assert str(caught.value).splitlines()[0] == "s3://bucket/orders.yaml: 1 problem"
    assert caught.value.problems == [f"the file can't be read: {named}"]


def test_a_file_that_is_not_there_is_a_problem_of_the_configuration(tmp_path):
    assert problems(tmp_path / "none.yaml") == ["the file can't be read: No such file or directory"]
    assert problems(tmp_path) == ["the file can't be read: Is a directory"]


def test_a_file_that_is_not_text_is_a_problem_of_the_configuration(tmp_path):
    (tmp_path / "x.yaml").write_bytes(b"name: \xff\xfe")
    assert problems(tmp_path / "x.yaml") == ["the file can't be read: byte 6 is not UTF-8; save the file as UTF-8"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("job: enrich\nname: [a, b\n", "line 3, column 1: not YAML: expected ',' or ']', but got '<stream end>'"),
        (
            "job: enrich\n\tname: x\n",
            "line 2, column 1: not YAML: found character '\\t' that cannot start any token; ind",
        ),
        (
            "a: {b: ${X}/e, c: 1}\n",
            "line 1, column 9: not YAML: expected ',' or '}', but got '{'; put text with ${…} in ",
        ),
        ("a: b: c\nd: e\n", "line 1, column 5: not YAML: mapping values are not allowed here"),
        ("a: *nothing\nb: c\n", "line 1, column 4: not YAML: found undefined alias 'nothing'"),
        ("a: !python/name:os.system x\nb: c\n", "line 1, column 4: not YAML: could not determine a constructor"),
        ("a: 1\nb: \x07\n", "line 2, column 4: not YAML: special characters are not allowed"),
        ("a: 1\n---\nb: 2\n", "line 2, column 1: not YAML: but found another document"),
        ("? [a]\n: b\n", "line 1, column 3: not YAML: found unhashable key"),
    ],
)
def test_yaml_that_can_not_be_parsed_is_placed_by_line_and_column(text, problem):
    assert problems(text)[0].startswith(problem)


def test_a_syntax_error_does_not_repeat_the_line_that_may_hold_a_secret():
    assert "hunter2" not in str(problems("password: hunter2: x\na: b\n"))


@pytest.mark.parametrize("text", ["\n", "- a\n- b\n", "# nothing\n"])
def test_a_file_that_is_no_mapping_says_which_keys_it_needs(text):
    (line,) = problems(text)
    assert line.startswith("the whole file: found ")
    assert "allowed: a mapping with the keys job, name, source, payload" in line


def test_a_key_that_stands_twice_is_an_error_beside_the_others():
    lines = problems(TEXT + "name: again\n" + "triger: {}\n")
    assert lines[0] == "name: the key stands twice, in line 2 and line 20; keep one"
    assert lines[1].startswith("triger: unknown key")
    text = changed("columns: [code]", "columns: {code: a, code: b}")
    assert problems(text) == ["references[0].columns.code: the key stands twice, in line 11 and line 11; keep one"]


def test_on_is_a_word():
    assert load_config(TEXT, {}).references[0].on == {"country": "countryname"}


def test_on_is_that_word_too_if_a_yaml_1_1_parser_reads_true():
    values = yaml.safe_load(TEXT)
    assert True in values["references"][0]
    assert load_config(values, {}).references[0].on == {"country": "countryname"}


@pytest.mark.parametrize("word", ["on", "off", "yes", "no", "y", "NO", "2026-01-31", "1:30", "010", "1_000", "1e3x"])
def test_words_stay_words(word):
    assert load_config(changed("database: sales", f"database: {word.lower().replace('-', '_').replace(':', '_')}"), {})
    values = config_file.read_config(f"a: {word}\n", {}).values
    assert values == {"a": word}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("12", 12),
        ("-3", -3),
        ("0.5", 0.5),
        ("1e3", 1000.0),
        ("null", None),
        ("~", None),
        ("", None),
    ],
)
def test_scalars_have_the_types_of_yaml_1_2(text, value):
    assert config_file.read_config(f"a: {text}\nb: x\n", {}).values["a"] == value


def test_anchors_and_merge_keys_work():
    values = config_file.read_config("a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  y: 3\n", {}).values
    assert values["b"] == {"x": 1, "y": 3}


def test_an_endless_alias_is_an_error():
    assert "nested more than 20 levels deep" in problems("a: &a\n  b: *a\n")[0]


def test_keys_are_text():
    (line,) = problems(changed("columns: [code]", "columns: {1: one}"))
    assert line == "references[0].columns.1: found the key 1; put it in quotes"


PATH = "base_path: s3://bucket/lake/orders\n"


@pytest.mark.parametrize(
    ("written", "environ", "path"),
    [
        ("s3://${BUCKET}/orders", {"BUCKET": "my-bucket"}, "s3://my-bucket/orders"),
        ("${LAKE:-/lake}/orders", {}, "/lake/orders"),
        ("${LAKE:-/lake}/orders", {"LAKE": ""}, "/lake/orders"),
        ("${LAKE:-/lake}/orders", {"LAKE": "s3://b-b/x"}, "s3://b-b/x/orders"),
        ("${A}${B}/orders", {"A": "/x", "B": "/y"}, "/x/y/orders"),
        ("/lake${EMPTY:-}/orders", {}, "/lake/orders"),
        ("/lake/${EMPTY}orders", {"EMPTY": ""}, "/lake/orders"),
        ("/lake/$BUCKET", {"BUCKET": "x"}, "/lake/$BUCKET"),
    ],
)
def test_variables_are_put_into_text(written, environ, path):
    text = changed(PATH, f"base_path: {written}\n")
    assert load_config(text, environ).sink.hudi.base_path == path


def test_a_variable_may_hold_a_number():
    text = TEXT + "limits:\n  max_records_per_batch: ${RECORDS:-500}\n"
    assert load_config(text, {}).limits.max_records_per_batch == 500
    assert load_config(text, {"RECORDS": "7"}).limits.max_records_per_batch == 7


def test_two_dollars_escape_a_variable():
    text = TEXT + "output:\n  derive:\n    x: concat('$${NOT_A_VARIABLE}', uuid)\n"
    assert load_config(text, {}).output.derive == {"x": "concat('${NOT_A_VARIABLE}', uuid)"}


def test_a_value_can_not_inject_yaml():
    text = changed("\nname: orders\n", "\nname: ${NAME}\n")
    lines = problems(text, {"NAME": "x\njob: capture\nother: [1]"})
    assert lines == ["name: found '${NAME}'; allowed: letters, digits, and _ . - after the first of them"]


def test_a_variable_that_is_not_set_is_named_once_with_its_key():
    text = changed("record_key: [uuid]", 'record_key: ["${KEY}"]').replace(PATH, "base_path: ${LAKE}/orders\n")
    assert problems(text) == [
        "sink.hudi.base_path: environment variable 'LAKE' is not set; set it, or give a default: ${LAKE:-…}",
        "sink.hudi.record_key[0]: environment variable 'KEY' is not set; set it, or give a default: ${KEY:-…}",
    ]


@pytest.mark.parametrize("written", ["${}", "${1X}", "${A-b}", "${A"])
def test_what_looks_like_a_variable_and_is_none_is_an_error(written):
    (line,) = problems(changed(PATH, f"base_path: /lake/{written}\n"), {"A": "x"})
    assert line.startswith("sink.hudi.base_path: found '${' that begins no variable; allowed: ${NAME}, ${NAME")


def test_variables_are_looked_up_in_the_environment_of_the_process(monkeypatch):
    monkeypatch.setenv("STREAMJOIN_TEST_NAME", "from-environment")
    assert load_config(changed("\nname: orders\n", "\nname: ${STREAMJOIN_TEST_NAME}\n")).name == "from-environment"


def test_what_stands_under_the_name_of_a_secret_is_not_shown():
    (line,) = problems(TEXT + "output:\n  derive: {db_password: 31415926}\n")
    assert line.startswith("output.derive.db_password: found (hidden); allowed: text")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\nname: orders\n", "\nname: ${DB_PASSWORD}\n"),
        ("\nname: orders\n", "\nname: x ${DB_PASSWORD}\n"),
        ("record_key: [uuid]", 'record_key: ["${DB_PASSWORD}"]'),
        ("columns: [code]", 'columns: ["${DB_PASSWORD}", "${DB_PASSWORD}"]'),
        ("job: enrich", "password: hunter 2\njob: enrich"),
        ("stream_name: orders", "stream_name: orders, aws_secret_access_key: hunter 2"),
        ("dynamodb: {table_name: countries}", "dynamodb: {table_name: countries, access_key: hunter 2}"),
        ("base_path: s3://bucket/lake/orders\n", "base_path: s3://key:hunter 2@bucket/lake/orders\n"),
        ("record_key: [uuid]", "record_key: [uuid]\n    options: {hoodie.datasource.hive_sync.password: [hunter 2]}"),
    ],
)
def test_no_message_repeats_a_secret(old, new):
    lines = problems(changed(old, new), {"DB_PASSWORD": "hunter 2"})
    assert lines
    assert "hunter" not in "\n".join(lines)
