"""The calls that write items: sent again within bounds if the service refused them for the moment."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol, TypeVar

from botocore.exceptions import ClientError

from streamjoin.aws.backoff import Tries
from streamjoin.aws.errors import code_of
from streamjoin.dynamodb.table import TableClient, TableErrors
from streamjoin.dynamodb.write.changes import ItemChange, Put, condition_of, named
from streamjoin.dynamodb.write.requests import action, batch_request, renewal_request, single_request
from streamjoin.errors import SinkError

Answer = TypeVar("Answer")

# A table that grows with what is written takes minutes for it.
TRIES_WITHOUT_PROGRESS: Final = 10

# How often what is left of a transaction is sent as one before it is sent one by one.
TRANSACTIONS_TRIED: Final = 3
# Reasons of a cancelled transaction.
# Source: docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
_NO_REASON: Final = "None"
_OUTDATED: Final = "ConditionalCheckFailed"
_PASSING_REASONS: Final = frozenset({"TransactionConflict", "ProvisionedThroughputExceeded", "ThrottlingError"})
_CONFLICTS: Final = frozenset({"TransactionConflictException", "TransactionInProgressException"})


class ItemClient(TableClient, Protocol):
    """The calls of boto3's DynamoDB client that writing items needs."""

    def batch_write_item(self, **request: Any) -> Mapping[str, Any]:
        """Call BatchWriteItem."""

    def transact_write_items(self, **request: Any) -> Mapping[str, Any]:
        """Call TransactWriteItems."""

    def put_item(self, **request: Any) -> Mapping[str, Any]:
        """Call PutItem."""

    def delete_item(self, **request: Any) -> Mapping[str, Any]:
        """Call DeleteItem."""

    def update_item(self, **request: Any) -> Mapping[str, Any]:
        """Call UpdateItem."""


@dataclass(frozen=True)
class WriteCounts:
    """What became of changes.

    Args:
        puts: Items written.
        deletes: Items deleted, or found to be gone.
        superseded: Changes that a newer one of their item made needless: of the same write, or written before. The
            latter may be a change itself that was written and its answer lost. And puts whose own condition doesn't
            hold.
    """

    puts: int = 0
    deletes: int = 0
    superseded: int = 0

    def __add__(self, other: "WriteCounts") -> "WriteCounts":
        return WriteCounts(self.puts + other.puts, self.deletes + other.deletes, self.superseded + other.superseded)

    @classmethod
    def of(cls, written: Sequence[ItemChange], superseded: int = 0) -> "WriteCounts":
        """Count changes that were written."""
        puts = sum(isinstance(change, Put) for change in written)
        return cls(puts, len(written) - puts, superseded)


