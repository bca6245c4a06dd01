"""Audit the locked dependencies: by pip-audit if an advisory database answers, else list them with their dates.

Exit code: 0 nothing known against them, or no database in reach (said on stderr); 1 something is known.
"""

import argparse
import json
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
UV = ROOT / ".uv" / "uv"
# A release with a known advisory (CVE-2021-33503): a database that doesn't know of it is none.
PROBE = {"package": {"name": "urllib3", "ecosystem": "PyPI"}, "version": "1.26.4"}
OSV = "https://api.osv.dev/v1/query"
TIMEOUT_SECONDS = 10


def locked(lock: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return name, version and day of release of every package of the lock but the project itself."""
    found = []
    for package in lock["package"]:
        files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
        if files:
            found.append(
                (package["name"], package["version"], min(f.get("upload-time", "unknown") for f in files)[:10])
            )
    return sorted(found)


def database_answers(url: str = OSV) -> bool:
    """Tell whether the advisory database can be reached and knows a release that is known to be bad."""
    request = urllib.request.Request(url, json.dumps(PROBE).encode(), {"Content-Type": "application/json"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310  (a constant address)
            return bool(json.load(answer).get("vulns"))
    except (urllib.error.URLError, OSError, ValueError):
        return False


def audit() -> int:
    """Run pip-audit on what uv.lock names; return its exit code."""
    exported = ROOT / "build" / "requirements.txt"
    exported.parent.mkdir(exist_ok=True)
    export = [UV, "export", "--frozen", "--all-extras", "--no-emit-project", "--quiet", "--output-file", exported]
    subprocess.run(export, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)  # noqa: S603
    tool = [UV, "tool", "run", "pip-audit", "--vulnerability-service", "osv", "--disable-pip", "--require-hashes"]
    return subprocess.run([*tool, "--requirement", exported], check=False, cwd=ROOT).returncode  # noqa: S603


def main() -> int:
    """Audit, or list."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--list", action="store_true", help="list the locked versions, ask no database")
    if not parser.parse_args().list:
        if database_answers():
            return audit()
        print(f"{OSV} doesn't answer: the locked versions and their dates instead", file=sys.stderr)
    for name, version, day in locked(tomllib.loads((ROOT / "uv.lock").read_text())):
        print(f"{day}  {name} {version}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
