"""`python -m benchmarks.summary.producer STREAM FIRST COUNT RATE`: puts orders that say when they were put."""

import sys
from itertools import islice

from benchmarks.summary.freshness import stamped
from streamjoin.aws.clients import aws_client
from streamjoin.local.samples.produce import produce

if __name__ == "__main__":
    stream_name, (first, count, rate) = sys.argv[1], map(int, sys.argv[2:])
    events = islice(stamped(first), count)
    produce(aws_client("kinesis"), stream_name, events, record_key="uuid", records_per_second=rate)
