"""What the package logs during a block, for fixtures of a whole module, which pytest's own can't serve."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import BufferingHandler


@contextmanager
def logged(level: int = logging.INFO) -> Iterator[list[str]]:
    """Yield a list that has the messages when the block has ended."""
    kept, logger, said = BufferingHandler(capacity=100_000), logging.getLogger("streamjoin"), list[str]()
    before = logger.level
    logger.addHandler(kept)
    logger.setLevel(level)
    try:
        yield said
    finally:
        logger.setLevel(before)
        logger.removeHandler(kept)
        said += [each.getMessage() for each in kept.buffer]
