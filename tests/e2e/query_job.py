"""Run a streaming query over files that kills itself, as `kill -9` would, once its n-th batch is committed."""

import os
import signal
import sys

from streamjoin import load_config
from streamjoin.enrich.foreach_batch import QueryBatches
from streamjoin.spark.session import local_session
from tests.e2e.queried import start_query

config, folder, times = sys.argv[1], sys.argv[2], int(sys.argv[3])
committed = 0


def on_step(step: str) -> None:
    global committed  # noqa: PLW0603
    committed += step == "committed"
    if committed == times:
        os.kill(os.getpid(), signal.SIGKILL)


settings = load_config(config)
start_query(local_session(settings.name, cores=1), folder, QueryBatches(settings, on_step=on_step))
