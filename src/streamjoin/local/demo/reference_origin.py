"""Where a demo's reference rows come from: written to DynamoDB by the demo, or replicated from MySQL or MariaDB."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

from botocore.exceptions import ClientError

from streamjoin.aws.clients import aws_client
from streamjoin.aws.errors import code_of
from streamjoin.local import mariadb_program
from streamjoin.local.demo.job_process import JobProcess
from streamjoin.local.demo.narration import Narrator
from streamjoin.local.demo.stage import Stage, wait_until_none
from streamjoin.local.samples.datasets import Dataset
from streamjoin.local.samples.orders import CHANGED_COUNTRY_ROWS, COUNTRY_ROWS, COUNTRY_TABLE
from streamjoin.local.tables import create_table, put_items

if TYPE_CHECKING:
    from streamjoin.local.mariadb import MariaDb

DATABASE: Final = "sales"
SOURCE_TABLE: Final = "country_lookup_table"
PASSWORD_VARIABLE: Final = "STREAMJOIN_DEMO_MYSQL_PASSWORD"  # noqa: S105  (its name)
PATIENCE_SECONDS = 60.0

MAPPINGS: Final = {
    "rules": [
        {
            "rule-type": "selection",
            "rule-id": "1",
            "rule-name": "countries",
            "object-locator": {"schema-name": DATABASE, "table-name": SOURCE_TABLE},
            "rule-action": "include",
        },
        {
            "rule-type": "object-mapping",
            "rule-id": "2",
            "rule-name": "countries to DynamoDB",
            "rule-action": "map-record-to-record",
            "object-locator": {"schema-name": DATABASE, "table-name": SOURCE_TABLE},
            "target-table-name": COUNTRY_TABLE,
            "mapping-parameters": {"partition-key-name": "code", "sort-key-name": "countryname"},
        },
    ]
}


class ReferenceOrigin(Protocol):
    """Makes a demo's reference rows, and changes some of them.

    Attributes:
        system: What holds the rows.
        place: Where the rows are, in words.
        change: What `change_rows` does, in words.
    """

    system: str
    place: str
    change: str

    def create(self) -> int:
        """Make the tables with their first rows; return how many rows they are."""
        ...

    def start(self, narrator: Narrator) -> None:
        """Start what brings the rows to DynamoDB, and wait until they are there."""
        ...

    def change_rows(self) -> int:
        """Change rows; return how many."""
        ...

    def finish(self) -> None:
        """End what `start` started."""
        ...


class DynamoDbOrigin:
    """The demo writes the items itself."""

    system = "DynamoDB"

    def __init__(self, dataset: Dataset, change: str) -> None:
        self._references = dataset.references
        self.place = "in DynamoDB " + ", ".join(f"'{reference.name}'" for reference in self._references)
        self.change = f"change items in DynamoDB: {change}"

    def create(self) -> int:
        """Make the tables with their items."""
        client = aws_client("dynamodb")
        for reference in self._references:
            create_table(client, reference.name, reference.keys)
        return sum(put_items(client, reference.name, reference.rows()) for reference in self._references)

    def start(self, narrator: Narrator) -> None:
        """Nothing to start: the items are there."""

    def change_rows(self) -> int:
        """Put new versions of some items."""
        client = aws_client("dynamodb")
        return sum(put_items(client, each.name, each.changed_rows()) for each in self._references)

    def finish(self) -> None:
        """Nothing to end."""


def start_server(stage: Stage) -> "MariaDb":
    """Start a server, which is fetched before if this machine has none; it ends with the demo."""
    from streamjoin.local.mariadb import MariaDb  # noqa: PLC0415  (needs the extra `mysql`)

    def report(line: str) -> None:
        stage.narrator.console.print(f"    {line}", highlight=False, soft_wrap=True)

    with stage.narrator.step("start MySQL or MariaDB on this machine, with a binlog of rows") as step:
        program = mariadb_program.find(report=report)
        server = stage.resources.enter_context(MariaDb(program=program))
        step.outcome = f"{server.system} at {server.host}:{server.port}"
    return server


class MySqlOrigin:
    """The rows are in the table of a MySQL or MariaDB server, and a replicate job keeps the items equal to them.

    Args:
        server: It runs already.
        stage: Where the job runs.
        change: What the change looks like, in words.
    """

    def __init__(self, server: "MariaDb", stage: Stage, change: str) -> None:
        self._server, self._stage = server, stage
        self._job: JobProcess | None = None
        self.system = server.system
        self.place = f"in {self.system} the table '{DATABASE}.{SOURCE_TABLE}'"
        self.change = f"four UPDATEs and an INSERT in {self.system}: {change}"

    def create(self) -> int:
        """Make the table on the server, and the files of the replicate job."""
        self._server.execute(f"CREATE DATABASE {DATABASE}")
        self._server.execute(
            f"CREATE TABLE {DATABASE}.{SOURCE_TABLE} (code varchar(3) NOT NULL, countryname varchar(60) NOT NULL, "
            "combinedname varchar(80), PRIMARY KEY (code, countryname))"
        )
        for row in COUNTRY_ROWS:
            self._insert(row)
        mappings = self._stage.directory / "country_lookup.json"
        mappings.write_text(json.dumps(MAPPINGS, indent=2))
        server = {"host": self._server.host, "port": self._server.port, "user": self._server.user}
        document = {
            "job": "replicate",
            "name": "countries",
            "source": {"mysql": {**server, "password": f"${{{PASSWORD_VARIABLE}}}"}},
            "table_mappings": str(mappings),
            "target": {"dynamodb": {"create_tables": True}},
        }
        self._config = self._stage.write("replicate.yaml", document)
        return len(COUNTRY_ROWS)

    def start(self, narrator: Narrator) -> None:
        """Start the replicate job, and wait until it has loaded the table."""
        title = f"replicate it to DynamoDB, '{COUNTRY_TABLE}': streamjoin run {self._config}"
        with narrator.step(title) as step:
            password = {PASSWORD_VARIABLE: self._server.password}
            self._job = self._stage.job(self._config, "replicate.log", password)
            rows = len(COUNTRY_ROWS)
            wait_until_none(
                lambda: rows - count_items(COUNTRY_TABLE),
                lambda left: f"table '{COUNTRY_TABLE}' has {rows - left} items instead of {rows}",
                self._job.check_running,
                patience_seconds=PATIENCE_SECONDS,
            )
            step.outcome = f"{rows} items"

    def change_rows(self) -> int:
        """Update the four rows, and insert one; the replicate job does the rest."""
        known = {row["code"] for row in COUNTRY_ROWS}
        for row in CHANGED_COUNTRY_ROWS:
            if row["code"] in known:
                update = f"UPDATE {DATABASE}.{SOURCE_TABLE} SET combinedname = %s WHERE code = %s"  # noqa: S608
                self._server.execute(update, (row["combinedname"], row["code"]))
            else:
                self._insert(row)
        return len(CHANGED_COUNTRY_ROWS)

    def _insert(self, row: Mapping[str, Any]) -> None:
        values = (row["code"], row["countryname"], row["combinedname"])
        self._server.execute(f"INSERT INTO {DATABASE}.{SOURCE_TABLE} VALUES (%s, %s, %s)", values)  # noqa: S608

    def finish(self) -> None:
        """Let the replicate job end in order."""
        if self._job is not None:
            self._job.finish()


def count_items(table: str) -> int:
    """Return how many items a small table has; 0 while it isn't there."""
    try:
        return int(aws_client("dynamodb").scan(TableName=table, Select="COUNT", ConsistentRead=True)["Count"])
    except ClientError as error:
        if code_of(error) != "ResourceNotFoundException":
            raise
        return 0
