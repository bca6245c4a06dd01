"""The commands of the README and of a first job, as a newcomer types them."""

import subprocess
from pathlib import Path

from tests.documents import ROOT, code_blocks


def test_the_commands_of_a_first_job_work_as_they_stand_and_end_in_the_rows_of_the_readme(tmp_path: Path) -> None:
    (first_job,) = [
        block for block in code_blocks((ROOT / "docs" / "first-job.md").read_text(), "sh") if "up --export" in block
    ]
    readme = (ROOT / "README.md").read_text()
    (query,) = [block for block in code_blocks(readme, "sh") if block.startswith("streamjoin query")]
    for name in (".venv", "conf"):
        (tmp_path / name).symlink_to(ROOT / name)
    script = "set -eu\ntrap 'streamjoin local down' EXIT\n" + first_job.replace("streamjoin local down\n", "") + query
    answer = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    for text in ("IN-India", "US-USA", "shardId-000000000003"):
        assert text in answer.stdout
    assert code_blocks(readme.partition(query)[2].partition("```\n")[2], "")[0] in answer.stdout
