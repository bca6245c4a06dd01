# ruff: noqa: S608  (statements of a test's own database)
"""A value is the same whether it was loaded or came by the binlog: for every type, also if it is odd."""

import json
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamjoin.local.mariadb import MariaDb
from streamjoin.mysql import RowChange
from streamjoin.mysql.sql_text import literal
from tests.integration.mysql.conftest import Database, collect, fresh_database, mission_database

# Column, and for each value what is written and what must come out.
EDGES: dict[str, list[tuple[str, Any]]] = {
    "TINYINT": [("-128", -128), ("127", 127), ("NULL", None)],
    "TINYINT UNSIGNED": [("255", 255), ("0", 0)],
    "SMALLINT": [("-32768", -32768)],
    "SMALLINT UNSIGNED": [("65535", 65535)],
    "MEDIUMINT": [("-8388608", -8388608), ("8388607", 8388607)],
    "MEDIUMINT UNSIGNED": [("16777215", 16777215)],
    "INT": [("-2147483648", -2147483648)],
    "INT UNSIGNED": [("4294967295", 4294967295)],
    "INT(7) ZEROFILL": [("42", 42)],
    "BIGINT": [("-9223372036854775808", -(2**63))],
    "BIGINT UNSIGNED": [("18446744073709551615", 2**64 - 1)],
    "BOOLEAN": [("TRUE", 1)],
    "YEAR": [("1901", 1901), ("2155", 2155), ("0", 0)],
    "DECIMAL(20,5)": [("-123456789012345.12345", Decimal("-123456789012345.12345")), ("0", Decimal("0.00000"))],
    "DECIMAL(65,30)": [("1.000000000000000000000000000001", Decimal("1.000000000000000000000000000001"))],
    "DECIMAL(9,9)": [("-0.000000001", Decimal("-0.000000001"))],
    "DECIMAL(10,0) UNSIGNED": [("9999999999", Decimal(9999999999))],
    "FLOAT": [
        ("1.1", 1.1),
        ("3.4028235e38", 3.4028235e38),
        ("1.17549435e-38", 1.1754944e-38),
        ("16777217", 16777216.0),
    ],
    "FLOAT(7,4)": [("-123.4567", -123.4567)],
    "DOUBLE": [("1.7976931348623157e308", 1.7976931348623157e308), ("0.1", 0.1), ("5e-324", 5e-324)],
    "DOUBLE(10,2)": [("-12345.67", -12345.67)],
    "DATE": [("'2024-02-29'", "2024-02-29"), ("'0000-00-00'", "0000-00-00"), ("'2024-00-10'", "2024-00-10")],
    "TIME": [("'-838:59:59'", "-838:59:59"), ("'00:00:00'", "00:00:00"), ("'9:05'", "09:05:00")],
    "TIME(1)": [("'-00:00:00.1'", "-00:00:00.1"), ("'-01:00:00.9'", "-01:00:00.9")],
    "TIME(3)": [("'-00:00:01.001'", "-00:00:01.001"), ("'100:00:00.010'", "100:00:00.010")],
    "TIME(6)": [("'838:59:58.999999'", "838:59:58.999999"), ("'-00:00:00.000001'", "-00:00:00.000001")],
    "DATETIME": [("'1000-01-01 00:00:00'", "1000-01-01 00:00:00"), ("'0000-00-00'", "0000-00-00 00:00:00")],
    "DATETIME(2)": [("'2024-00-00 23:59:59.25'", "2024-00-00 23:59:59.25")],
    "DATETIME(6)": [("'9999-12-31 23:59:59.999999'", "9999-12-31 23:59:59.999999")],
    # Written by a session three hours east.
    "TIMESTAMP NULL": [("'1970-01-01 03:00:01'", "1970-01-01 00:00:01"), ("0", "0000-00-00 00:00:00")],
    "TIMESTAMP(5) NULL": [("'2038-01-19 03:14:07.12345'", "2038-01-19 00:14:07.12345")],
    "ENUM('a','b''x','ü,')": [("'ü,'", "ü,"), ("'b''x'", "b'x"), ("'nothing like it'", "")],
    "SET('z','y','x')": [("'x,z'", "z,x"), ("''", "")],
    "BIT(1)": [("1", 1)],
    "BIT(12)": [("b'100000000001'", 2049)],
    "BIT(64)": [("18446744073709551615", 2**64 - 1)],
    "CHAR(5)": [("'ab  '", "ab"), ("''", "")],
    "CHAR(255)": [("'ü'", "ü")],
    "VARCHAR(20)": [("'zwölf 💥 '", "zwölf 💥 ")],
    "VARCHAR(300)": [("''", ""), ("REPEAT('é', 300)", "é" * 300)],
    "VARCHAR(20) CHARACTER SET latin1": [("X'80819FFFE9'", "€\x81Ÿÿé")],
    "TINYTEXT CHARACTER SET latin1": [("'é'", "é")],
    "CHAR(9) CHARACTER SET koi8r": [("'жук'", "жук")],
    "VARCHAR(9) CHARACTER SET utf16": [("'中💥'", "中💥")],
    "VARCHAR(9) CHARACTER SET ucs2": [("'中'", "中")],
    "VARCHAR(9) CHARACTER SET gbk": [("'中文'", "中文")],
    "VARCHAR(9) CHARACTER SET sjis": [("'日本'", "日本")],
    "VARCHAR(9) COLLATE utf8mb4_uca1400_ai_ci": [("'ß'", "ß")],
    "MEDIUMTEXT": [("REPEAT('x', 70000)", "x" * 70000)],
    "JSON": [("""'{"b": 1.0,  "a":[1,null]}'""", '{"b": 1.0,  "a":[1,null]}')],
    "BINARY(10)": [("X'0102'", b"\x01\x02" + bytes(8)), ("X''", bytes(10))],
    "BINARY(255)": [("X'00'", bytes(255))],
    "VARBINARY(300)": [("X'00FF00'", b"\0\xff\0"), ("X''", b"")],
    "BLOB": [("X'00FF'", b"\0\xff")],
    "LONGBLOB": [("REPEAT('x', 70000)", b"x" * 70000)],
    "POINT": [
        ("ST_GeomFromText('POINT(1 2)', 4326)", bytes.fromhex("e61000000101000000000000000000f03f0000000000000040"))
    ],
}