class ItemCalls:
    """Calls of one DynamoDB client; its methods may run in several threads at once.

    Args:
        client: boto3's DynamoDB client.
        sleep: Waits a number of seconds.
        jitter: Gives numbers in [0, 1) that spread the tries of several threads.
        check: Called before each call; raises when nothing may be written any more.
    """

    def __init__(
        self,
        client: ItemClient,
        sleep: Callable[[float], None],
        jitter: Callable[[], float],
        check: Callable[[], None],
    ) -> None:
        self._client, self._check = client, check
        self.new_tries = partial(Tries, TRIES_WITHOUT_PROGRESS, sleep, jitter)

    def write(self, changes: Sequence[ItemChange], stop: threading.Event) -> WriteCounts:
        """Write changes of one table, no two of one item, whatever is there; ends early when `stop` is set.

        Raises:
            SinkError: Some of them may not be written.
        """
        table = changes[0].table
        left = [batch_request(change) for change in changes]
        tries = self.new_tries()
        while left and not stop.is_set():
            call = partial(self._client.batch_write_item, RequestItems={table: left})
            try:
                answer = self.call(table, "BatchWriteItem", call, tries)
            except SinkError as error:
                if code_of(error) != "ValidationException":
                    raise
                # One of them can't be stored: sent alone, it is named.
                return self.write_in_turn(changes, stop, conditional=False)
            if answer is None:
                continue
            unprocessed = list((answer.get("UnprocessedItems") or {}).get(table) or ())
            if unprocessed:
                errors = self.errors_of(table)
                message = (
                    f"{errors.table}: BatchWriteItem left {len(unprocessed)} of {len(left)} items unprocessed time and "
                    f"again. {errors.throttled}"
                )
                tries.wait(SinkError(message, retryable=True), progressed=len(unprocessed) < len(left))
            left = unprocessed
        return WriteCounts.of(changes)

    def write_newer(self, changes: Sequence[ItemChange], stop: threading.Event) -> WriteCounts:
        """Write changes of one table, no two of one item, if nothing is as new; ends early when `stop` is set.

        Raises:
            SinkError: Some of them may not be written.
        """
        table, left = changes[0].table, list(changes)
        tries, cancelled = self.new_tries(), 0
        while len(left) > 1 and cancelled < TRANSACTIONS_TRIED and not stop.is_set():
            try:
                reasons = self.call(table, "TransactWriteItems", partial(self._transact, left), tries)
            except SinkError as error:
                if code_of(error) != "ValidationException":
                    raise
                break
            if reasons is None:
                continue
            if not reasons:
                return WriteCounts.of(left, superseded=len(changes) - len(left))
            cancelled += 1
            if len(reasons) != len(left) or not set(reasons) <= {_NO_REASON, _OUTDATED, *_PASSING_REASONS}:
                break
            # Nothing was written. What is outdated stays so, as versions of an item only grow; the others have another
            # try.
            left = [change for change, reason in zip(left, reasons, strict=True) if reason != _OUTDATED]
            if not _PASSING_REASONS.isdisjoint(reasons):
                message = f"{self.errors_of(table).table}: TransactWriteItems was cancelled for {sorted(set(reasons))}."
                tries.wait(SinkError(message, retryable=True))
        counts = self.write_in_turn(left, stop, conditional=True)
        return counts + WriteCounts(superseded=len(changes) - len(left))

    def write_in_turn(self, changes: Sequence[ItemChange], stop: threading.Event, *, conditional: bool) -> WriteCounts:
        """Write changes one after the other, by a call each; ends early when `stop` is set.

        Args:
            changes: Of any tables and items.
            stop: Ends it.
            conditional: Whether only if nothing is as new; a put's own condition counts in either case.

        Raises:
            SinkError: Some of them may not be written.
        """
        counts = WriteCounts()
        for change in changes:
            written = self._write_one(change, stop, conditional=conditional)
            counts += WriteCounts.of([change]) if written else WriteCounts(superseded=1)
            own = condition_of(change)
            # Also if it is the version that doesn't hold: then the item is newer than the version that it would get.
            if isinstance(change, Put) and own and own.kept_version is not None and not written:
                self._keep(change, own.kept_version, stop)
        return counts

    def call(self, table: str, operation: str, call: Callable[[], Answer], tries: Tries) -> Answer | None:
        """Return a call's answer; None when it was refused for the moment, after a pause.

        Raises:
            SinkError: It failed, or was refused often enough.
        """
        self._check()
        try:
            with self.errors_of(table).of(operation):
                return call()
        except SinkError as error:
            # What can't be reached was waited for long enough by the SDK; the service's own failures pass.
            if code_of(error) in _CONFLICTS:
                tries.wait(SinkError(str(error), retryable=True))
            elif error.retryable and code_of(error):
                tries.wait(error)
            else:
                raise
            return None

    def errors_of(self, table: str) -> TableErrors:
        """Return what the errors of calls on a table become."""
        return TableErrors(
            SinkError,
            f"table '{table}' in region '{self._client.meta.region_name}'",
            "target.dynamodb.{}",
            missing=f"Create '{table}', or set target.dynamodb.create_tables: true and start the job again.",
            throttled="Raise the table's write capacity, or make it one that is billed on demand.",
        )

    def _write_one(self, change: ItemChange, stop: threading.Event, *, conditional: bool) -> bool:
        is_put = isinstance(change, Put)
        write = self._client.put_item if is_put else self._client.delete_item
        request = single_request(change, conditional=conditional)
        return self._tried(change, "PutItem" if is_put else "DeleteItem", partial(write, **request), stop)

    def _keep(self, put: Put, version: int, stop: threading.Event) -> None:
        """Let the item that is there instead of a put pass for one of `version`, if it is older."""
        self._tried(put, "UpdateItem", partial(self._client.update_item, **renewal_request(put, version)), stop)

    def _tried(
        self, change: ItemChange, operation: str, call: Callable[[], Mapping[str, Any]], stop: threading.Event
    ) -> bool:
        """Make a call for one item, again if it is refused for the moment; tell whether its condition held."""

        def held() -> bool:
            try:
                call()
            except ClientError as error:
                if code_of(error) == "ConditionalCheckFailedException":
                    return False
                raise
            return True

        found: bool | None = None
        tries = self.new_tries()
        while found is None and not stop.is_set():
            found = self.call(change.table, f"{operation} of {named(change)}", held, tries)
        return bool(found)

    def _transact(self, changes: Sequence[ItemChange]) -> list[str]:
        """Write all of the changes or none; return why each wasn't, nothing when all were."""
        try:
            self._client.transact_write_items(TransactItems=[action(change) for change in changes])
        except ClientError as error:
            if code_of(error) != "TransactionCanceledException":
                raise
            reasons: Sequence[Mapping[str, Any]] = error.response.get("CancellationReasons") or ({},)
            return [reason.get("Code") or _NO_REASON for reason in reasons]
        return []
