"""The tables that items are written to: looked at, and made if they are missing."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from botocore.exceptions import ClientError

from streamjoin.aws.backoff import back_off_seconds
from streamjoin.aws.errors import code_of
from streamjoin.dynamodb.table import TableClient, TableErrors, find
from streamjoin.errors import SinkError

log = logging.getLogger(__name__)

READY_TIMEOUT_SECONDS: Final = 300.0
_FIRST_POLL_SECONDS: Final = 0.05
_LONGEST_POLL_SECONDS: Final = 0.5
_KEY_KINDS: Final = ("HASH", "RANGE")
# Items can be written to a table in any of these.
# Source: docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TableDescription.html
_USABLE: Final = frozenset({"ACTIVE", "UPDATING"})


class UnfitTableError(SinkError):
    """A table isn't there and isn't to be made, or has another key than its items need."""


class MakingClient(TableClient, Protocol):
    """The calls of boto3's DynamoDB client that making tables needs."""

    def create_table(self, **request: Any) -> Mapping[str, Any]:
        """Call CreateTable."""


def ensure_table(
    client: MakingClient,
    name: str,
    key_types: Mapping[str, str],
    *,
    create: bool,
    stream: bool = True,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return when the table is there, with this key, and can be written.

    A table that is made is billed on demand. One that is there is left as it is, its stream too.

    Args:
        client: boto3's DynamoDB client.
        name: The table's name.
        key_types: Attributes of its key and their types (S, N, B), partition key first.
        create: Whether to make it if it is missing.
        stream: Whether a table that is made has a change stream, of new and old images.
        clock: Seconds that never go back.
        sleep: Waits a number of seconds.

    Raises:
        UnfitTableError: Its key is another, or it's missing and `create` is false.
        SinkError: It can't be made, or isn't ready in time.
    """
    deadline = clock() + READY_TIMEOUT_SECONDS
    errors = _errors(client, name)
    is_made, polls = False, 0
    while True:
        table = find(client, name, errors.of)
        if table is None:
            if not create:
                message = (
                    f"{errors.table}: there is no such table. Create it with the key {_text(key_types)}, or set "
                    "target.dynamodb.create_tables: true."
                )
                raise UnfitTableError(message)
            # Said of a table that was just made, too, until the service knows it everywhere.
            is_made = is_made or _make(client, name, key_types, errors, stream=stream)
        else:
            _require_key(errors.table, table.key_types, key_types)
            if table.status in _USABLE:
                return
        if clock() >= deadline:
            status = f"status '{table.status}'" if table else "no table"
            message = (
                f"{errors.table}: expected status 'ACTIVE' within {READY_TIMEOUT_SECONDS:.0f} s, found {status}. Look "
                "at the table, then start the job again."
            )
            raise SinkError(message, retryable=True)
        sleep(back_off_seconds(polls, _FIRST_POLL_SECONDS, _LONGEST_POLL_SECONDS))
        polls += 1


def description(name: str, key_types: Mapping[str, str]) -> dict[str, Any]:
    """Return a new table as the service is told of it: billed on demand, without a stream.

    Args:
        name: The table's name.
        key_types: Attributes of its key and their types (S, N, B), partition key first.
    """
    return {
        "TableName": name,
        "KeySchema": [
            {"AttributeName": key, "KeyType": kind} for key, kind in zip(key_types, _KEY_KINDS, strict=False)
        ],
        "AttributeDefinitions": [{"AttributeName": key, "AttributeType": type_} for key, type_ in key_types.items()],
        "BillingMode": "PAY_PER_REQUEST",
    }


def _make(client: MakingClient, name: str, key_types: Mapping[str, str], errors: TableErrors, *, stream: bool) -> bool:
    specification = (
        {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"} if stream else {"StreamEnabled": False}
    )
    with errors.of("CreateTable"):
        try:
            client.create_table(**description(name, key_types), StreamSpecification=specification)
        except ClientError as error:
            # Another process made it meanwhile, or our own call did and its answer was lost.
            if code_of(error) != "ResourceInUseException":
                raise
        else:
            log.info("table '%s': made, with the key %s", name, _text(key_types))
    return True


def _require_key(where: str, found: Mapping[str, str], expected: Mapping[str, str]) -> None:
    if list(found.items()) == list(expected.items()):
        return
    message = (
        f"{where}: expected the key {_text(expected)}, found {_text(found)}. A table's key can't be changed: have the "
        "table mappings name another table or this key, or delete the table."
    )
    raise UnfitTableError(message)


def _text(key_types: Mapping[str, str]) -> str:
    kinds = zip(("partition key", "sort key"), key_types.items(), strict=False)
    return ", ".join(f"{kind} '{name}' ({type_})" for kind, (name, type_) in kinds)


def _errors(client: TableClient, name: str) -> TableErrors:
    return TableErrors(
        SinkError,
        f"table '{name}' in region '{client.meta.region_name}'",
        "target.dynamodb.{}",
        missing="Set target.dynamodb.create_tables: true.",
        throttled="Start the job again when fewer tables are being made.",
    )
