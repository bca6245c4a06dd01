"""Whose items a target table has, if several jobs write it: each job deletes its own alone."""

import logging
from typing import Final

from streamjoin.dms import ItemMapping
from streamjoin.dynamodb.write.items import JOB_ATTRIBUTE, ItemWriter
from streamjoin.dynamodb.write.tables import MakingClient, ensure_table
from streamjoin.replicate.owners import Owners

log = logging.getLogger(__name__)

_UNKNOWN: Final = "another job, which this control table doesn't know"


class Targets:
    """The target tables of one job.

    The items of a table's first job, its owner, don't say of which job they are; the control table notes who that is.
    The items of any other job have its name in the attribute `_binlog_job`.

    Args:
        client: boto3's DynamoDB client.
        owners: Which job owns which table.
        job: The job's name.
        writer: Knows what items a table has.
        create: Whether to make a table that is missing.

    Attributes:
        is_new: Whether the job has written no item yet.
        marked: The tables that the job doesn't own.
    """

    def __init__(self, client: MakingClient, owners: Owners, job: str, writer: ItemWriter, *, create: bool) -> None:
        self._client, self._owners, self._job, self._writer, self._create = client, owners, job, writer, create
        self._owned = set[str]()
        self.is_new, self.marked = True, frozenset[str]()

    def prepare(self, mapping: ItemMapping) -> None:
        """Make or check the target table of a mapping, and find whose it is.

        Raises:
            SinkError: The table is missing, or has another key; or the control table can't be read or written.
        """
        ensure_table(self._client, mapping.target_table, mapping.key_types, create=self._create)
        self.mark(mapping.target_table)

    def mark(self, table: str) -> str | None:
        """Return what tells the job's items of a table from those of its owner: its name; None if the job owns it.

        Raises:
            SinkError: The control table can't be read or written, or the table can't be read.
        """
        if table not in self._owned and table not in self.marked:
            owner = self._owner(table)
            if owner == self._job:
                self._owned.add(table)
            else:
                self.marked |= {table}
                log.warning(
                    "target '%s' has items of %s: those of job '%s' have its name in the attribute '%s'. The two must "
                    "not write items of one key",
                    *(table, f"job '{owner}'" if owner else _UNKNOWN, self._job, JOB_ATTRIBUTE),
                )
        return None if table in self._owned else self._job

    def has_written(self, table: str) -> bool:
        """Tell whether the control table notes that the job writes a table.

        Raises:
            SinkError: The control table can't be read.
        """
        return table in self._owned or table in self.marked or self._owners.owner(table) == self._job

    def _owner(self, table: str) -> str | None:
        """Return the owner of a table; this job becomes it if there is none, and no items of another job are there."""
        owner = self._owners.owner(table)
        # Owners were not noted before: a job that was there already owns what doesn't say of which job it is.
        if owner is None and not (self.is_new and self._writer.has_unmarked(table)):
            return self._job if self._owners.own(table) else self._owners.owner(table)
        return owner
