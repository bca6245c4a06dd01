"""Calls to the Glue Data Catalog that two writers of one database may make at the same time."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any, Final, TypeVar

from streamjoin.aws.backoff import Tries
from streamjoin.aws.clients import aws_client
from streamjoin.aws.errors import Remedies, code_of, translated
from streamjoin.catalog.entry import LAST_SYNC, Entry
from streamjoin.catalog.merging import Merged, has_other_keys, merged, partition_input
from streamjoin.catalog.parts import parts
from streamjoin.config.catalog_stages import CatalogTable
from streamjoin.errors import SinkError
from streamjoin.progress import Tell, tell_nobody

# Source: BatchCreatePartition and BatchUpdatePartition (100), BatchGetPartition (1,000), BatchDeletePartition (25) in
# the API reference of Glue.
_CHANGED_AT_ONCE: Final = 100
_DELETED_AT_ONCE: Final = 25
MISSING: Final = "EntityNotFoundException"
_THERE: Final = "AlreadyExistsException"
# Another one was quicker: what is there now is read, and changed as it needs.
_OVERTAKEN: Final = frozenset(
    {_THERE, MISSING, "ConcurrentModificationException", "VersionMismatchException", "OperationTimeoutException"}
)
_TRIES: Final = 6
_REMEDIES: Final = Remedies(
    missing="Was it deleted meanwhile? It is made again with the next commit, or by `streamjoin catalog sync`.",
    denied="Allow the actions of glue: that docs/glue.md lists on the catalog, the database and the table.",
    throttled="It is tried again with the next commit.",
    unreachable="Check the network, the credentials, sink.hudi.glue.region and AWS_ENDPOINT_URL.",
)

_T = TypeVar("_T")
Values = tuple[str, ...]


class OvertakenError(SinkError):
    """Another process knows a later commit of the table than this one; nothing was written."""


class GlueCatalog:
    """The entries of one Hudi table.

    Args:
        table: The table.
        client: boto3's Glue client. Default: one of the table's region and role.
        sleep: Waits a number of seconds.
    """

    def __init__(
        self, table: CatalogTable, client: Any | None = None, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._table, self._given, self._sleep = table, client, sleep
        # Takes how far it is with many partitions.
        self.tell: Tell = tell_nobody
        self._of = {"CatalogId": table.glue.catalog_id} if table.glue.catalog_id else {}

    @cached_property
    def _client(self) -> Any:
        glue = self._table.glue
        return self._given if self._given is not None else aws_client("glue", glue.region, glue.role_arn)

    def put(self, entry: Entry, newest: str, *, exact: bool = False) -> tuple[Merged, str | None]:
        """Make an entry, or mend the one that is there; its database is made if it is missing.

        Args:
            entry: What it is to say.
            newest: As of which commit.
            exact: Whether columns that the table doesn't have go, and an entry with other partition columns is made
                from scratch.

        Returns:
            The entry as it is now, and up to which commit it was up to date.

        Raises:
            OvertakenError: Another process has brought it to a later commit.
            SinkError: Another table has the name, or the catalog can't be reached, or refuses.
        """
        return self._patiently(lambda: self._put(entry, newest, exact=exact))

    def note(self, entry: Entry, instant: str) -> None:
        """Write down up to which commit an entry is up to date, unless a later one is there already.

        Raises:
            SinkError: It can't be written.
        """

        def attempt() -> None:
            there = self._get(entry.name)
            if there is None or there.get("Parameters", {}).get(LAST_SYNC, "") >= instant:
                return
            found = merged(entry, there, {}, exact=False)
            found.table["Parameters"][LAST_SYNC] = instant
            self._update(found, there)

        self._patiently(attempt)

    def enter(self, entry: Entry, storage: Mapping[str, Any], partitions: Mapping[Values, str]) -> tuple[int, int]:
        """Make partitions, and mend those that are there.

        Args:
            entry: Their table.
            storage: Its storage descriptor.
            partitions: Values -> where its files are.

        Returns:
            How many were made, and how many mended.

        Raises:
            SinkError: Some can't be.
        """
        made, there = self._create(entry, storage, partitions)
        known = self._some(entry, there)
        mended = self.mend(entry, storage, {values: partitions[values] for values in there}, known)
        return made, mended

    def mend(
        self,
        entry: Entry,
        storage: Mapping[str, Any],
        partitions: Mapping[Values, str],
        there: Mapping[Values, Mapping[str, Any]],
    ) -> int:
        """Bring partitions that are there up to date; return how many needed it.

        Raises:
            SinkError: Some can't be.
        """
        wanted: list[dict[str, Any]] = []
        for values, location in partitions.items():
            found = partition_input(storage, values, location, there.get(values))
            if found is not None:
                wanted.append({"PartitionValueList": list(values), "PartitionInput": found})
        gone: dict[Values, str] = {}
        for part in parts(wanted, _CHANGED_AT_ONCE, self.tell):
            with self._calling(entry, "BatchUpdatePartition"):
                answer = self._client.batch_update_partition(**self._of_table(entry), Entries=part)
            for error in answer.get("Errors", ()):
                values = tuple(error["PartitionValueList"])
                if error["ErrorDetail"]["ErrorCode"] != MISSING:
                    raise self._refused(entry, "BatchUpdatePartition", values, error["ErrorDetail"])
                gone[values] = partitions[values]
        if gone:
            # Another process deleted them at this moment; whoever makes them again is told no more of it.
            self._create(entry, storage, gone)
        return len(wanted)

    def partitions(self, entry: Entry) -> dict[Values, Mapping[str, Any]]:
        """Return all partitions of an entry, by their values.

        Raises:
            SinkError: They can't be read.
        """
        with self._calling(entry, "GetPartitions"):
            pages = self._client.get_paginator("get_partitions").paginate(**self._of_table(entry))
            return {tuple(each["Values"]): each for page in pages for each in page["Partitions"]}

    def remove(self, entry: Entry, values: Sequence[Values]) -> None:
        """Remove partitions of an entry; those that are gone already are passed over.

        Raises:
            SinkError: Some can't be.
        """
        for part in parts(list(values), _DELETED_AT_ONCE, self.tell):
            with self._calling(entry, "BatchDeletePartition"):
                answer = self._client.batch_delete_partition(
                    **self._of_table(entry), PartitionsToDelete=[{"Values": list(each)} for each in part]
                )
            for error in answer.get("Errors", ()):
                if error["ErrorDetail"]["ErrorCode"] != MISSING:
                    raise self._refused(entry, "BatchDeletePartition", error["PartitionValues"], error["ErrorDetail"])

    def _put(self, entry: Entry, newest: str, *, exact: bool) -> tuple[Merged, str | None]:
        there = self._get(entry.name)
        last = None if there is None else there.get("Parameters", {}).get(LAST_SYNC)
        found = merged(entry, there, self._table.glue.comments, exact=exact)
        if there is not None and has_other_keys(entry, there):
            if not exact:
                message = (
                    f"catalog: '{self._table.database}.{entry.name}' has other partition columns than the table at "
                    f"{entry.location}; `streamjoin catalog sync` makes the entry from scratch"
                )
                raise SinkError(message)
            with self._calling(entry, "DeleteTable"):
                self._client.delete_table(**self._of, DatabaseName=self._table.database, Name=entry.name)
            found.said = [f"made from scratch with {len(found.storage['Columns'])} columns"]
            there = last = None
        if there is None:
            self._create_table(entry, found)
        elif found.said:
            if last is not None and last > newest and not exact:
                message = (
                    f"catalog: '{self._table.database}.{entry.name}' is as of commit {last}, which the table at "
                    f"{entry.location} doesn't have; its newest is {newest}. The entry was left as it is"
                )
                raise OvertakenError(message, retryable=True)
            if found.columns_changed and entry.partition_keys:
                # Until its partitions have followed: should this process die before, all of them are compared.
                found.table["Parameters"].pop(LAST_SYNC, None)
            self._update(found, there)
        return found, None if found.columns_changed else last

    def _get(self, name: str) -> Mapping[str, Any] | None:
        try:
            with self._calling_table(name, "GetTable"):
                answer = self._client.get_table(**self._of, DatabaseName=self._table.database, Name=name)
        except SinkError as error:
            if code_of(error) == MISSING:
                return None
            raise
        found: Mapping[str, Any] = answer["Table"]
        return found

    def _create_table(self, entry: Entry, found: Merged) -> None:
        def create() -> None:
            with self._calling(entry, "CreateTable"):
                self._client.create_table(**self._of, DatabaseName=self._table.database, TableInput=found.table)

        try:
            create()
        except SinkError as error:
            # Only if it is missing: a role may do without rights on databases.
            if code_of(error) != MISSING:
                raise
            self._create_database()
            create()

    def _create_database(self) -> None:
        name = self._table.database
        try:
            with translated(SinkError, f"catalog: database '{name}': CreateDatabase", _REMEDIES):
                self._client.create_database(**self._of, DatabaseInput={"Name": name})
        except SinkError as error:
            if code_of(error) != _THERE:
                raise

    def _update(self, found: Merged, there: Mapping[str, Any]) -> None:
        # Glue refuses a version that is no longer the newest; where it isn't told one, the last writer wins.
        version = {"VersionId": there["VersionId"]} if there.get("VersionId") else {}
        with self._calling_table(found.table["Name"], "UpdateTable"):
            self._client.update_table(
                **self._of, DatabaseName=self._table.database, TableInput=found.table, SkipArchive=True, **version
            )

    def _create(
        self, entry: Entry, storage: Mapping[str, Any], partitions: Mapping[Values, str]
    ) -> tuple[int, list[Values]]:
        """Make partitions; return how many were made, and which were there."""
        there: list[Values] = []
        for part in parts(list(partitions.items()), _CHANGED_AT_ONCE, self.tell):
            inputs = [partition_input(storage, values, location) for values, location in part]
            with self._calling(entry, "BatchCreatePartition"):
                answer = self._client.batch_create_partition(**self._of_table(entry), PartitionInputList=inputs)
            for error in answer.get("Errors", ()):
                if error["ErrorDetail"]["ErrorCode"] != _THERE:
                    raise self._refused(entry, "BatchCreatePartition", error["PartitionValues"], error["ErrorDetail"])
                there.append(tuple(error["PartitionValues"]))
        return len(partitions) - len(there), there

    def _some(self, entry: Entry, wanted: Sequence[Values]) -> dict[Values, Mapping[str, Any]]:
        found: dict[Values, Mapping[str, Any]] = {}
        for part in parts(list(wanted), _CHANGED_AT_ONCE, self.tell):
            keys = [{"Values": list(values)} for values in part]
            while keys:
                with self._calling(entry, "BatchGetPartition"):
                    answer = self._client.batch_get_partition(**self._of_table(entry), PartitionsToGet=keys)
                found |= {tuple(each["Values"]): each for each in answer["Partitions"]}
                keys = answer.get("UnprocessedKeys") or []
        return found

    def _patiently(self, attempt: Callable[[], _T]) -> _T:
        tries = Tries(_TRIES, self._sleep)
        while True:
            try:
                return attempt()
            except SinkError as error:
                if code_of(error) not in _OVERTAKEN:
                    raise
                tries.wait(error)

    def _of_table(self, entry: Entry) -> dict[str, str]:
        return {**self._of, "DatabaseName": self._table.database, "TableName": entry.name}

    def _calling(self, entry: Entry, call: str) -> AbstractContextManager[None]:
        return self._calling_table(entry.name, call)

    def _calling_table(self, name: str, call: str) -> AbstractContextManager[None]:
        return translated(SinkError, f"catalog: '{self._table.database}.{name}': {call}", _REMEDIES)

    def _refused(self, entry: Entry, call: str, values: Sequence[str], detail: Mapping[str, str]) -> SinkError:
        message = (
            f"catalog: '{self._table.database}.{entry.name}': {call} failed for the partition {'/'.join(values)}: "
            f"{detail.get('ErrorCode')}: {detail.get('ErrorMessage')}"
        )
        return SinkError(message, retryable=True)
