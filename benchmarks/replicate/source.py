"""The table that is replicated, on a real MariaDB server: its rows, and statements that change many at once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from streamjoin.local.mariadb import MariaDb
from streamjoin.mysql import BinlogPosition

DATABASE, TABLE, TARGET = "bench", "orders", "bench_orders"
KEY, NUMBER = "id", "number"
ROWS_A_STATEMENT = 1_000

_TABLE = f"""CREATE TABLE {DATABASE}.{TABLE} (
  {KEY} INT UNSIGNED PRIMARY KEY, {NUMBER} BIGINT NOT NULL, country VARCHAR(40), amount DECIMAL(12,2),
  note VARCHAR(80), ordered_at DATETIME(3)) CHARACTER SET utf8mb4"""
# The column NUMBER has the number of the row's last change.
_FILL = f"""INSERT INTO {DATABASE}.{TABLE}
  SELECT seq, 0, ELT(1 + seq % 4, 'India', 'USA', 'Australia', 'Germany'), seq / 100, CONCAT('order number ', seq),
         TIMESTAMP('2024-01-01') + INTERVAL seq * 1001000 MICROSECOND FROM seq_1_to_"""  # noqa: S608  (our own names)
UPDATE_ONE = f"UPDATE {DATABASE}.{TABLE} SET {NUMBER} = %s, amount = amount + 1 WHERE {KEY} = %s"  # noqa: S608
_UPDATE_MANY = f"""UPDATE {DATABASE}.{TABLE} SET {NUMBER} = %s + {KEY}, amount = amount + 1, note = CONCAT(note, '.')
  WHERE {KEY} BETWEEN %s AND %s"""  # noqa: S608

Attributes = dict[str, tuple[str, Any]]


@dataclass(frozen=True)
class Source:
    """The server with the table.

    Args:
        server: It runs.
        rows: What the table has, ids from 1 on; none is ever added or deleted.
    """

    server: MariaDb
    rows: int

    def create(self) -> None:
        """Make the table with its rows."""
        self.server.execute(f"CREATE DATABASE {DATABASE}")
        self.server.execute(_TABLE)
        self.server.execute(f"{_FILL}{self.rows}", database=DATABASE)

    def change_many(self, count: int, number: int) -> BinlogPosition:
        """Change the first `count` rows, each once, a thousand in a transaction; return where the binlog ends then.

        Each row's change gets `number` and the row's id as its own number.
        """
        with self.server.connect() as connection, connection.cursor() as cursor:
            for first in range(1, count + 1, ROWS_A_STATEMENT):
                cursor.execute(_UPDATE_MANY, (number, first, min(first + ROWS_A_STATEMENT - 1, count)))
                connection.commit()
        return self.end()

    def end(self) -> BinlogPosition:
        """Return where the binlog ends now."""
        ((file, offset, *_),) = self.server.execute("SHOW MASTER STATUS")
        return BinlogPosition(file, int(offset))

    def expected(self) -> Iterator[tuple[int, Attributes]]:
        """Yield for each row its key and what its item must hold, by the driver's own conversion."""
        with self.server.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {DATABASE}.{TABLE}")  # noqa: S608
            names = [column[0] for column in cursor.description]
            for values in cursor.fetchall():
                row = dict(zip(names, values, strict=True))
                yield row[KEY], {name: attribute_of(value) for name, value in row.items() if value is not None}


def attribute_of(value: object) -> tuple[str, Any]:
    """Return a column's value as an attribute's type and value."""
    if isinstance(value, int | Decimal):
        return "N", Decimal(value)
    return "S", value.isoformat(" ", "milliseconds") if isinstance(value, datetime) else str(value)


def items_of(client: Any) -> Iterator[tuple[int, Attributes]]:
    """Yield each item's key and attributes, but for the version that the job adds to all of them."""
    for page in client.get_paginator("scan").paginate(TableName=TARGET, ConsistentRead=True):
        for item in page["Items"]:
            yield int(item[KEY]["N"]), {name: plain(value) for name, value in item.items() if name != "_binlog"}


def plain(attribute: Mapping[str, Any]) -> tuple[str, Any]:
    """Return an attribute's type and value; numbers as such, since one may be written in several ways."""
    ((kind, value),) = attribute.items()
    return kind, Decimal(value) if kind == "N" else value


def differences(rows: Mapping[int, Attributes], items: Mapping[int, Attributes]) -> list[str]:
    """Return what is wrong with the items: each must be its row, and each row must have one."""
    wrong = sorted(key for key in rows.keys() | items.keys() if rows.get(key) != items.get(key))
    if not wrong:
        return []
    key = wrong[0]
    return [
        f"{len(wrong):,} of {len(rows):,} rows are no equal items, such as {key}: "
        f"row {rows.get(key)}, item {items.get(key)}"
    ]
