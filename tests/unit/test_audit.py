"""The audit of the locked dependencies, without a network."""

import importlib.util
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_spec = importlib.util.spec_from_file_location("audit", ROOT / "scripts" / "audit.py")
assert _spec is not None
assert _spec.loader is not None
audit = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(audit)


def test_every_locked_package_is_listed_with_the_day_of_its_release() -> None:
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    listed = audit.locked(lock)
    assert {name for name, _, _ in listed} == {p["name"] for p in lock["package"]} - {"streamjoin"}
    assert all(len(day) == 10 and day[:2] == "20" for _, _, day in listed)


def test_a_database_out_of_reach_is_no_clean_bill() -> None:
    assert not audit.database_answers("http://127.0.0.1:1/")
