"""The demo's rows on MySQL's own servers; with MariaDB the whole demo runs in e2e."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from streamjoin.aws.clients import aws_client
from streamjoin.local.demo.reference_origin import MySqlOrigin
from streamjoin.local.demo.stage import Stage, wait_until_none
from streamjoin.local.mariadb import MariaDb
from streamjoin.local.samples.orders import CHANGED_COUNTRY_ROWS, COUNTRY_ROWS, COUNTRY_TABLE


def items() -> dict[str, str]:
    found: list[dict[str, Any]] = aws_client("dynamodb").scan(TableName=COUNTRY_TABLE)["Items"]
    return {item["code"]["S"]: item["combinedname"]["S"] for item in found}


@pytest.mark.parametrize("release", ["mysql57", "mysql80"])
def test_the_demos_countries_are_rows_of_mysql_too(
    release: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server: MariaDb = request.getfixturevalue(release)
    monkeypatch.chdir(tmp_path)
    told = Console(file=io.StringIO(), width=200)
    before, after = (
        {row["code"]: row["combinedname"] for row in rows} for rows in (COUNTRY_ROWS, CHANGED_COUNTRY_ROWS)
    )
    with Stage.opened("orders", 3, s3=False, console=told) as stage:
        origin = MySqlOrigin(server, stage, "names")
        assert origin.place.startswith("in MySQL the table")
        origin.create()
        origin.start(stage.narrator)
        assert items() == before
        origin.change_rows()
        wait_until_none(lambda: sum(items().get(code) != name for code, name in after.items()), str, lambda: None)
        origin.finish()
    server.execute("DROP DATABASE sales")
