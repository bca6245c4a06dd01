"""What preflight says of servers that no test can start: their settings, and the statements that are missing there."""

from typing import Any

import pytest

from streamjoin.errors import SourceError
from streamjoin.mysql import preflight
from streamjoin.mysql.retention import retention
from streamjoin.mysql.settings import Settings
from tests.faults.mysql import fake_session

PARSE_ERROR, NO_PROCEDURE, DENIED_PROCEDURE, DENIED = 1064, 1305, 1370, 1227
DENIED_TABLE, NO_TABLE = 1142, 1146
RIGHT = {"log_bin": "ON", "binlog_format": "ROW", "binlog_row_image": "FULL"}
MYSQL_8 = {**RIGHT, "persisted_globals_load": "ON"}
RDS = {**RIGHT, "basedir": "/rdsdbbin/mysql/"}
AURORA = {**RIGHT, "aurora_version": "2.11.2"}
NOT_RDS = {"rds_show": NO_PROCEDURE}


def answers(variables: dict[str, str], **others: Any) -> dict[str, Any]:
    rows = [(name.encode(), value.encode()) for name, value in variables.items()]
    return {"SHOW GLOBAL VARIABLES": rows, **others}


def hours(value: bytes | None) -> dict[str, Any]:
    return {"rds_show": [(b"source delay", b"0", b"..."), (b"binlog retention hours", value, b"...")]}


def problems(variables: dict[str, str], **others: Any) -> tuple[list[str], list[str]]:
    session, _ = fake_session(answers(variables, **{**NOT_RDS, **others}))
    return Settings(session).problems()


@pytest.mark.parametrize(
    ("server", "statement"),
    [
        (RIGHT, "SET GLOBAL binlog_format = ROW;"),
        (MYSQL_8, "SET PERSIST binlog_format = ROW;"),
        (RDS, None),
        (AURORA, None),
    ],
)
def test_a_setting_is_set_in_the_words_of_the_server(server: dict[str, str], statement: str | None) -> None:
    said, statements = problems({**server, "binlog_format": "MIXED"})
    assert statements == ([] if statement is None else [statement])
    assert ["my.cnf too" in line for line in said] == [server is RIGHT]
    assert ["set binlog_format to ROW in the parameter group" in line for line in said] == [statement is None]


def test_a_server_without_a_binlog_is_told_how_it_gets_one() -> None:
    assert problems({**RIGHT, "log_bin": "OFF"})[0] == [
        "log_bin is OFF: the server writes no binlog; set log_bin and restart it"
    ]
    assert problems({**RDS, "log_bin": "OFF"})[0] == [
        "log_bin is OFF: the server writes no binlog; let it make backups"
    ]


def test_settings_of_mysql_that_lose_columns_or_changes_are_named() -> None:
    variables = {**MYSQL_8, "binlog_row_value_options": "PARTIAL_JSON", "log_replica_updates": "OFF"}
    (parts, updates), statements = problems(variables, **{"REPLICA": PARSE_ERROR, "SLAVE STATUS": [(b"Waiting",)]})
    assert "JSON is logged in parts" in parts
    assert "log_slave_updates is OFF" in updates
    assert statements == ["SET PERSIST binlog_row_value_options = '';"]
    assert problems({**RIGHT, "log_slave_updates": "OFF"}, **{"SLAVE": DENIED, "REPLICA": DENIED}) == ([], [])


WEEK = "CALL mysql.rds_set_configuration('binlog retention hours', 168);"


