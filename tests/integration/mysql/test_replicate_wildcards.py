# ruff: noqa: S608  (statements of a test's own database)
"""A whole database under one wildcard, on real servers and DynamoDB tables of the emulator."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streamjoin.entry import parse_job
from streamjoin.replicate.config import ReplicateConfig
from streamjoin.replicate.pipeline import run
from tests.integration.mysql.conftest import Database

# What MariaDB alone has: types that aren't read, and rows of the past.
OF_MARIADB = ("CREATE TABLE u (id UUID PRIMARY KEY)",)
LATER_OF_MARIADB = (
    "INSERT INTO u VALUES (UUID())",
    "CREATE TABLE old (id INT PRIMARY KEY) WITH SYSTEM VERSIONING",
    "CREATE TABLE new_u (id INT PRIMARY KEY, a INET6, c VARCHAR(100) COMPRESSED)",
    "INSERT INTO new_u VALUES (1, '::1', 'x')",
    "DROP TABLE new_u",
)


def config_of(database: Database, folder: Path, name: str, schema: str) -> ReplicateConfig:
    (folder / "mappings.json").write_text(f"""
    {{"rules": [{{"rule-type": "selection", "rule-id": "1", "rule-name": "1", "rule-action": "include",
      "object-locator": {{"schema-name": "{schema}", "table-name": "%"}}}}]}}""")
    address = database.address
    mysql = {"host": address.host, "port": address.port, "user": address.user, "password": address.password}
    config = parse_job({
        "job": "replicate",
        "name": name,
        "source": {"mysql": mysql},
        "table_mappings": str(folder / "mappings.json"),
        "target": {"dynamodb": {"region": "us-east-1", "control_table": f"{name}_control"}},
    })  # fmt: skip
    assert isinstance(config, ReplicateConfig)
    return config


def test_a_table_under_a_wildcard_that_cant_be_mapped_keeps_no_other_from_going_on(
    any_database: Database,
    dynamodb: Any,
    tmp_path: Path,
    fresh_name: Callable[[str], str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    database = any_database
    stock, pair, name = (fresh_name(each).replace("-", "_") for each in ("stock", "pair", "job"))
    config = config_of(database, tmp_path, name, database.name)

    def left_out() -> set[str]:
        """Run the job to the binlog's end; return which tables were named."""
        caplog.clear()
        run(config, until_caught_up=True)
        lines = [message for message in caplog.messages if "is left out; " in message]
        named = [line.split("'")[1].partition(".")[2] for line in lines]
        assert len(named) == len(set(named)), lines
        return set(named)

    def items() -> dict[str, Any]:
        return {item["id"]["N"]: item["v"]["N"] for item in dynamodb.scan(TableName=stock)["Items"]}

    database.run(f"CREATE TABLE {stock} (id INT PRIMARY KEY, v INT)", f"INSERT INTO {stock} VALUES (1, 1)")
    is_mariadb = database.server().identity().startswith("mariadb")
    foreign, of_mariadb = f"s INT, FOREIGN KEY (s) REFERENCES {stock} (id)", {"u"} if is_mariadb else set[str]()
    database.run(f"CREATE TABLE {pair} (a INT, b INT, PRIMARY KEY (a, b))", "CREATE TABLE ab (id INT PRIMARY KEY)")
    database.run(
        f"CREATE TABLE child (id INT PRIMARY KEY, {foreign} ON DELETE CASCADE)", *(OF_MARIADB if is_mariadb else ())
    )
    assert left_out() == {pair, "ab", "child", *of_mariadb}
    assert items() == {"1": "1"}

    database.run(
        f"CREATE TABLE scratch AS SELECT * FROM {stock}",
        f"UPDATE {stock} SET v = 2",
        "DROP TABLE scratch",
        f"INSERT INTO {pair} VALUES (1, 2)",
        "INSERT INTO child VALUES (1, 1)",
        "INSERT INTO ab VALUES (1)",
        f"CREATE TABLE later (id INT PRIMARY KEY, {foreign} ON UPDATE SET NULL)",
        "INSERT INTO later VALUES (1, 1)",
        *(LATER_OF_MARIADB if is_mariadb else ()),
    )
    # A binlog without names has nothing of a table that is gone but that.
    gone, of_mariadb = ({"scratch", "new_u"}, {"u", "old"}) if is_mariadb else (set(), set())
    assert left_out() == {pair, "ab", "child", "later", *gone, *of_mariadb}
    assert any("scratch" in record.getMessage() for record in caplog.records if record.levelname == "WARNING")
    assert sum(int(m.partition("left_out=")[2].split()[0]) for m in caplog.messages if "left_out=" in m) >= 4
    assert items() == {"1": "2"}
    assert left_out() == {pair, "ab", "child", "later", *of_mariadb}
    database.run(f"ALTER TABLE {pair} DROP PRIMARY KEY, ADD PRIMARY KEY (a)", f"UPDATE {stock} SET v = 3")
    left_out()
    assert items() == {"1": "3"}
    assert [item["a"] for item in dynamodb.scan(TableName=pair)["Items"]] == [{"N": "1"}]


def test_schemas_with_dots_are_told_from_tables_with_dots_also_when_they_are_dropped(
    database: Database, dynamodb: Any, tmp_path: Path, fresh_name: Callable[[str], str]
) -> None:
    name, dotted = (fresh_name(each).replace("-", "_") for each in ("job", "yyy"))
    long, dotted_schema = f"x.{dotted}", f"{database.name}.x"
    config = config_of(database, tmp_path, name, f"{database.name}%")

    def items(table: str) -> dict[str, Any]:
        return {item["id"]["N"]: item["v"]["N"] for item in dynamodb.scan(TableName=table)["Items"]}

    database.run(f"CREATE DATABASE `{dotted_schema}`")
    try:
        for place in (f"`{dotted_schema}`.`{dotted}`", f"`{long}`"):
            database.run(f"CREATE TABLE {place} (id INT PRIMARY KEY, v INT)", f"INSERT INTO {place} VALUES (1, 1)")
        run(config, until_caught_up=True)
        database.run(f"UPDATE `{long}` SET v = 2", f"UPDATE `{dotted_schema}`.`{dotted}` SET v = 3")
        run(config, until_caught_up=True)
        assert (items(long), items(dotted)) == ({"1": "2"}, {"1": "3"})
        database.run(f"DROP TABLE `{dotted_schema}`.`{dotted}`")
        run(config, until_caught_up=True)
        assert (items(long), items(dotted)) == ({"1": "2"}, {})
    finally:
        database.run(f"DROP DATABASE `{dotted_schema}`")
