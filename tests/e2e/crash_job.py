"""Run a job that kills itself, as `kill -9` would, when it has done a step for the n-th time."""

import os
import signal
import sys

from streamjoin.enrich.pipeline import run
from streamjoin.entry import load_config

config, deadly_step, times = sys.argv[1], sys.argv[2], int(sys.argv[3])
seen = 0


def on_step(step: str) -> None:
    global seen  # noqa: PLW0603
    seen += step == deadly_step
    if seen == times:
        os.kill(os.getpid(), signal.SIGKILL)


run(load_config(config), until_caught_up=True, on_step=on_step)
