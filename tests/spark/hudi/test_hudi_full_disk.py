"""A disk that gets full: a small tmpfs in a namespace of its own, which needs no privileges where Linux allows it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount"]


def namespaces_are_allowed() -> bool:
    try:
        return subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not namespaces_are_allowed(), reason="no user namespaces here")
@pytest.mark.usefixtures("class_archive")
def test_a_full_disk_is_said_and_the_next_try_after_making_room_goes_on(tmp_path: Path) -> None:
    script = Path(__file__).with_name("full_disk.py")
    done = subprocess.run(
        [*NAMESPACE, sys.executable, str(script), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    # Both, for each writes other files.
    for table_type in ("COPY_ON_WRITE", "MERGE_ON_READ"):
        said = told[table_type]
        assert len(said["errors"]) >= 3
        for message, retryable in said["errors"]:
            assert message.startswith(f"table 't' at {tmp_path}/{table_type}: the upsert failed: ")
            assert "No space left on device" in message
            assert retryable
        assert {key: said["rows"][key] for key in "ab"} == {"a": 100, "b": 100}
