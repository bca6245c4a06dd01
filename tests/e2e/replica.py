# ruff: noqa: S608  (statements of a test's own database)
"""A replicate job over two tables of a database, and what DynamoDB must hold of their rows."""

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from streamjoin.aws.clients import aws_client
from streamjoin.local.mariadb import MariaDb
from tests.e2e.job_file import JobFile

Attributes = dict[str, tuple[str, Any]]

TABLES = (
    "CREATE TABLE orders (region CHAR(2), id INT UNSIGNED, amount DECIMAL(10,2), note VARCHAR(60), at DATETIME(3), "
    "share DOUBLE, tags SET('a','b','c'), raw VARBINARY(16), PRIMARY KEY (region, id))",
    "CREATE TABLE notes (id INT PRIMARY KEY, text VARCHAR(40))",
)
# Key attributes in DynamoDB, which are the primary keys in MariaDB.
KEYS = {"orders": ("region", "id"), "notes": ("id",)}
REPLICA_PRIVILEGES = "REPLICATION SLAVE, REPLICATION CLIENT"


class Replica(JobFile):
    """One job, with a database and a user of its own; its tables are there and empty."""

    def __init__(self, folder: Path, mariadb: MariaDb, name: str, **limits: object) -> None:
        self.folder, self.mariadb, self.name = folder, mariadb, name
        # As in an environment without Spark, which a replication doesn't need.
        without_spark = folder / "without_spark"
        without_spark.mkdir(exist_ok=True)
        (without_spark / "pyspark.py").write_text("raise ModuleNotFoundError(\"No module named 'pyspark'\")")
        self.python_path = f"{without_spark}:{self.python_path}"
        self.database = self.user = f"shop_{name}"
        self.password = f"secret-of-{name}"
        mariadb.execute(f"CREATE DATABASE {self.database} CHARACTER SET utf8mb4")
        self.run_sql(
            f"CREATE USER {self.user}@'%' IDENTIFIED BY '{self.password}'",
            f"GRANT {REPLICA_PRIVILEGES} ON *.* TO {self.user}@'%'",
            f"GRANT SELECT ON {self.database}.* TO {self.user}@'%'",
            *TABLES,
        )
        self.config, self.mappings = folder / f"{name}.yaml", folder / f"{name}.json"
        self.mappings.write_text(json.dumps(self._mappings()))
        self.config.write_text(yaml.safe_dump(self._document(limits)))

    def run_sql(self, *statements: str) -> None:
        """Run statements as a user with all privileges, each committed by itself."""
        with self.mariadb.connect(self.database) as connection, connection.cursor() as cursor:
            for sql in statements:
                cursor.execute(sql)
                connection.commit()

    def target(self, table: str) -> str:
        return f"{self.name}-{table}"

    def check(self) -> None:
        """Compare the items of both tables with the rows."""
        for table in KEYS:
            rows, items = self.rows(table), self.items(table)
            wrong = [key for key in rows.keys() | items.keys() if rows.get(key) != items.get(key)]
            found = [(key, rows.get(key), items.get(key)) for key in wrong[:3]]
            assert not wrong, f"{table}: {len(wrong)} of {len(rows)} rows differ: key, row, item: {found}"

    def rows(self, table: str) -> dict[tuple[Any, ...], Attributes]:
        """Return what DynamoDB must hold, by the driver's own conversion of what a SELECT gives."""
        with self.mariadb.connect(self.database) as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {table}")
            names = [column[0] for column in cursor.description]
            found = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        return {tuple(row[key] for key in KEYS[table]): attributes_of(row) for row in found}

    def items(self, table: str) -> dict[tuple[Any, ...], Attributes]:
        """Return what DynamoDB holds; each item must have a version."""
        pages = aws_client("dynamodb").get_paginator("scan").paginate(TableName=self.target(table), ConsistentRead=True)
        items = [{name: plain(value) for name, value in item.items()} for page in pages for item in page["Items"]]
        assert all(item.pop("_binlog")[0] == "N" for item in items)
        return {tuple(item[key][1] for key in KEYS[table]): item for item in items}

    def _document(self, limits: Mapping[str, object]) -> dict[str, Any]:
        server = {"host": self.mariadb.host, "port": self.mariadb.port, "user": self.user, "password": self.password}
        return {
            "job": "replicate",
            "name": self.name,
            "source": {"mysql": server},
            "table_mappings": self.mappings.name,
            "target": {"dynamodb": {"control_table": f"{self.name}-control"}},
            "limits": dict(limits),
        }

    def _mappings(self) -> dict[str, Any]:
        rules: list[dict[str, Any]] = []
        for table, keys in KEYS.items():
            rule = {"object-locator": {"schema-name": self.database, "table-name": table}}
            sort_key = {"sort-key-name": keys[1]} if len(keys) > 1 else {}
            mapping = {
                "rule-type": "object-mapping",
                "rule-action": "map-record-to-record",
                "target-table-name": self.target(table),
                "mapping-parameters": {"partition-key-name": keys[0], **sort_key},
            }
            for kind in ({"rule-type": "selection", "rule-action": "include"}, mapping):
                number = str(len(rules) + 1)
                rules.append({"rule-id": number, "rule-name": f"rule {number}", **kind, **rule})
        return {"rules": rules}


def attributes_of(row: Mapping[str, Any]) -> Attributes:
    """Return a row as the attributes of an item; NULL is none."""
    return {name: attribute_of(value) for name, value in row.items() if value is not None}


def attribute_of(value: Any) -> tuple[str, Any]:
    match value:
        case int() | Decimal():
            return "N", Decimal(value)
        case float():
            return "N", Decimal(repr(value))
        case datetime():
            return "S", value.isoformat(" ", "milliseconds")
        case bytes():
            return "B", value
        case str():
            return "S", value
    raise TypeError(type(value).__name__)


def plain(attribute: Mapping[str, Any]) -> tuple[str, Any]:
    ((kind, value),) = attribute.items()
    return kind, Decimal(value) if kind == "N" else value
