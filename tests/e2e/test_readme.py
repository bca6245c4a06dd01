"""The README's own commands, as a newcomer types them."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_commands_for_this_machine_work_as_they_stand(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text()
    (block,) = [b for b in re.findall(r"```sh\n(.*?)```", readme, re.DOTALL) if "local up --export" in b]
    for name in (".venv", "conf"):
        (tmp_path / name).symlink_to(ROOT / name)
    script = "set -eu\ntrap 'streamjoin local down' EXIT\n" + block.replace("streamjoin local down\n", "")
    answer = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    for text in ("IN-India", "US-USA", "shardId-000000000003"):
        assert text in answer.stdout
