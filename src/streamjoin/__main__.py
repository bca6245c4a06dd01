"""The command `streamjoin`, which is also `python -m streamjoin`."""

import sys

from streamjoin.process import exit_code_of


def main() -> None:
    """Run the command line; exit with 0 done, 1 failed, 2 wrong configuration or usage."""
    sys.exit(exit_code_of(_run))


def _run() -> None:
    # It needs an extra, as some commands do.
    from streamjoin.cli import app  # noqa: PLC0415

    app()


if __name__ == "__main__":
    main()
