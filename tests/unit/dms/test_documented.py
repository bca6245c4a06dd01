import re
from pathlib import Path

import pytest

from streamjoin.dms.rejected import RowRejectReason

DOCS = Path(__file__).parents[3] / "docs"
(TEXT,) = (text for path in DOCS.glob("replicate*.md") if "## Table mappings" in (text := path.read_text()))
PART = re.split(r"^## (?!Table mappings)", TEXT[TEXT.index("## Table mappings") :], flags=re.MULTILINE)[0]
ROWS = [
    line
    for line in PART.splitlines()
    if line.startswith("| ") and not line.startswith(("| feature", "| MySQL", "| reason"))
]
TESTS = "\n".join(path.read_text() for path in Path(__file__).parents[1].rglob("test_*.py"))


@pytest.mark.parametrize("row", ROWS)
def test_each_feature_of_dms_has_a_verdict_and_a_test(row):
    feature, verdict, tests = (cell.strip() for cell in row.strip("|").split("|"))
    assert feature
    assert verdict
    names = re.findall(r"`(test_\w+)`", tests)
    assert names
    assert [name for name in names if f"def {name}(" not in TESTS] == []


def test_each_reason_for_rejecting_a_row_is_documented():
    (table,) = re.findall(r"^\| reason .*?\n\n", PART, re.DOTALL | re.MULTILINE)
    assert sorted(re.findall(r"`([A-Z_]{5,})`", table)) == sorted(RowRejectReason)
