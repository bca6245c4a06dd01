"""A DynamoDB table's stream as it is now, ready to be read by a capture of the table."""

import time
from collections.abc import Callable
from typing import Final

from streamjoin.aws.errors import Remedies, translated
from streamjoin.dynamodb.stream.stream import StreamsClient, TableStream
from streamjoin.dynamodb.table import TableClient, describe
from streamjoin.errors import SourceError

# Without new images there is nothing to make rows of.
_WHOLE_VIEWS: Final = ("NEW_AND_OLD_IMAGES", "NEW_IMAGE")
_REMEDIES: Final = Remedies(
    missing="Check source.dynamodb_stream.table_name and region.",
    denied=(
        "Allow dynamodb:DescribeTable on the table, and dynamodb:DescribeStream, dynamodb:GetShardIterator and "
        "dynamodb:GetRecords on its stream, to the job's role, or set source.dynamodb_stream.role_arn to one that has "
        "them."
    ),
    throttled="No more than two processes may read a shard: see what else reads this stream (jobs, Lambda triggers).",
    unreachable="Check the network, the credentials, source.dynamodb_stream.region and AWS_ENDPOINT_URL.",
)


def open_table_stream(
    tables: TableClient, streams: StreamsClient, table_name: str, *, clock: Callable[[], float] = time.time
) -> TableStream:
    """Return the table's stream, not started.

    Raises:
        SourceError: There is no such table, it has no stream, or one without new images.
    """
    where = f"table '{table_name}' in region '{tables.meta.region_name}'"
    table = describe(tables, table_name, lambda operation: translated(SourceError, f"{where}: {operation}", _REMEDIES))
    if table.stream_arn is None:
        message = (
            f"{where} has no stream that could be read. Enable one: aws dynamodb update-table --table-name "
            f"{table_name} --stream-specification StreamEnabled=true,StreamViewType=NEW_AND_OLD_IMAGES"
        )
        raise SourceError(message)
    if table.stream_view_type not in _WHOLE_VIEWS:
        message = (
            f"{where}: expected a stream with the view type {' or '.join(_WHOLE_VIEWS)}, found "
            f"{table.stream_view_type}. The view type can't be changed: switch the stream off and on again."
        )
        raise SourceError(message)
    return TableStream(streams, table.stream_arn, table_name=table_name, clock=clock, remedies=_REMEDIES)