@pytest.fixture(scope="module")
def edges(mariadb: MariaDb) -> dict[str, tuple[list[Any], list[Any]]]:
    """Return of each column what a load gives, and what the binlog gives."""
    with fresh_database(mariadb) as database:
        return loaded_and_told(database, EDGES)


def loaded_and_told(
    database: Database, edges: Mapping[str, list[tuple[str, Any]]]
) -> dict[str, tuple[list[Any], list[Any]]]:
    position = database.server().position()
    database.run("SET SESSION sql_mode = '', time_zone = '+03:00'")
    for table, (declared, values) in enumerate(edges.items()):
        # What stands after a column must be read from the right place.
        database.run(
            f"CREATE TABLE t{table} (id INT PRIMARY KEY, v {declared}, after_it INT UNSIGNED DEFAULT 4294967295)",
            *(f"INSERT INTO t{table} (id, v) VALUES ({index}, {sql})" for index, (sql, _) in enumerate(values)),
        )
    told: dict[str, list[Any]] = {}
    for change in database.rows_since(position):
        told.setdefault(change.table.name, []).append(change.after)
    return {each: (database.loaded(f"t{table}"), told[f"t{table}"]) for table, each in enumerate(edges)}


# Of MySQL: it has no UCA 14, its JSON is no text, and its newer versions take a place's latitude first.
MYSQL_EDGES = {name: values for name, values in EDGES.items() if "uca1400" not in name} | {
    "JSON": [
        ("""'{"b": 1.0,  "a":[1,null]}'""", '{"a":[1,null],"b":1}'),
        ("""'[true, -70000, 18446744073709551615, "ü💥", {}, []]'""", '[true,-70000,18446744073709551615,"ü💥",{},[]]'),
        ("""'[1e300, 1e14, 1e15, 1e-15, 1e-16, 12.5]'""", "[1e300,100000000000000,1e15,0.000000000000001,1e-16,12.5]"),
        ("JSON_ARRAY(1.50, 12345678901234567890123456789.5, 1.0)", "[1.50,12345678901234567890123456789.5,1]"),
        ("JSON_ARRAY(CAST('2024-01-02 03:04:05.6' AS DATETIME(1)), CAST(1.50 AS DECIMAL(5,2)))", None),
    ],
    "POINT": [("ST_GeomFromText('POINT(1 2)')", bytes.fromhex("000000000101000000000000000000f03f0000000000000040"))],
    "MULTIPOINT": [("ST_GeomFromText('MULTIPOINT(1 2, 3 4)')", None)],
    "ENUM('ö','x') CHARACTER SET latin1": [("'ö'", "ö")],
    "SET('ü','x') CHARACTER SET latin1": [("'x,ü'", "ü,x")],
}


def test_a_value_is_the_same_by_load_and_by_a_binlog_without_names(mysql_database: Database) -> None:
    check_mysql_edges(mysql_database)