@pytest.mark.parametrize(
    ("variables", "rds", "kept", "remedy"),
    [
        ({**RIGHT, "expire_logs_days": "0"}, {}, "kept until it is purged (expire_logs_days)", None),
        ({**RIGHT, "expire_logs_days": "10"}, {}, "kept for 10 days (expire_logs_days)", None),
        (
            {**RIGHT, "expire_logs_days": "0.5", "binlog_expire_logs_seconds": "43200"}, {},
            "kept for 12 hours (binlog_expire_logs_seconds)", "SET GLOBAL binlog_expire_logs_seconds = 604800;",
        ),
        ({**MYSQL_8, "binlog_expire_logs_seconds": "2592000", "expire_logs_days": "0"}, {}, "kept for 30 days", None),
        (
            {**MYSQL_8, "binlog_expire_logs_seconds": "0", "expire_logs_days": "0.5"}, {},
            "kept for 12 hours (expire_logs_days)", "SET PERSIST expire_logs_days = 7;",
        ),
        (
            {**MYSQL_8, "binlog_expire_logs_seconds": "7200"}, {}, "kept for 2 hours",
            "SET PERSIST binlog_expire_logs_seconds = 604800;",
        ),
        (
            {**MYSQL_8, "binlog_expire_logs_seconds": "7200", "binlog_expire_logs_auto_purge": "OFF"}, {},
            "kept until it is purged (binlog_expire_logs_auto_purge)", None,
        ),
        (
            {**RIGHT, "binlog_expire_logs_seconds": "864000", "max_binlog_total_size": "1000"}, {},
            "kept for 10 days (binlog_expire_logs_seconds; less if it has 1000 bytes, max_binlog_total_size)", None,
        ),
        (RDS, hours(b"24"), "kept for 24 hours (binlog retention hours)", None),
        (RDS, hours(b"6"), "kept for 6 hours (binlog retention hours)", WEEK),
        (RDS, hours(None), "doesn't say for how long it keeps the binlog (binlog retention hours)", WEEK),
        ({**AURORA, "binlog_expire_logs_seconds": "9"}, {"rds_show": DENIED_PROCEDURE}, "this user may not see", WEEK),
    ],
)  # fmt: skip
def test_how_long_the_binlog_is_kept_is_said_with_the_statement_that_makes_it_a_week(
    variables: dict[str, str], rds: dict[str, Any], kept: str, remedy: str | None
) -> None:
    session, _ = fake_session(answers(variables, **{**NOT_RDS, **rds}))
    found = retention(Settings(session))
    assert kept in str(found)
    assert found.is_short == (remedy is not None)
    if remedy is not None:
        assert found.remedy == remedy


def test_all_is_told_at_once_with_the_statements_that_are_missing() -> None:
    session, _ = fake_session(
        answers(
            {**RDS, "binlog_row_image": "MINIMAL", "log_bin": "OFF"},
            **{**hours(None), "information_schema": [], "CURRENT_USER": [(b"reader@%",)]},
        )
    )
    with pytest.raises(SourceError) as error:
        preflight.check(session, lambda *_: True, lambda *_: True, [("shop", "a`b"), ("shop", None), (None, "t")])
    assert str(error.value).splitlines()[1:] == [
        "  - log_bin is OFF: the server writes no binlog; let it make backups",
        "  - binlog_row_image is MINIMAL: the binlog has only some columns of a row; set binlog_row_image to FULL in "
        "the parameter group (of Aurora: of the cluster)",
        "  - no selected table is to be seen: there is none, or SELECT is not granted",
        "  - the server doesn't say for how long it keeps the binlog (binlog retention hours): after a stop of the "
        "job, or a long full load, --reload may be needed",
        "  - run as an administrator:",
        "      GRANT SELECT ON `shop`.`a``b` TO 'reader'@'%';",
        "      GRANT SELECT ON `shop`.* TO 'reader'@'%';",
        "      GRANT SELECT ON *.* TO 'reader'@'%';",
        f"      {WEEK}",
    ]


def test_a_named_table_that_may_not_be_read_is_told_at_each_start_of_the_job() -> None:
    there = {"information_schema": [], "CURRENT_USER": [(b"reader@%",)], "`a`": DENIED_TABLE, "`gone`": NO_TABLE}
    session, _ = fake_session(answers({**RDS, "log_bin": "OFF"}, **{**hours(b"168"), **there}))
    wanted = [("shop", "a"), ("shop", "gone"), ("shop", None), ("shop", "other")]
    with pytest.raises(SourceError) as error:
        preflight.check(session, lambda _, name: name != "other", lambda *_: True, wanted, may_have_none=True)
    assert str(error.value).splitlines()[2:] == [
        "  - table 'shop.a' is not seen: SELECT is not granted; or there is none, then take its rules out",
        "  - run as an administrator:",
        "      GRANT SELECT ON `shop`.`a` TO 'reader'@'%';",
    ]
