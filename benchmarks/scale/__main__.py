"""`python -m benchmarks.scale`: seconds a batch by rows, reference items, shards and commits; `scale.json`, the page.

Each curve is of one process, in which all its points take batches in turns; that of the commits grows by itself. If
only some parts are measured, the file keeps the others as they were, each with its commit and its time.
"""

import argparse
import json
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from benchmarks.run import Result, new_result, stamp
from benchmarks.scale.curves import FULL, PARTS, Scale, beside_earlier
from benchmarks.summary.__main__ import OUT
from benchmarks.summary.figures import Found
from benchmarks.summary.html_page import page
from streamjoin.local.stack import LocalStack


def main(argv: Sequence[str] | None = None, scale: Scale = FULL) -> int:
    """Measure the curves, write them; return the exit code: 1 if one is missing or wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", help=f"some of {','.join(PARTS)} (default: all)")
    parser.add_argument("-o", "--output", type=Path, default=OUT, help=f"folder (default: {OUT.name})")
    args = parser.parse_args(argv)
    chosen = args.parts.split(",") if args.parts else list(PARTS)
    if unknown := set(chosen) - PARTS.keys():
        parser.error(f"--parts: {min(unknown)!r} is no part; allowed: {', '.join(PARTS)}")
    result = new_result({**scale.__dict__}) | {"curves": []}
    started = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="streamjoin-bench-") as directory,
        LocalStack() as items,
        LocalStack() as stack,
        stack.active(),
    ):
        for part in chosen:
            begin = time.monotonic()
            try:
                curves, found = PARTS[part](result, scale, f"{directory}/{part}", items.endpoint)
            except Exception as error:
                # One curve's failure loses no other.
                traceback.print_exc()
                curves, found = [], Found(problems=[f"{type(error).__name__}: {error}"[:500]])
            result["curves"] += [curve | stamp(result) for curve in curves]
            result["problems"] += [f"{part}: {problem}" for problem in found.problems]
            result |= found.details
            print(f"{part}: {time.monotonic() - begin:.0f} s", file=sys.stderr)
    result["seconds"] = round(time.monotonic() - started)
    earlier = args.output / "scale.json"
    if args.parts and earlier.exists():
        result = beside_earlier(result, json.loads(earlier.read_text()), chosen)
    write(args.output, result)
    for curve in result["curves"]:
        print(f"{curve['title']}, {curve['x']}:")
        for name, points in curve["lines"].items():
            print(f"  {name}: " + ", ".join(f"{x:,}: {y:.2f}" for x, y in points))
    for problem in result["problems"]:
        print(f"WRONG: {problem}")
    print(f"{result['seconds']} s; written to {args.output}")
    return 1 if result["problems"] else 0


def write(folder: Path, result: Result) -> None:
    """Write the curves, and the page: beside the figures of `make bench`, if they are there."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scale.json").write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    bench = folder / "bench.json"
    (folder / "index.html").write_text(page(json.loads(bench.read_text()) if bench.exists() else result, result))


if __name__ == "__main__":
    sys.exit(main())