def test_a_value_is_the_same_by_load_and_by_a_binlog_of_mysql_that_has_names(mysql80: MariaDb) -> None:
    with mission_database(mysql80) as database:
        database.run("SET GLOBAL binlog_row_metadata = FULL")
        try:
            check_mysql_edges(database)
            # Also those of a table that was altered since.
            database.run("CREATE TABLE t (id INT PRIMARY KEY, a INT)")
            position = database.server().position()
            database.run("INSERT INTO t VALUES (1, 2)", "ALTER TABLE t CHANGE a b INT")
            assert [change.after for change in database.rows_since(position)] == [{"id": 1, "a": 2}]
        finally:
            database.run("SET GLOBAL binlog_row_metadata = MINIMAL")


def check_mysql_edges(database: Database) -> None:
    for declared, (loaded, told) in loaded_and_told(database, MYSQL_EDGES).items():
        assert told == loaded, declared
        for (sql, value), row in zip(MYSQL_EDGES[declared], loaded, strict=True):
            assert (value is None and "NULL" not in sql) or row["v"] == value, declared
            assert row["after_it"] == 4294967295


@pytest.mark.parametrize("declared", EDGES)
def test_a_value_is_the_same_by_load_and_by_binlog(
    edges: dict[str, tuple[list[Any], list[Any]]], declared: str
) -> None:
    expected = [{"id": i, "v": v, "after_it": 4294967295} for i, (_, v) in enumerate(EDGES[declared])]
    loaded, told = edges[declared]
    assert loaded == expected
    assert told == expected


def test_generated_columns_are_the_same_by_load_and_by_binlog(database: Database) -> None:
    database.run("CREATE TABLE t (id INT PRIMARY KEY, a INT, v INT AS (a + 1) VIRTUAL, s INT AS (a + 2) STORED, z INT)")
    position = database.server().position()
    database.run("INSERT INTO t (id, a, z) VALUES (1, 10, 5)", "UPDATE t SET z = 6", "UPDATE t SET a = 20")
    last = database.rows_since(position)[-1]
    assert last.before == {"id": 1, "a": 10, "v": 11, "s": 12, "z": 6}
    assert database.loaded("t") == [last.after] == [{"id": 1, "a": 20, "v": 21, "s": 22, "z": 6}]


def test_columns_that_the_server_hides_are_in_no_row(database: Database) -> None:
    """MariaDB keeps the hash of a long unique text in a column of its own, which no query shows."""
    hashed = "t TEXT, u VARCHAR(200), UNIQUE (t), UNIQUE (u) USING HASH"
    database.run(f"CREATE TABLE t (id INT PRIMARY KEY, {hashed}, DB_ROW_HASH_1 BIGINT UNSIGNED)")
    server, position = database.server(), database.server().position()
    known = server.tables(database.selects)
    database.run(
        f"CREATE TABLE later (id INT PRIMARY KEY, {hashed})",
        "INSERT INTO later VALUES (1, 'a', 'b')",
        "INSERT INTO t VALUES (1, 'a', 'b', 7), (2, NULL, NULL, NULL)",
    )
    with server.changes(position, database.selects, known) as stream:
        changes = [change for change in collect(stream, server.position()) if isinstance(change, RowChange)]
    assert [change.after for change in changes if change.table.name == "later"] == database.loaded("later")
    assert [change.after for change in changes if change.table.name == "t"] == database.loaded("t")
    assert database.loaded("t")[0] == {"id": 1, "t": "a", "u": "b", "DB_ROW_HASH_1": 7}
    assert changes[-1].table is known[0]


def test_the_table_of_a_change_is_the_one_that_was_known(database: Database) -> None:
    database.run("CREATE TABLE t (a INT, `b ``c` VARCHAR(5), PRIMARY KEY (`b ``c`, a))")
    server, position = database.server(), database.server().position()
    database.run("INSERT INTO t VALUES (1, 'x')")
    known = server.tables(database.selects)
    with server.changes(position, database.selects, known) as stream:
        (change, _) = [*stream.take(2, 30.0), None][:2]
    assert change is not None
    assert change.table is known[0]
    assert known[0].primary_key == ("b `c", "a")


def test_names_and_key_come_from_the_binlog_and_not_from_today(database: Database) -> None:
    database.run("CREATE TABLE t (id INT UNSIGNED, old_name ENUM('a', 'b'), PRIMARY KEY (id))")
    position = database.server().position()
    database.run(
        "INSERT INTO t VALUES (4294967295, 'b')",
        "SET SESSION sql_mode = ''",
        "ALTER TABLE t CHANGE old_name new_name ENUM('x', 'y', 'z'), MODIFY id BIGINT, DROP PRIMARY KEY",
    )
    first = database.rows_since(position)[0]
    assert first.after == {"id": 4294967295, "old_name": "b"}
    assert first.table.primary_key == ("id",)


