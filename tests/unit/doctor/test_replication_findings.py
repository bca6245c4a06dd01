"""What a replication's server and tables are like, by a server and a DynamoDB that are fakes."""

import pytest

from streamjoin.dms.source_table import ColumnKind, SourceColumn, SourceTable
from streamjoin.doctor import replication
from streamjoin.doctor.finding import Status
from streamjoin.errors import SourceError
from streamjoin.mysql.retention import Retention
from tests.unit.doctor.looking import DENIED, MISSING, clients, context, shown

DOCUMENT = {
    "job": "replicate",
    "name": "country",
    "source": {"mysql": {"host": "db", "user": "repl", "password": "the-password"}},
    "table_mappings": "conf/dms/country_lookup.json",
}


class Server:
    """A server that has tables, and refuses what it is told to."""

    error: SourceError | None = None
    there: tuple[SourceTable, ...] = ()

    def __init__(self, address):
        self.address = address

    def close(self):
        pass

    def folds_case(self):
        return False

    def table_names(self):
        return [(each.schema, each.name) for each in self.there]

    def tables(self, selects):
        return tuple(each for each in self.there if selects(each.schema, each.name))

    def preflight(self, selects, requires, wanted, *, may_have_none):
        if self.error is not None:
            raise self.error


@pytest.fixture
def kept(monkeypatch):
    """Return the binlog's retention, in seconds, as the server is to tell it."""
    seconds = [7 * 86_400.0]
    monkeypatch.setattr(replication, "MysqlServer", Server)
    monkeypatch.setattr(replication, "Settings", lambda session: session)
    monkeypatch.setattr(
        replication, "retention", lambda _: Retention(seconds[0], "expire", "SET GLOBAL expire = 604800;")
    )
    return seconds


def look(check, **dynamodb):
    client, made = clients(dynamodb=dynamodb)
    return list(check(context(DOCUMENT, client))), made


def test_each_problem_of_the_preflight_is_a_line_with_the_statements_that_mend_it(kept, monkeypatch):
    lines = [
        "source 'repl@db:3306' can't be replicated",
        "REPLICATION SLAVE is not granted",
        "binlog_format is STATEMENT; expected ROW",
        "run as an administrator:\n      GRANT REPLICATION SLAVE ON *.* TO 'repl'@'%';\n"
        "      SET GLOBAL binlog_format = ROW;",
    ]
    monkeypatch.setattr(Server, "error", SourceError("\n  - ".join(lines)))
    found, _ = look(replication.server, get_item={})
    bad = [each for each in found if each.status is Status.BAD]
    assert [each.found for each in bad] == lines[1:3]
    statements = "GRANT REPLICATION SLAVE ON *.* TO 'repl'@'%'; SET GLOBAL binlog_format = ROW;"
    assert {each.remedy for each in bad} == {f"Run as an administrator: {statements}"}
    assert {each.what for each in found if each.status is Status.GOOD} == {"server 'db:3306', binlog"}


def test_a_binlog_that_is_kept_for_less_than_a_day_is_bad(kept):
    kept[0] = 3_600.0
    found, _ = look(replication.server, get_item={})
    (bad,) = [each for each in found if each.status is Status.BAD]
    assert bad.remedy == "Run as an administrator: SET GLOBAL expire = 604800;"


def described(key):
    return {
        "Table": {
            "TableName": "t",
            "TableStatus": "ACTIVE",
            "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"}],
        }
    }


@pytest.fixture
def source_table(monkeypatch):
    from streamjoin.replicate.config import read_table_mappings  # noqa: PLC0415

    mappings = read_table_mappings(context(DOCUMENT, lambda *_: None).config)
    rule = mappings.object_mappings[0]
    schema, name = rule.locator.schema.text, rule.locator.table.text
    columns = tuple(SourceColumn(each, ColumnKind.TEXT) for each in ("code", "countryname", "combinedname"))
    monkeypatch.setattr(Server, "there", (SourceTable(schema, name, columns, ("code",)),))
    return Server.there[0]


def test_targets_that_are_not_there_are_made_and_nothing_is_made_by_looking(kept, source_table):
    found, made = look(replication.targets, describe_table=MISSING)
    assert {each.found for each in found} == {"not there yet: the job makes it"}, shown(found)
    assert len(found) == 2
    assert {name for name, _ in made["dynamodb"].calls} == {"describe_table"}


def test_without_its_server_the_targets_can_not_be_told(kept, monkeypatch):
    def away(self):
        message = "source 'repl@db:3306': connecting failed"
        raise SourceError(message, retryable=True)

    monkeypatch.setattr(Server, "folds_case", away)
    control, found = look(replication.targets, describe_table=MISSING)[0]
    assert (control.status, found.status) == (Status.GOOD, Status.UNKNOWN)


def test_a_target_with_another_key_is_bad(kept, source_table):
    found, _ = look(replication.targets, describe_table=described("another"))
    (bad,) = [each for each in found if each.status is Status.BAD]
    assert "found partition key 'another' (S)" in bad.found
    assert "A table's key can't be changed" in bad.remedy


def test_what_is_denied_names_the_action(kept, source_table):
    found, _ = look(replication.targets, describe_table=DENIED)
    assert {each.status for each in found} == {Status.BAD}
    assert all("dynamodb:DescribeTable" in each.remedy for each in found)
