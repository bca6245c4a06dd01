"""A job as a process of its own, as it would run in production, watched from outside."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from streamjoin.errors import StreamJoinError
from streamjoin.local import tether
from streamjoin.local.processes import stop_process

# A first batch that is in hand may load Hudi's classes and write all that there is.
STOP_TIMEOUT_SECONDS = 90.0
LOG_LINES_IN_ERROR = 15


class JobProcess:
    """`streamjoin run CONFIG` for the length of a `with` block; it ends with this process, however this one ends.

    Args:
        config: The job's file, on this machine or `s3://…`.
        environ: The whole environment of the process.
        log: Where its output goes.
    """

    def __init__(self, config: Path | str, environ: Mapping[str, str], log: Path) -> None:
        self._config = config
        self._environ = environ
        self._log = log
        self._process: tether.Process | None = None

    def check_running(self) -> None:
        """Check that the job hasn't ended by itself.

        Raises:
            StreamJoinError: It has; the end of its log is in the text.
        """
        code = None if self._process is None else self._process.poll()
        if code is not None:
            raise StreamJoinError(self._ended(f"ended by itself with exit code {code}"))

    def wait(self) -> None:
        """Wait until the job has ended by itself.

        Raises:
            StreamJoinError: It didn't end with exit code 0.
        """
        if self._process is None:
            return
        process, self._process = self._process, None
        code = process.wait()
        if code != 0:
            raise StreamJoinError(self._ended(f"ended with exit code {code}"))

    def finish(self) -> None:
        """Let the job finish the batch in hand and end.

        Raises:
            StreamJoinError: It didn't end with exit code 0.
        """
        if self._process is None:
            return
        process, self._process = self._process, None
        code = stop_process(process, STOP_TIMEOUT_SECONDS)
        if code != 0:
            raise StreamJoinError(self._ended(f"was told to stop and ended with exit code {code} instead of 0"))

    def _ended(self, how: str) -> str:
        lines = self._log.read_text(errors="replace").splitlines()[-LOG_LINES_IN_ERROR:]
        return "\n".join([f"the job of '{self._config}' {how}; the end of its log '{self._log}':", *lines])

    def __enter__(self) -> Self:
        with self._log.open("wb") as output:
            self._process = tether.start("streamjoin", "run", str(self._config), output=output, environ=self._environ)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # After an error its exit code is of no interest any more; the error is.
        if self._process is not None:
            stop_process(self._process)
            self._process = None
