"""Two jobs with one DynamoDB table as their target, on real servers and the emulator."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streamjoin.entry import parse_job
from streamjoin.replicate.config import ReplicateConfig
from streamjoin.replicate.pipeline import run
from tests.integration.mysql.conftest import Database


def rules(schema: str, table: str, target: str, sort_key: str) -> dict[str, Any]:
    locator = {"schema-name": schema, "table-name": table}
    attribute = {"attribute-type": "scalar", "attribute-sub-type": "string"}
    attributes = [
        {"target-attribute-name": "pk", **attribute, "value": "${title_id}"},
        {"target-attribute-name": "sk", **attribute, "value": sort_key},
    ]
    return {"rules": [
        {"rule-type": "selection", "rule-id": "1", "rule-name": "1", "rule-action": "include",
         "object-locator": locator},
        {"rule-type": "object-mapping", "rule-id": "2", "rule-name": "2", "rule-action": "map-record-to-record",
         "object-locator": locator, "target-table-name": target,
         "mapping-parameters": {"partition-key-name": "pk", "sort-key-name": "sk", "attribute-mappings": attributes}},
    ]}  # fmt: skip


def test_each_job_of_a_table_deletes_its_own_items_alone(
    any_database: Database, dynamodb: Any, tmp_path: Path, fresh_name: Callable[[str], str]
) -> None:
    database, movies = any_database, fresh_name("movies")
    address = database.address
    mysql = {"host": address.host, "port": address.port, "user": address.user, "password": address.password}

    def job(table: str, sort_key: str) -> ReplicateConfig:
        (tmp_path / f"{table}.json").write_text(json.dumps(rules(database.name, table, movies, sort_key)))
        config = parse_job({
            "job": "replicate",
            "name": table,
            "source": {"mysql": mysql},
            "table_mappings": str(tmp_path / f"{table}.json"),
            "target": {"dynamodb": {"region": "us-east-1", "control_table": f"{movies}-control"}},
        })  # fmt: skip
        assert isinstance(config, ReplicateConfig)
        return config

    def items(config: ReplicateConfig, **options: Any) -> set[str]:
        run(config, until_caught_up=True, **options)
        return {item["sk"]["S"] + item["pk"]["S"] for item in dynamodb.scan(TableName=movies)["Items"]}

    akas, ratings = job("akas", "K|${region}"), job("ratings", "RTNG")
    database.run(
        "CREATE TABLE akas (title_id VARCHAR(20), nr INT, region VARCHAR(5) NOT NULL, PRIMARY KEY (title_id, nr))",
        "CREATE TABLE ratings (title_id VARCHAR(20) PRIMARY KEY, votes INT)",
        "INSERT INTO akas VALUES ('t1', 1, 'US'), ('t1', 2, 'DE')",
        "INSERT INTO ratings VALUES ('t1', 100), ('t2', 5)",
    )
    both = {"K|USt1", "K|DEt1", "RTNGt1", "RTNGt2"}
    assert items(akas) == {"K|USt1", "K|DEt1"}
    database.run("UPDATE ratings SET votes = votes + 1", "ALTER TABLE ratings ADD COLUMN note VARCHAR(10)")
    assert items(ratings) == both
    assert items(akas) == both
    database.run("ALTER TABLE akas ADD COLUMN note VARCHAR(10)", "ALTER TABLE ratings DROP COLUMN note")
    assert items(ratings) == both
    assert items(akas, reload=True) == both
    assert items(ratings, reload=True) == both
    database.run("TRUNCATE ratings", "DELETE FROM akas WHERE region = 'DE'")
    assert items(ratings) == {"K|USt1", "K|DEt1"}
    database.run("INSERT INTO ratings VALUES ('t3', 1)", "DROP TABLE akas", "CREATE TABLE akas LIKE ratings")
    assert items(ratings) == {"K|USt1", "K|DEt1", "RTNGt3"}
    database.run("DROP TABLE akas", "CREATE TABLE akas (title_id INT, nr INT, region INT, PRIMARY KEY (title_id, nr))")
    assert items(akas) == {"RTNGt3"}
