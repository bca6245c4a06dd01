"""`python -m benchmarks.summary`: measures every goal, and writes `summary.json`, `bench.json` and a page.

What is counted rather than timed, and what has to be there before, runs two at a time; what is timed runs alone, but
not in a quick run.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.run import Result, new_result
from benchmarks.summary.figures import all_entries, figures, is_whole
from benchmarks.summary.html_page import page
from benchmarks.summary.running import measure
from benchmarks.summary.sizes import FULL, QUICK

OUT = Path(__file__).resolve().parents[1] / "out"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, write, print; return the exit code: 1 if something has no value or is wrong, not if a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="smaller sizes (also: QUICK=1)")
    parser.add_argument("--parts", help="some of them, with commas between (default: all)")
    parser.add_argument("-o", "--output", type=Path, default=OUT, help=f"folder (default: {OUT.name})")
    args = parser.parse_args(argv)
    is_quick = args.quick or os.environ.get("QUICK", "") not in ("", "0")
    sizes = QUICK if is_quick else FULL
    wanted = figures(sizes)
    chosen = args.parts.split(",") if args.parts else list(wanted)
    if unknown := set(chosen) - wanted.keys():
        parser.error(f"--parts: {min(unknown)!r} is no part; allowed: {', '.join(wanted)}")
    result = new_result({**sizes.__dict__})
    started = time.monotonic()
    found = measure(sizes, chosen, result)
    wanted = {part: wanted[part] for part in wanted if part in chosen}
    entries = all_entries(wanted, found)
    result |= {
        "is_quick": is_quick,
        "seconds": round(time.monotonic() - started),
        "problems": [f"{part}: {problem}" for part, each in found.items() for problem in each.problems],
        "summary": entries,
        "parts": {part: each.details for part, each in found.items()},
    }
    write(args.output, result)
    for entry in entries:
        value = "none" if entry["value"] is None else f"{entry['value']:g} {entry['unit']}"
        met = {True: "met", False: "MISSED", None: ""}[entry["met"]]
        goal = f" ({entry['goal']})" if entry["goal"] else ""
        print(f"{entry['figure']}: {value}{goal} {met}")
        if "reason" in entry:
            print(f"  {entry['reason']}")
    for problem in result["problems"]:
        print(f"WRONG: {problem}")
    print(f"{result['seconds']} s; written to {args.output}")
    return 0 if is_whole(found, entries) else 1


def write(folder: Path, result: Result) -> None:
    """Write the summary, all that was measured, and the page, on which the curves stay that are there."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "summary.json").write_text(json.dumps(result["summary"], indent=2, ensure_ascii=False) + "\n")
    (folder / "bench.json").write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    scale = folder / "scale.json"
    (folder / "index.html").write_text(page(result, json.loads(scale.read_text()) if scale.exists() else None))


if __name__ == "__main__":
    sys.exit(main())
