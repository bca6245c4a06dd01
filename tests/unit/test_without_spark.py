"""What needs no Spark runs if none can be imported."""

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCKED = """
import sys
class NoSpark:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("pyspark", "py4j"):
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)
sys.meta_path.insert(0, NoSpark())
from streamjoin.__main__ import main
"""
COMMANDS = f"""{BLOCKED}
sys.stdin.reconfigure(encoding="utf-8")
for line in sys.stdin.read().splitlines():
    sys.argv = ["streamjoin", *line.split("\\t")]
    try:
        main()
    except SystemExit as end:
        print(f"-> {{end.code}}", flush=True)
"""


def without_spark(script: str, *commands: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    lines = "\n".join("\t".join(command) for command in commands)
    command = [sys.executable, "-c", script]
    return subprocess.run(command, check=False, input=lines, capture_output=True, text=True, cwd=folder)


def test_all_that_looks_at_a_job_or_its_table_needs_no_spark(tmp_path: Path) -> None:
    with tarfile.open(ROOT / "tests/integration/stored/stored-cow.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    files = sorted(map(str, (ROOT / "conf").glob("*.yaml")))
    orders, receipts = (str(ROOT / f"conf/{name}.yaml") for name in ("enrich_orders", "capture_receipts"))
    commands = [
        *(["validate", file] for file in files),
        *(["schema", "--job", job] for job in ("enrich", "capture", "backfill", "replicate")),
        *(["checkpoint", "show", file] for file in (orders, receipts)),
        *(["status", file] for file in (orders, receipts)),
        *(["report", file, "-o", "report.html"] for file in (orders, receipts)),
        ["dead-letters", "list", orders],
        ["query", str(tmp_path / "stored-cow/lake/t"), "select count(*) from t"],
    ]

    answer = without_spark(COMMANDS, *commands, ["verify", orders], ["run", orders], folder=tmp_path)

    codes = [line for line in answer.stdout.splitlines() if line.startswith("-> ")]
    assert codes == ["-> 0"] * len(commands) + ["-> 1", "-> 1"], answer.stdout + answer.stderr
    assert "there is nothing to verify before a job's first start" in answer.stderr
    assert "Glue and a cluster (spark-submit) bring Spark; on a laptop pip install 'streamjoin[local]'" in answer.stderr


@pytest.mark.parametrize(
    "module", ["replicate.pipeline", "verify", "query", "history.checkpoint", "letters.listing", "doctor.checks"]
)
def test_a_module_imports_no_spark(module: str, tmp_path: Path) -> None:
    answer = without_spark(f"{BLOCKED}\nimport streamjoin.{module}", folder=tmp_path)
    assert answer.returncode == 0, answer.stderr
