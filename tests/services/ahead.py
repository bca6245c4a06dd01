"""Fetch the servers that tests run, while tests that need none run: `python -m tests.services.ahead`.

What can't be fetched is told by the test that needs it.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from streamjoin.local import mariadb_program
from streamjoin.spark.java import java_home
from tests.services import dynamodb_local, kinesis_local, mysql_programs


def main() -> None:
    home = Path.home()
    with ThreadPoolExecutor() as threads:
        threads.submit(dynamodb_local.fetch, str(Path(java_home()) / "bin" / "java"), home / ".ivy2")
        threads.submit(kinesis_local.fetch, home / ".cache" / "streamjoin")
        threads.submit(mariadb_program.find)
        for release in (mysql_programs.MYSQL_57, mysql_programs.MYSQL_80):
            threads.submit(mysql_programs.program, release)


if __name__ == "__main__":
    main()
