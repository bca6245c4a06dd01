"""The command line of a benchmark."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"
TABLE_TYPES = ("COPY_ON_WRITE", "MERGE_ON_READ")


class Arguments(argparse.ArgumentParser):
    """A parser of numbers and of choices, with `--output`.

    Args:
        description: Of the benchmark.
        output: The file's name in `results/` by default.
    """

    def __init__(self, description: str | None, output: str) -> None:
        super().__init__(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
        self.parameters: dict[str, str] = {}
        self.add_argument("-o", "--output", type=Path, default=RESULTS / output, help="the JSON file")

    def number(self, name: str, default: int | None, what: str, parameter: str = "", least: int = 1) -> None:
        """Add a number; a result can be compared with one of the same `parameter`, as the JSON calls it."""

        def parse(text: str) -> int:
            if not text.isdecimal() or int(text) < least:
                message = f"expected a number from {least} on, found {text!r}"
                raise argparse.ArgumentTypeError(message)
            return int(text)

        said = what if default is None else f"{what} (default: {default})"
        dest = self.add_argument(name, type=parse, default=default, help=said).dest
        if parameter:
            self.parameters[parameter] = dest

    def parsed(self, argv: Sequence[str] | None, **constants: Any) -> argparse.Namespace:
        """Return the parsed command line; its `parameters` are what a result can be compared with."""
        args = self.parse_args(argv)
        args.parameters = {name: getattr(args, dest) for name, dest in self.parameters.items()} | constants
        return args

    def some_of(self, name: str, allowed: Sequence[str], what: str) -> None:
        """Add a choice of one or more, with commas between; by default all. One of them is called `what`."""

        def parse(text: str) -> list[str]:
            found = text.split(",")
            if unknown := [each for each in found if each not in allowed]:
                message = f"{unknown[0]!r} is no {what}; allowed: {', '.join(allowed)}"
                raise argparse.ArgumentTypeError(message)
            return found

        default: list[Any] = list(allowed)
        self.add_argument(name, type=parse, default=default, help=f"some of {','.join(allowed)} (default: all)")
