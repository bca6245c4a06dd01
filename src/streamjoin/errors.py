"""Errors that stop a job, and the reasons for which a single record is set aside.

::

    StreamJoinError
    ├── ConfigError              the configuration is wrong; nothing was started
    │   └── AwsSettingsError     what is set for the AWS SDK makes no client; nothing was sent
    ├── SchemaError              a declared schema can't be used, or doesn't fit what is there
    ├── SourceError              a stream can't be read
    │   └── DataLossError        records between the position and the trim horizon are gone
    ├── ReferenceTableError      a reference table can't be read
    │   └── StaleReferenceError  the last good snapshot is older than allowed
    ├── SinkError                a table can't be read or written
    ├── StackError               a CloudFormation stack is missing, failed, or lacks what a job needs
    └── LocalStackError          the embedded services on this machine don't do what they should

A record that can't be used is never an exception: it becomes a dead letter with a `RejectReason`.
"""

from enum import StrEnum


class StreamJoinError(Exception):
    """Base of all errors that streamjoin raises on purpose; its text says what to do.

    Args:
        message: What failed, the identifier in quotes, observed against expected, what to do.
        retryable: Whether the same step may succeed when the runner tries it again.
    """

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


class ConfigError(StreamJoinError):
    """The configuration is wrong. Raised before anything is started; lists every problem at once.

    Args:
        problems: One line a problem: the key's path, what was found, what is allowed.
        where: The file that the configuration came from.
    """

    def __init__(self, problems: list[str], where: str = "configuration") -> None:
        self.problems = problems
        noun = "problem" if len(problems) == 1 else "problems"
        super().__init__("\n".join([f"{where}: {len(problems)} {noun}", *(f"  - {p}" for p in problems)]))


class AwsSettingsError(ConfigError):
    """No region, no credentials or half of them, or a profile that isn't there. Not raised for what a service refuses.

    Args:
        problem: What was found, and which key or variable to set.
    """

    def __init__(self, problem: str) -> None:
        super().__init__([problem])
        # One problem, of no file.
        self.args = (problem,)


class SchemaError(StreamJoinError):
    """A schema that was declared can't be parsed, or doesn't fit the frame or table at hand."""


class SourceError(StreamJoinError):
    """A stream is missing, denied or unreachable. Not raised for a single bad record."""


class DataLossError(SourceError):
    """The stream no longer holds the position; raised only while `fail_on_data_loss` is true. Nothing was written."""


class ReferenceTableError(StreamJoinError):
    """A reference table is missing, denied, unreachable, or has duplicates, but none are allowed."""


class StaleReferenceError(ReferenceTableError):
    """A reference could not be refreshed for longer than `max_staleness_seconds`. Nothing of the batch was written."""


class SinkError(StreamJoinError):
    """A table can't be read or written. Whether the commit in hand happened is known from its timeline alone."""


class StackError(StreamJoinError):
    """A CloudFormation stack isn't there, can't be deployed or deleted, or lacks an output. Says what is left of it."""


class LocalStackError(StreamJoinError):
    """The embedded services could not be started, stopped or found."""


class RejectReason(StrEnum):
    """Why a record became a dead letter; stored as text in the column `reason`."""

    EMPTY_PAYLOAD = "EMPTY_PAYLOAD"
    MALFORMED_COMPRESSION = "MALFORMED_COMPRESSION"
    TOO_LARGE = "TOO_LARGE"
    NOT_UTF8 = "NOT_UTF8"
    MALFORMED_JSON = "MALFORMED_JSON"
    NOT_AN_OBJECT = "NOT_AN_OBJECT"
    NO_EVENT = "NO_EVENT"
    MALFORMED_CSV = "MALFORMED_CSV"
    MALFORMED_AVRO = "MALFORMED_AVRO"
    UNKNOWN_SCHEMA = "UNKNOWN_SCHEMA"
    WRONG_TYPE = "WRONG_TYPE"
    MISSING_RECORD_KEY = "MISSING_RECORD_KEY"
    INVALID_ORDERING = "INVALID_ORDERING"
    INVALID_PARTITION = "INVALID_PARTITION"
    UNMATCHED_REFERENCE = "UNMATCHED_REFERENCE"
    NOT_A_CHANGE = "NOT_A_CHANGE"
    UNLISTED_TABLE = "UNLISTED_TABLE"
    TABLE_CONFLICT = "TABLE_CONFLICT"
    EXPRESSION_FAILED = "EXPRESSION_FAILED"
    NOT_COMPUTABLE = "NOT_COMPUTABLE"
    UNWRITABLE = "UNWRITABLE"
