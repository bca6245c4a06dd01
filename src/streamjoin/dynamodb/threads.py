"""Parts of one piece of work, in several threads; the first that fails ends the others."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

Part = TypeVar("Part")
Result = TypeVar("Result")


def in_threads(
    work: Callable[[Part, threading.Event], Result], parts: Sequence[Part], threads: int, name: str
) -> list[Result]:
    """Return what the work makes of each part, in their order; raises the error of the first part that failed.

    No thread is at work any more when this returns or raises: a write that is still under way when its error is handled
    could replace what is written next.

    Args:
        work: Ends early when the event is set.
        parts: What to do.
        threads: At most so many parts are worked on at the same time.
        name: Begins the threads' names.
    """
    stop = threading.Event()

    def stopping(part: Part) -> Result:
        try:
            return work(part, stop)
        except BaseException:
            stop.set()
            raise

    if len(parts) < 2 or threads < 2:
        return [work(part, stop) for part in parts]
    with ThreadPoolExecutor(min(threads, len(parts)), thread_name_prefix=name) as pool:
        running = [pool.submit(stopping, part) for part in parts]
        try:
            wait(running, return_when=FIRST_EXCEPTION)
        finally:
            # After an interrupt too.
            stop.set()
    failed = next((each for each in running if each.exception()), None)
    return [failed.result()] if failed else [each.result() for each in running]
