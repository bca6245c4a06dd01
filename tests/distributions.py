"""scripts/dist.py, which is in no package, and what it fetches."""

import importlib.util
from hashlib import sha256
from pathlib import Path

from tests.services.fetching import fetched_once

_SPEC = importlib.util.spec_from_file_location("dist", Path(__file__).parents[1] / "scripts" / "dist.py")
assert _SPEC is not None
assert _SPEC.loader is not None
dist = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(dist)


def fetched(release: str) -> Path:
    """Return the folder of all wheels that are locked for a release of Glue, downloaded once."""

    def fetch(folder: Path) -> Path:
        dist.fetch(release, folder)
        return folder

    digest = sha256(dist.locked(release).read_bytes()).hexdigest()[:16]
    return fetched_once(Path.home() / ".cache" / "streamjoin" / f"glue-{release}-{digest}", fetch)
