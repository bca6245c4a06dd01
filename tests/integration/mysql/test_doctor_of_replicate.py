"""The preflight of a replication against a real MariaDB server and the embedded DynamoDB."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streamjoin.doctor.checks import examine
from streamjoin.doctor.context import Context
from streamjoin.doctor.finding import Finding, Status
from streamjoin.entry import parse_job
from tests.integration.mysql.conftest import Database
from tests.listed import listed


def look(database: Database, mappings: Path, user: str, control_table: str) -> list[Finding]:
    mariadb = database.mariadb
    mysql = {"host": mariadb.host, "port": mariadb.port, "user": user, "password": mariadb.password}
    document: dict[str, Any] = {
        "job": "replicate",
        "name": "countries",
        "source": {"mysql": mysql},
        "table_mappings": str(mappings),
        "target": {"dynamodb": {"control_table": control_table}},
        "dead_letters": {"base_path": str(mappings.parent / "dead")},
    }
    return [each for check, each in examine(Context(parse_job(document))) if check.name != "permissions"]


def test_a_server_that_is_fit_is_good_and_a_user_without_grants_is_told_the_statements(
    database: Database, dynamodb: Any, fresh_name: Callable[[str], str], tmp_path: Path
) -> None:
    database.run(
        "CREATE TABLE country (code CHAR(2) PRIMARY KEY, name TEXT)", "INSERT INTO country VALUES ('IN', 'India')"
    )
    rule = {"rule-type": "selection", "rule-id": "1", "rule-name": "1", "rule-action": "explicit"}
    mapping = {
        "rule-type": "object-mapping",
        "rule-id": "2",
        "rule-name": "2",
        "rule-action": "map-record-to-record",
        "target-table-name": fresh_name("country"),
        "mapping-parameters": {"partition-key-name": "code"},
    }
    place = {"object-locator": {"schema-name": database.name, "table-name": "country"}}
    (tmp_path / "mappings.json").write_text(json.dumps({"rules": [rule | place, mapping | place]}))
    before = listed("dynamodb", "list_tables")
    control = fresh_name("control")
    found = look(database, tmp_path / "mappings.json", database.mariadb.user, control)
    bad = [each for each in found if each.status is Status.BAD and "binlog" not in each.what]
    assert bad == []
    assert {each.found for each in found if each.what.startswith(("target", "control"))} == {
        "not there yet: the job makes it"
    }
    user = f"u{abs(hash(database.name)) % 10**8}"
    database.mariadb.execute(f"CREATE USER '{user}'@'%' IDENTIFIED BY '{database.mariadb.password}'")
    found = look(database, tmp_path / "mappings.json", user, control)
    bad = [each for each in found if each.status is Status.BAD]
    assert any("GRANT" in each.remedy and "REPLICATION SLAVE" in each.remedy for each in bad), bad
    assert database.mariadb.password not in json.dumps(found, default=str)
    assert listed("dynamodb", "list_tables") == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["mappings.json"]
