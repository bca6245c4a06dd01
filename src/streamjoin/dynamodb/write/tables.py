"""The tables that items are written to: looked at, and made where they are missing."""

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol

from botocore.exceptions import ClientError

from streamjoin.aws.errors import Remedies, code_of, translated
from streamjoin.errors import SinkError

log = logging.getLogger(__name__)

READY_TIMEOUT_SECONDS: Final = 300.0
_POLL_SECONDS: Final = 0.5
_KEY_KINDS: Final = ("HASH", "RANGE")
# Items can be written to a table in any of these.
# Source: docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TableDescription.html
_USABLE: Final = frozenset({"ACTIVE", "UPDATING"})


class TableClient(Protocol):
    """The calls of boto3's DynamoDB client that making tables needs, and its `meta.region_name`."""

    @property
    def meta(self) -> Any:
        """The client's metadata."""

    def describe_table(self, **request: Any) -> Mapping[str, Any]:
        """Call DescribeTable."""

    def create_table(self, **request: Any) -> Mapping[str, Any]:
        """Call CreateTable."""


def ensure_table(
    client: TableClient,
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
        create: Whether to make it where it is missing.
        stream: Whether a table that is made has a change stream, of new and old images.
        clock: Seconds that never go back.
        sleep: Waits a number of seconds.

    Raises:
        SinkError: Its key is another, it's missing and `create` is false, or it can't be made or isn't ready in time.
    """
    deadline = clock() + READY_TIMEOUT_SECONDS
    is_made = False
    while True:
        table = _described(client, name)
        if table is None:
            if not create:
                raise _missing(client, name, key_types)
            # Said of a table that was just made, too, until the service knows it everywhere.
            is_made = is_made or _make(client, name, key_types, stream=stream)
        else:
            _require_key(client, name, _key_types(table), key_types)
            if table["TableStatus"] in _USABLE:
                return
        if clock() >= deadline:
            status = f"status '{table['TableStatus']}'" if table else "no table"
            message = (
                f"{_named(client, name)}: expected status 'ACTIVE' within {READY_TIMEOUT_SECONDS:.0f} s, found "
                f"{status}. Look at the table, then start the job again."
            )
            raise SinkError(message, retryable=True)
        sleep(_POLL_SECONDS)


def _described(client: TableClient, name: str) -> Mapping[str, Any] | None:
    with _errors_of(client, name, "DescribeTable"):
        try:
            table: Mapping[str, Any] = client.describe_table(TableName=name)["Table"]
        except ClientError as error:
            if code_of(error) == "ResourceNotFoundException":
                return None
            raise
        return table


def _make(client: TableClient, name: str, key_types: Mapping[str, str], *, stream: bool) -> bool:
    specification = (
        {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"} if stream else {"StreamEnabled": False}
    )
    with _errors_of(client, name, "CreateTable"):
        try:
            client.create_table(
                TableName=name,
                KeySchema=[
                    {"AttributeName": key, "KeyType": kind} for key, kind in zip(key_types, _KEY_KINDS, strict=False)
                ],
                AttributeDefinitions=[
                    {"AttributeName": key, "AttributeType": type_} for key, type_ in key_types.items()
                ],
                BillingMode="PAY_PER_REQUEST",
                StreamSpecification=specification,
            )
        except ClientError as error:
            # Somebody else made it meanwhile, or our own call did and its answer was lost.
            if code_of(error) != "ResourceInUseException":
                raise
        else:
            log.info("table '%s': made, with the key %s", name, _text(key_types))
    return True


def _key_types(table: Mapping[str, Any]) -> dict[str, str]:
    types = {each["AttributeName"]: each["AttributeType"] for each in table["AttributeDefinitions"]}
    schema = sorted(table["KeySchema"], key=lambda each: _KEY_KINDS.index(each["KeyType"]))
    return {each["AttributeName"]: types[each["AttributeName"]] for each in schema}


def _require_key(client: TableClient, name: str, found: Mapping[str, str], expected: Mapping[str, str]) -> None:
    if list(found.items()) == list(expected.items()):
        return
    message = (
        f"{_named(client, name)}: expected the key {_text(expected)}, found {_text(found)}. A table's key can't be "
        "changed: have the table mappings name another table or this key, or delete the table."
    )
    raise SinkError(message)


def _missing(client: TableClient, name: str, key_types: Mapping[str, str]) -> SinkError:
    return SinkError(
        f"{_named(client, name)}: there is no such table. Create it with the key {_text(key_types)}, or set "
        "target.dynamodb.create_tables: true."
    )


def _text(key_types: Mapping[str, str]) -> str:
    kinds = zip(("partition key", "sort key"), key_types.items(), strict=False)
    return ", ".join(f"{kind} '{name}' ({type_})" for kind, (name, type_) in kinds)


def _named(client: TableClient, name: str) -> str:
    return f"table '{name}' in region '{client.meta.region_name}'"


def _errors_of(client: TableClient, name: str, operation: str) -> AbstractContextManager[None]:
    remedies = Remedies(
        missing="Set target.dynamodb.create_tables: true.",
        denied=(
            f"Allow dynamodb:{operation} on the table to the job's role, or set target.dynamodb.role_arn to a role "
            "that has it."
        ),
        throttled="Start the job again when fewer tables are being made.",
        unreachable="Check the network, the credentials, target.dynamodb.region and AWS_ENDPOINT_URL.",
    )
    return translated(SinkError, f"{_named(client, name)}: {operation}", remedies)
