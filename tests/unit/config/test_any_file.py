"""Whatever stands in place of a key of any job's file, or nothing: it is a problem of the configuration, or none."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from streamjoin.entry import JOBS, load_job
from streamjoin.errors import ConfigError

CONF = Path(__file__).parents[3] / "conf"
FILES = {
    "enrich": "enrich_orders.yaml",
    "capture": "capture_receipts.yaml",
    "backfill": "backfill_receipts.yaml",
    "replicate": "replicate_country.yaml",
}
MISSING = object()
VALUES = (MISSING, None, [], {}, "x", 5, True, [[]], {"": None})


def paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of each key and of each list's first element."""
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, each in inner:
        yield from paths(each, (*path, key))


@pytest.mark.parametrize("job", JOBS)
def test_whatever_stands_in_place_of_a_key_is_at_most_a_problem(job: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CONF)
    good = yaml.safe_load((CONF / FILES[job]).read_text())
    assert load_job(good).job == job
    for path in list(paths(good)):
        for value in VALUES:
            changed = copy.deepcopy(good)
            parent = changed
            for key in path[:-1]:
                parent = parent[key]
            if value is MISSING:
                del parent[path[-1]]
            else:
                parent[path[-1]] = value
            try:
                load_job(changed)
            except ConfigError as error:
                assert error.problems, (path, value)
