"""Fetch and make what later tests run, while tests that need none run: `python -m tests.services.ahead`.

What can't be had is told by the test that needs it.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from streamjoin.local import mariadb_program
from streamjoin.spark.java import java_home
from tests.distributions import fetched
from tests.services import dynamodb_local, kinesis_local, mysql_programs
from tests.start_up import class_archive_in, quick_variables, variables

_ROOT = Path(__file__).parents[2]


def main() -> None:
    home, cache = Path.home(), _ROOT / ".pytest_cache" / "d" / "start_up"
    cache.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor() as threads:
        threads.submit(fetched, "5.0")
        threads.submit(dynamodb_local.fetch, str(Path(java_home()) / "bin" / "java"), home / ".ivy2")
        threads.submit(kinesis_local.fetch, home / ".cache" / "streamjoin")
        threads.submit(mariadb_program.find)
        for release in (mysql_programs.MYSQL_57, mysql_programs.MYSQL_80):
            threads.submit(mysql_programs.program, release)
        with variables(quick_variables(cache)):
            class_archive_in(cache)


if __name__ == "__main__":
    main()
