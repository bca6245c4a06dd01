"""scripts/dist.py, which is in no package."""

import importlib.util
from pathlib import Path

_SPEC = importlib.util.spec_from_file_location("dist", Path(__file__).parents[1] / "scripts" / "dist.py")
assert _SPEC is not None
assert _SPEC.loader is not None
dist = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(dist)
