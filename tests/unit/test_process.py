"""The log of a process, as text and as JSON."""

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import pytest

from streamjoin.errors import SourceError
from streamjoin.process import FIELDS, ExitCode, configure_logging, exit_code_of

log = logging.getLogger("streamjoin.somewhere")


@contextmanager
def logging_as(form: Literal["text", "json"]) -> Iterator[None]:
    """Log as a process of its own would, to standard error as it is now."""
    root = logging.getLogger()
    handlers, level, root.handlers = root.handlers, root.level, []
    try:
        configure_logging(form=form)
        yield
    finally:
        root.handlers = handlers
        root.setLevel(level)
        logging.captureWarnings(False)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    said = capsys.readouterr()
    assert said.out == ""
    return [json.loads(line) for line in said.err.splitlines()]


def test_every_line_is_an_object_whatever_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    with logging_as("json"):
        log.info('two\nlines, a "quote" and %s', "umlauts: äöü")
        log.debug("not shown")
        try:
            raise ValueError("first\nsecond")
        except ValueError:
            log.exception("it failed")
        warnings.warn("of a library", stacklevel=1)
    first, second, third = lines(capsys)
    assert (first["level"], first["logger"]) == ("INFO", "streamjoin.somewhere")
    assert first["message"] == 'two\nlines, a "quote" and umlauts: äöü'
    assert str(first["time"]).endswith("Z")
    assert len(str(first["time"])) == len("2026-01-31T00:00:00.000Z")
    assert (second["level"], second["message"]) == ("ERROR", "it failed")
    assert "ValueError: first\nsecond" in str(second["exception"])
    assert "of a library" in str(third["message"])


def test_what_a_line_says_as_values_stands_beside_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    with logging_as("json"):
        log.info("job=orders read=3", extra={FIELDS: {"job": "orders", "records_read": 3, "lag_seconds": 0.5}})
    (line,) = lines(capsys)
    assert (line["message"], line["job"]) == ("job=orders read=3", "orders")
    assert (line["records_read"], line["lag_seconds"]) == (3, 0.5)


def test_an_error_by_which_a_job_ends_is_a_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        error = SourceError("stream 'orders': gone")
        error.add_note("Given up.")
        raise error

    with logging_as("json"):
        assert exit_code_of(fail) is ExitCode.FAILED
    (line,) = lines(capsys)
    assert (line["level"], line["message"]) == ("ERROR", "stream 'orders': gone\nGiven up.")


def test_as_text_a_line_is_what_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    with logging_as("text"):
        log.info("job=orders", extra={FIELDS: {"records_read": 3}})
    assert capsys.readouterr().err.split(" ", 1)[1] == "INFO streamjoin.somewhere job=orders\n"
