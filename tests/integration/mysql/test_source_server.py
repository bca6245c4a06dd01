"""The server for demos and tests: seen by this machine alone, gone with the process that started it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pymysql
import pytest

from streamjoin.local.mariadb import MariaDb
from tests.integration.lock.listening import listening
from tests.integration.mysql.conftest import DEADLINE_SECONDS

OWNER = """
from streamjoin.local.mariadb import MariaDb
with MariaDb() as running:
    print(running.port, running.password, flush=True)
    input()
"""


def answers(port: int, password: str) -> bool:
    try:
        pymysql.connect(host="127.0.0.1", port=port, user="streamjoin", password=password).close()
    except pymysql.MySQLError:
        return False
    return True


def test_it_listens_on_loopback_alone_and_writes_what_a_replication_needs(mariadb: MariaDb) -> None:
    assert listening(mariadb.pid) == {f"127.0.0.1:{mariadb.port}"}
    variables = dict(mariadb.execute("SHOW GLOBAL VARIABLES LIKE 'binlog_row%'"))
    assert variables["binlog_row_image"] == variables["binlog_row_metadata"] == "FULL"


def test_its_password_is_on_no_command_line(mariadb: MariaDb) -> None:
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert mariadb.password.encode() not in entry.read_bytes()
        except OSError:
            # Ended while we looked.
            continue


def test_its_data_is_gone_with_it_and_stays_through_a_restart() -> None:
    with MariaDb() as running:
        running.execute("CREATE DATABASE kept")
        # Its temporary tables too: those of another server it would delete when it starts.
        (folder,) = {
            Path(row[1]).parent
            for row in running.execute("SHOW VARIABLES WHERE variable_name IN ('datadir', 'tmpdir')")
        }
        running.stop()
        assert not answers(running.port, running.password)
        running.start()
        assert ("kept",) in running.execute("SHOW DATABASES")
        assert folder.exists()
    assert not folder.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_it_ends_and_leaves_nothing_when_its_owner_is_killed(tmp_path: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert owner.stdout is not None
    port, password = owner.stdout.readline().split()
    assert answers(int(port), password)
    owner.kill()
    owner.wait()
    deadline = time.monotonic() + DEADLINE_SECONDS
    while answers(int(port), password) or any(tmp_path.iterdir()):
        assert time.monotonic() < deadline
