# ruff: noqa: S608  (statements of a test's own database)
"""Changes of a replica's rows at random: transactions of one row or many, some rolled back, keys that move."""

import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.e2e.replica import Replica

REGIONS = ("EU", "US", "AS")
NOTES = 40
LONGEST_TRANSACTION = 12
ROLLED_BACK_SHARE = 0.05
PAUSE_SECONDS = 0.005
# MySQL has no table of numbers, and before 8.0 no query that makes one.
_DIGITS = [f"(SELECT 0 AS n{''.join(f' UNION ALL SELECT {n}' for n in range(1, 10))}) AS {name}" for name in "abcde"]


def fill(replica: Replica, rows: int) -> None:
    """Give both tables their first rows; a third of the orders is in each region."""

    def sequence(last: int) -> str:
        numbers = f"SELECT 1 + a.n + 10 * b.n + 100 * c.n + 1000 * d.n + 10000 * e.n AS seq FROM {', '.join(_DIGITS)}"
        return f"({numbers}) AS numbers WHERE seq <= {last}"

    replica.run_sql(
        "INSERT INTO orders SELECT ELT(1 + seq % 3, 'EU', 'US', 'AS'), seq DIV 3, seq / 7, CONCAT('first 👍 ', seq), "
        "TIMESTAMP('2024-01-01') + INTERVAL seq * 1001000 MICROSECOND, seq / 3, 1 + seq % 7, UNHEX(MD5(seq)) "
        f"FROM {sequence(rows)}",
        f"INSERT INTO notes SELECT seq, CONCAT('first ', seq) FROM {sequence(NOTES)}",
    )


class RowChanges:
    """Changes rows on a connection of its own.

    Args:
        replica: Whose rows.
        rows: What `fill` made.
        seed: The same changes for the same seed.
    """

    def __init__(self, replica: Replica, rows: int, seed: int) -> None:
        self._replica, self._chance = replica, random.Random(seed)
        self._ids = rows // 3
        self._shift = 2 * self._ids
        self._abandoned = threading.Event()
        self.made = 0

    @contextmanager
    def coming(
        self, count: int, statements: Mapping[int, str], allowed: Callable[[], int]
    ) -> Iterator[threading.Thread]:
        """Change `count` rows, or a few more, while the block runs; leaving it waits for the last.

        Args:
            count: How many.
            statements: What else to run, after so many changes.
            allowed: So many may have been made by now; lets them come at the job's pace, whatever the machine's.
        """
        thread = threading.Thread(target=self._make, args=(count, dict(statements), allowed))
        thread.start()
        try:
            yield thread
            thread.join()
        finally:
            self._abandoned.set()
            thread.join()

    def _make(self, count: int, statements: dict[int, str], allowed: Callable[[], int]) -> None:
        with self._replica.mariadb.connect(self._replica.database) as connection, connection.cursor() as cursor:
            while self.made < count:
                while self.made >= allowed():
                    if self._abandoned.wait(PAUSE_SECONDS):
                        return
                changed = 0
                for _ in range(self._chance.choice((1, 1, LONGEST_TRANSACTION))):
                    changed += self._change(cursor)
                if self._chance.random() < ROLLED_BACK_SHARE:
                    connection.rollback()
                    continue
                connection.commit()
                self.made += changed
                for after in [after for after in statements if after <= self.made]:
                    cursor.execute(statements.pop(after))

    def _change(self, cursor: Any) -> int:
        """Run a statement; return how many rows it changed."""
        chance = self._chance
        kind = chance.choices(("update", "insert", "delete", "move", "note"), (50, 20, 10, 15, 5))[0]
        region, first = chance.choice(REGIONS), chance.randrange(self._ids)
        where = f"WHERE region = '{region}' AND id BETWEEN {first} AND {first + chance.choice((0, 0, 20))}"
        if kind == "update":
            values = (chance.randrange(10**9), f"changed {chance.random()}", chance.random())
            sql = "UPDATE orders SET amount = %s / 100, note = NULLIF(RIGHT(%s, 20), '0'), share = %s, tags = 'a,c' "
            return int(cursor.execute(sql + where, values))
        if kind == "insert":
            # Many of these keys are there, and many were deleted before.
            new = [(region, first + index, first, None, "2024-02-29 12:00:00.5", 1.5) for index in range(10)]
            sql = "REPLACE INTO orders (region, id, amount, note, at, share) VALUES (%s, %s, %s, %s, %s, %s)"
            return int(cursor.executemany(sql, new))
        if kind == "delete":
            return int(cursor.execute(f"DELETE FROM orders {where}"))
        if kind == "move":
            # To another region, or far away and back; if a row is there already, none moves.
            far = f"IF(id < {self._shift}, id + {self._shift}, id - {self._shift})"
            moved = chance.choice((f"region = '{chance.choice(REGIONS)}'", f"id = {far}"))
            return int(cursor.execute(f"UPDATE IGNORE orders SET {moved} {where}"))
        return int(cursor.execute("REPLACE INTO notes (id, text) VALUES (%s, %s)", (first % NOTES, str(first))))
