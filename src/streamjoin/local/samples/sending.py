"""`streamjoin produce`: a sample data set, sent to a stream with a progress display."""

from collections.abc import Callable
from itertools import islice

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from streamjoin.aws.clients import aws_client
from streamjoin.local.samples.datasets import DATASETS
from streamjoin.local.samples.names import DatasetName
from streamjoin.local.samples.produce import Produced, produce


def produce_dataset(
    stream_name: str,
    dataset: DatasetName,
    *,
    records: int,
    start: int = 0,
    seed: int = 0,
    records_per_second: float | None = None,
    region: str | None = None,
) -> Produced:
    """Send `records` records of a sample data set, from number `start` on; progress goes to stderr.

    Returns:
        What was sent; fewer records if the data set ends before.

    Raises:
        SourceError: The stream is missing, or takes nothing.
        AwsSettingsError: No client can be made, as without a region.
        LocalStackError: The data set isn't installed.
    """
    data = DATASETS[dataset]
    expected = records if data.total_records is None else max(0, min(records, data.total_records - start))
    client = aws_client("kinesis", region)

    def send(on_progress: Callable[[int], None]) -> Produced:
        return produce(
            client,
            stream_name,
            islice(data.records(seed, start), records),
            record_key=data.record_key,
            records_per_second=records_per_second,
            on_progress=on_progress,
        )

    console = Console(stderr=True)
    if not console.is_terminal:
        return send(lambda _: None)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(f"{dataset} to {stream_name}", total=expected)
        return send(lambda sent: progress.update(task, completed=sent))
