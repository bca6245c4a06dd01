import datetime as dt
import decimal
import subprocess
import sys

import pyarrow as pa
import pytest

from streamjoin.entry import query
from streamjoin.errors import ConfigError, SinkError
from streamjoin.query import reading, run_sql, storage_options

TABLE = pa.table({"uuid": ["a", "b", "c"], "units": [1, 2, 3]})


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('{secret}')",
        "SELECT * FROM '{secret}'",
        "COPY t TO '{secret}.out'",
        "ATTACH '{secret}.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SELECT * FROM 'https://example.com/x.csv'",
        "SELECT getenv('HOME')",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "SELECT * FROM secret_frame",
    ],
)
def test_a_query_reaches_nothing_but_its_table(sql, tmp_path):
    secret = tmp_path / "secret.csv"
    secret.write_text("a,b\n1,2\n")
    secret_frame = TABLE
    with pytest.raises(SinkError, match="the query can't be answered"):
        run_sql(secret_frame, ["t"], sql.format(secret=secret))
    assert [path.name for path in tmp_path.iterdir()] == ["secret.csv"]


def test_the_table_has_each_of_its_names():
    both = "SELECT sum(t.units) AS s, count(*) AS n FROM t JOIN orders USING (uuid)"
    assert run_sql(TABLE, ["t", "orders"], both).to_pylist() == [{"s": 6, "n": 3}]


def test_wrong_sql_is_refused_in_the_words_of_the_engine():
    with pytest.raises(SinkError, match=r'"unit" not found(.|\n)*units'):
        run_sql(TABLE, ["t"], "SELECT unit FROM t")
    with pytest.raises(SinkError, match="syntax error"):
        run_sql(TABLE, ["t"], "SELEC 1")


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("SELECT order FROM t", '"order" is a reserved word'),
        ("SELECT uuid FROM t WHERE END = 'x' AND uuid <> 'group'", '"end" is a reserved word'),
        ('SELECT max(At), "group" FROM t GROUP BY order', '"At", "order" are reserved words'),
        ('SELECT "order", "end" FROM t WHERE At > 1', '"At" is a reserved word'),
    ],
)
def test_a_reserved_word_that_is_a_columns_name_is_named_with_what_to_do(sql, named):
    table = pa.table({name: ["x"] for name in ("uuid", "order", "end", "At", "group", "user")})
    with pytest.raises(SinkError) as raised:
        run_sql(table, ["t"], sql)
    assert str(raised.value).endswith(f"As the name of a column {named} of SQL: write it in double quotes, as here.")


def test_of_a_syntax_error_elsewhere_no_column_is_blamed():
    with pytest.raises(SinkError) as raised:
        run_sql(pa.table({"order": [1], "user": [1]}), ["t"], 'SELEC user, "order" FROM t')
    assert "reserved" not in str(raised.value)


def test_the_flag_by_which_rows_are_deleted_is_not_shown(monkeypatch):
    there = pa.table({"_hoodie_record_key": ["a"], "id": ["a"], "_hoodie_is_deleted": [False]})
    monkeypatch.setattr(sys.modules["streamjoin.query.query"], "read_table", lambda path: there)
    assert query("somewhere", "SELECT * FROM t").to_pylist() == [{"_hoodie_record_key": "a", "id": "a"}]


def test_a_statement_without_a_result_gives_an_empty_table():
    assert run_sql(TABLE, ["t"], "").num_columns == 0
    assert run_sql(TABLE, ["t"], "CREATE VIEW v AS SELECT 1").num_rows == 0


def test_times_are_utc_wherever_the_query_runs(monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    table = pa.table({"seen": pa.array([dt.datetime(2026, 1, 31, 23, tzinfo=dt.UTC)], pa.timestamp("us", "UTC"))})
    answer = run_sql(
        table, ["t"], "SELECT seen, CAST(seen AS date) AS day, CAST(seen AS varchar) AS text FROM t"
    ).to_pylist()
    assert answer[0]["seen"] == dt.datetime(2026, 1, 31, 23, tzinfo=dt.UTC)
    assert answer[0]["day"] == dt.date(2026, 1, 31)
    assert answer[0]["text"] == "2026-01-31 23:00:00+00"


def test_decimals_keep_their_digits():
    table = pa.table({"price": pa.array([decimal.Decimal("0.10")] * 3)})
    assert run_sql(table, ["t"], "SELECT sum(price) AS s FROM t").to_pylist() == [{"s": decimal.Decimal("0.30")}]


@pytest.mark.parametrize("form", ["{}", "file:{}", "file://{}"])
def test_a_path_without_a_table_is_named(tmp_path, form):
    path = form.format(tmp_path / "none")
    with pytest.raises(SinkError, match=f"no Hudi table at '{path}'"):
        query(path, "SELECT 1")


def test_what_only_spark_can_read_says_so(monkeypatch, tmp_path):
    class HudiCoreError(Exception):
        pass

    def read(location, columns):
        raise HudiCoreError("reconcile: column 'at': Struct to Struct")

    monkeypatch.setattr(reading, "_read", read)
    with pytest.raises(SinkError, match=r"before its next compaction: .* Read it with Spark until then") as raised:
        query(tmp_path, "SELECT 1")
    assert not raised.value.retryable


def test_a_table_without_properties_is_no_table(tmp_path):
    (tmp_path / ".hoodie").mkdir()
    with pytest.raises(SinkError, match="no Hudi table at"):
        query(tmp_path, "SELECT 1")


def test_a_wrong_configuration_is_a_configuration_error(tmp_path):
    (tmp_path / "job.yaml").write_text("job: enrich\n")
    with pytest.raises(ConfigError, match="sink"):
        query(tmp_path / "job.yaml", "SELECT 1")


def test_local_tables_need_no_credentials():
    assert storage_options("file:///lake/orders") == {}


def test_s3_is_reached_as_the_sdk_reaches_it(monkeypatch):
    for name, value in {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_SESSION_TOKEN": "token",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_CONFIG_FILE": "/dev/null",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    assert storage_options("s3://lake/orders", {}) == {
        "aws_region": "eu-west-1",
        "aws_access_key_id": "key",
        "aws_secret_access_key": "secret",
        "aws_session_token": "token",
    }
    endpoints = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:2"}
    options = storage_options("s3://lake/orders", endpoints)
    assert (options["aws_endpoint"], options["aws_allow_http"]) == ("http://127.0.0.1:2", "true")


def test_a_path_is_queried_without_spark_and_without_the_sdk(tmp_path):
    check = (
        "import sys\n"
        "from streamjoin.errors import SinkError\n"
        "from streamjoin.query import query, run_sql\n"
        "import pyarrow as pa\n"
        "try:\n"
        f"    query({str(tmp_path)!r}, 'SELECT 1')\n"
        "except SinkError:\n"
        "    pass\n"
        "run_sql(pa.table({'a': [1]}), ['t'], 'SELECT 1')\n"
        "print([name for name in ('pyspark', 'py4j', 'boto3', 'pydantic') if name in sys.modules])\n"
    )
    answer = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"
