"""A batch that the driver has fetched, decoded and joined there: Spark gets one frame of one partition."""

from collections.abc import Mapping

import pyarrow as pa

from streamjoin.enrich.job import EnrichJob
from streamjoin.enrich.join import check_comparable, mark_unmatched
from streamjoin.enrich.rows import Version
from streamjoin.records.events import Events, nothing_yet
from streamjoin.records.in_driver import UNFORESEEN, decode_in_driver
from streamjoin.reference.followed.snapshot import Snapshot
from streamjoin.reference.probe import attached
from streamjoin.spark.frames import batch_frame
from streamjoin.spark.schema import to_spark
from streamjoin.streaming.batch import Batch

_MATCHED = "_reference_{}_matched"


def join_in_driver(job: EnrichJob, batch: Batch, snapshots: Mapping[str, Version]) -> Events | None:
    """Return the events of a batch, joined as `join_events` joins decoded ones; None if that is for executors to do.

    They have what the driver has not: records that it did not fetch or must not decode, items that are looked up.

    Args:
        job: The job's parts.
        batch: The records.
        snapshots: A version of each reference, by name.

    Raises:
        SchemaError: As `enrich`.
    """
    found = {name: each for name, each in snapshots.items() if isinstance(each, Snapshot)}
    # Only what read a stream has taken its records apart.
    if batch.table is None or batch.position is None or len(found) < len(job.references):
        return None
    events = decode_in_driver(batch.table, job.schema, job.payload, job.case_watch)
    if events is None:
        return None
    for number, reference in enumerate(job.references):
        layers = found[reference.name].layers
        check_comparable(to_spark(events.schema), to_spark(layers[0].table.schema), reference.on)
        try:
            events = attached(events, layers, list(reference.on), list(reference.columns), _MATCHED.format(number))
        except UNFORESEEN:
            return None
    frame = batch_frame(batch.records.sparkSession, pa.Table.from_batches([events]))
    joined = Events(frame.select("*", *nothing_yet()))
    if job.deletion is not None:
        joined = job.deletion.mark(joined)
    for number, reference in enumerate(job.references):
        joined = mark_unmatched(
            joined, reference.on, how=reference.how, name=reference.name, matched=_MATCHED.format(number)
        )
    return joined
