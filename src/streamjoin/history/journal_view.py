"""The position of a job with a journal, as a person looks at it."""

import json
from typing import Any

from streamjoin.capture.config.capture import CaptureConfig, journal_path
from streamjoin.history.journal import Journal


def show_journal(config: CaptureConfig) -> dict[str, Any]:
    """Return the newest entry of the job's journal as JSON values; `position` is null before the first start."""
    path = journal_path(config)
    found = Journal(path).newest()
    return {
        "journal": path,
        "tables": {table.table_name: table.sink.hudi.base_path for table in config.tables},
        "instant": found.instant if found else None,
        "position": json.loads(found.position.to_json()) if found else None,
        "ranges": [r.to_dict() for r in found.ranges] if found else [],
        "counts": dict(found.counts) if found else {},
    }
