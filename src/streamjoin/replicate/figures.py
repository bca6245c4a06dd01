"""What a replication has done, minute by minute: kept in the control table for thirty days.

An item an hour, in a ring: the one of an hour takes the place of that of thirty days before, so that nothing has to be
deleted. It is written every ten seconds at most, whatever the pace of the batches.
"""

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, Final

from streamjoin.errors import SinkError
from streamjoin.history.figures import BatchFigures
from streamjoin.history.stored_figures import from_values, to_values, together
from streamjoin.replicate.control_table import KEY, ControlClient, control_errors

log = logging.getLogger(__name__)

HOURS: Final = 24 * 30
BINLOG: Final = "binlog"
"""What figures call the one source of a replication, as those of streams call their shards."""
_HOUR, _MINUTES = "hour", "minutes"
_HOUR_SECONDS: Final = 3600
_MINUTE_SECONDS: Final = 60
_WRITE_SECONDS: Final = 10.0
# So many items are read at the same time: thirty days are 720 requests.
_AT_ONCE: Final = 8


class FiguresByMinute:
    """The figures of one job.

    Delivery: those of the last ten seconds are lost with a process that is killed. What can't be written is said in
        the log, and no batch fails for it.

    Args:
        client: boto3's DynamoDB client.
        table_name: The control table.
        job: The job's name.
        clock: Seconds since 1970.
    """

    def __init__(
        self, client: ControlClient, table_name: str, job: str, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._client, self._table_name, self._job, self._clock = client, table_name, job, clock
        self._batches: list[BatchFigures] = []
        self._written_at = clock()
        self._hour: int | None = None
        self._minutes: dict[str, Mapping[str, Any]] = {}

    def add(self, figures: BatchFigures) -> None:
        """Take in a batch."""
        if self._batches and _minute_of(self._batches[-1]) != _minute_of(figures):
            self.write()
        self._batches = [together([*self._batches, figures])]
        self.keep()

    def keep(self) -> None:
        """Write what is in hand, if that is due."""
        if self._clock() - self._written_at >= _WRITE_SECONDS:
            self.write()

    def write(self) -> None:
        """Write what is in hand."""
        if not self._batches:
            return
        (figures,), self._batches, self._written_at = self._batches, [], self._clock()
        minute, hour = _minute_of(figures), _minute_of(figures) * _MINUTE_SECONDS // _HOUR_SECONDS
        try:
            if hour != self._hour:
                self._minutes, self._hour = self._read(hour), hour
            before = self._minutes.get(str(minute))
            self._minutes[str(minute)] = to_values(together([from_values(before), figures]) if before else figures)
            item = {**self._key(hour), _HOUR: {"N": str(hour)}, _MINUTES: {"S": json.dumps(self._minutes)}}
            with control_errors(self._client, self._table_name).of(f"PutItem of the figures of job '{self._job}'"):
                self._client.put_item(TableName=self._table_name, Item=item)
        except SinkError as error:
            log.warning("job=%s figures of a minute are lost: %s", self._job, error)

    def since(self, moment: datetime) -> Iterator[BatchFigures]:
        """Yield those of each minute from `moment` on, the oldest first.

        Raises:
            SinkError: They can't be read.
        """
        now = int(self._clock()) // _HOUR_SECONDS
        hours = range(max(int(moment.timestamp()) // _HOUR_SECONDS, now - HOURS + 1), now + 1)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for begin in range(0, len(hours), _AT_ONCE):
                for minutes in pool.map(self._read, hours[begin : begin + _AT_ONCE]):
                    for minute in sorted(minutes, key=int):
                        if (figures := from_values(minutes[minute])).at >= moment:
                            yield figures

    def _read(self, hour: int) -> dict[str, Mapping[str, Any]]:
        with control_errors(self._client, self._table_name).of(f"GetItem of the figures of job '{self._job}'"):
            found = self._client.get_item(TableName=self._table_name, Key=self._key(hour), ConsistentRead=True)
        item = found.get("Item", {})
        if item.get(_HOUR, {}).get("N") != str(hour):
            return {}
        minutes: dict[str, Mapping[str, Any]] = json.loads(item[_MINUTES]["S"])
        return minutes

    def _key(self, hour: int) -> dict[str, dict[str, str]]:
        # No job's name has a slash.
        return {KEY: {"S": f"figures/{self._job}/{hour % HOURS}"}}


def _minute_of(figures: BatchFigures) -> int:
    return int(figures.at.timestamp()) // _MINUTE_SECONDS
