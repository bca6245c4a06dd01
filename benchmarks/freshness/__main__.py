"""`python -m benchmarks.freshness`: prints the figures of both ways."""

from dataclasses import asdict

from benchmarks.freshness.reading import fetched_after
from streamjoin.local.stack import LocalStack

if __name__ == "__main__":
    with LocalStack() as stack, stack.active():
        for rate in (10, 1000):
            for way, found in fetched_after(f"freshness-{rate}", rate=rate).items():
                print(rate, way, asdict(found))