def test_a_key_by_a_prefix_is_known(database: Database) -> None:
    database.run("CREATE TABLE t (name TEXT, id INT, PRIMARY KEY (name(10), id))")
    position = database.server().position()
    database.run("INSERT INTO t VALUES ('a', 1)")
    assert database.rows_since(position)[0].table.primary_key == ("name", "id")


def test_more_columns_than_a_byte_has_bits_keep_their_nulls(database: Database) -> None:
    columns = [f"c{index}" for index in range(70)]
    database.run(f"CREATE TABLE t (id INT PRIMARY KEY, {', '.join(f'{name} TINYINT' for name in columns)})")
    position = database.server().position()
    database.run("INSERT INTO t (id, c0, c7, c8, c69) VALUES (1, 1, 2, 3, 4)")
    expected = {"id": 1, **dict.fromkeys(columns), "c0": 1, "c7": 2, "c8": 3, "c69": 4}
    assert database.loaded("t") == [expected]
    assert database.rows_since(position)[0].after == expected


floats = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
rows = st.tuples(
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.integers(0, 2**24 - 1),
    st.none() | st.decimals(-(10**12) + 1, 10**12 - 1, places=7),
    st.none() | floats,
    st.none() | st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=False),
    st.none() | texts,
    st.none() | st.binary(max_size=300),
    st.none() | st.datetimes().map(lambda moment: moment.isoformat(" ")),
    st.none() | st.integers(-3_020_399_999_999, 3_020_399_999_999),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(many=st.lists(rows, min_size=1, max_size=30))
def test_any_values_are_the_same_by_load_and_by_binlog(database: Database, many: list[tuple[Any, ...]]) -> None:
    database.run(
        "SET SESSION sql_mode = ''",
        "CREATE OR REPLACE TABLE t (id INT PRIMARY KEY, a BIGINT, b MEDIUMINT UNSIGNED, c DECIMAL(20,7), d DOUBLE, "
        "e FLOAT, f VARCHAR(300), g VARBINARY(300), h DATETIME(6), i TIME(6))",
    )
    position = database.server().position()
    values = ", ".join(f"({index}, {', '.join(map(_written, range(9), row))})" for index, row in enumerate(many))
    database.run(f"INSERT INTO t VALUES {values}")
    loaded, changes = database.loaded("t", chunk_rows=7), database.rows_since(position)
    assert loaded == [change.after for change in changes]
    for row, (a, b, c, d, _, f, g, *_) in zip(loaded, many, strict=True):
        assert (row["a"], row["b"], row["c"], row["f"], row["g"]) == (a, b, c, f, g)
        assert d is None or math.isclose(float(str(row["d"])), d, rel_tol=1e-15)


def _written(column: int, value: Any) -> str:
    if column == 8 and value is not None:
        seconds, microseconds = divmod(abs(value), 1_000_000)
        sign = "-" if value < 0 else ""
        return f"'{sign}{seconds // 3600}:{seconds // 60 % 60}:{seconds % 60}.{microseconds:06d}'"
    return literal(value)


def test_json_text_of_mariadb_stays_as_it_was_written(database: Database) -> None:
    document = json.dumps({"name": "ü", "list": [1, 2.5, None, {"deep": True}]}, indent=2)
    database.run("CREATE TABLE t (id INT PRIMARY KEY, v JSON)")
    position = database.server().position()
    with database.connection.cursor() as cursor:
        cursor.execute("INSERT INTO t VALUES (1, %s)", (document,))
    assert database.loaded("t") == [{"id": 1, "v": document}]
    assert database.rows_since(position)[0].after == {"id": 1, "v": document}


def test_columns_of_another_character_set_than_most_are_read(database: Database) -> None:
    latin, binary = "VARCHAR(20) CHARACTER SET latin1", "VARBINARY(4)"
    database.run(
        f"CREATE TABLE t (id INT PRIMARY KEY, a CHAR(2), b TEXT, c {latin}, d VARCHAR(9), e {binary}, f ENUM('ä'), "
        "g ENUM('ö') CHARACTER SET latin1, h SET('ü', 'x') CHARACTER SET latin1, i SET('ä'), j ENUM('ß'))"
    )
    start = database.server().position()
    database.run("INSERT INTO t VALUES (1, '👍', 'ä', 'ö', 'ü', X'E4FF', 'ä', 'ö', 'ü,x', 'ä', 'ß')")
    (change,) = database.rows_since(start)
    assert [change.after] == database.loaded("t")
    assert dict(change.after or {}) == {
        **{"id": 1, "a": "👍", "b": "ä", "c": "ö", "d": "ü", "e": b"\xe4\xff"},
        **{"f": "ä", "g": "ö", "h": "ü,x", "i": "ä", "j": "ß"},
    }
