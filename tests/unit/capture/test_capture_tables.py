"""Which table of the lake the changes of a DynamoDB table go to."""

from pathlib import Path
from typing import Any

import pytest

from streamjoin.capture.config.capture import CaptureConfig
from streamjoin.capture.job import assemble
from streamjoin.capture.layout import capture_layout, hudi_table
from streamjoin.capture.table import CapturedTable
from streamjoin.capture.tables import CapturedTables
from streamjoin.entry import load_job
from streamjoin.errors import ConfigError
from streamjoin.hudi.partition import PartitionColumn


@pytest.fixture(autouse=True)
def _unopened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CapturedTable, "open", lambda self, spark: None)


def config_of(base: Path, *tables: dict[str, Any]) -> CaptureConfig:
    config = load_job(
        {
            "job": "capture",
            "name": "c",
            "source": {"kinesis": {"stream_name": "s"}},
            "tables": list(tables),
            "dead_letters": {"base_path": str(base / "dead")},
        }
    )
    assert isinstance(config, CaptureConfig)
    return config


def entry(table_name: str, path: str, name: str, **changes: Any) -> dict[str, Any]:
    hudi = {"base_path": path, "table_name": name, **changes.pop("hudi", {})}
    return {"table_name": table_name, "sink": {"hudi": hudi}, **changes}


def opened(config: CaptureConfig) -> CapturedTables:
    return assemble(config).tables


def find(tables: CapturedTables, name: str) -> CapturedTable | None:
    return tables.find(name, None)  # type: ignore[arg-type]  (not opened)


def test_a_listed_table_is_found_and_another_one_is_not(tmp_path: Path) -> None:
    tables = opened(config_of(tmp_path, entry("orders", f"{tmp_path}/o", "orders")))
    found = find(tables, "orders")
    assert found is not None
    assert found.table.base_path == f"{tmp_path}/o"
    assert find(tables, "orders") is found
    assert find(tables, "others") is None
    tables.forget()
    assert find(tables, "orders") is not found


def test_a_template_takes_all_others_under_names_for_athena(tmp_path: Path) -> None:
    listed, template = entry("orders", f"{tmp_path}/o", "o"), entry("*", f"{tmp_path}/x/{{table}}", "t_{table}")
    tables = opened(config_of(tmp_path, listed, template))
    found = find(tables, "Shop.Items-2")
    assert found is not None
    assert (found.table.table_name, found.table.base_path) == ("t_shop_items_2", f"{tmp_path}/x/Shop.Items-2")
    assert tables.has_template


def test_two_tables_of_one_name_are_an_error_that_names_both(tmp_path: Path) -> None:
    template = entry("*", f"{tmp_path}/x/{{table}}", "{table}")
    tables = opened(config_of(tmp_path, template))
    find(tables, "a.b")
    with pytest.raises(ConfigError, match=r"'a\.b' and 'a-b' would both be the table 'default\.a_b'"):
        find(tables, "a-b")
    assert tables.conflict("a.b") is None
    assert "'a.b' and 'a-b'" in str(tables.conflict("a-b"))
    # A table that an earlier process made has its name for good.
    (tmp_path / "x" / "A.B" / ".hoodie").mkdir(parents=True)
    (tmp_path / "x" / "A.B" / ".hoodie" / "20260101000000000.commit").write_text("{}")
    with pytest.raises(ConfigError, match=r"'A\.B' and 'a_b'"):
        find(opened(config_of(tmp_path, template)), "a_b")


def test_tables_that_a_template_made_are_looked_at_for_notes(tmp_path: Path) -> None:
    for name in ("pre-orders", "pre-items", "other"):
        (tmp_path / "x" / name / "v1").mkdir(parents=True)
    template = entry("*", f"{tmp_path}/x/pre-{{table}}/v1", "{table}")
    tables = opened(config_of(tmp_path, entry("listed", f"{tmp_path}/l", "l"), template))
    assert sorted(tables.base_paths()) == [
        *(f"{tmp_path}/{path}" for path in ("l", "x/pre-items/v1", "x/pre-orders/v1"))
    ]


def test_hudis_record_key_is_never_an_attribute(tmp_path: Path) -> None:
    hudi = {"record_key": ["id"], "partition_by": ["country"]}
    (settings,) = config_of(tmp_path, entry("orders", f"{tmp_path}/o", "o", hudi=hudi)).tables
    layout = capture_layout(settings)
    table = hudi_table(settings, layout)
    assert (table.record_key, table.ordering, table.partition_by) == (("_item_key",), "_order", ("country",))
    assert table.has_record_index
    assert layout.key_texts == {"id": "id"}


def test_a_changelog_is_dated_by_its_changes_and_its_rows_never_move(tmp_path: Path) -> None:
    (settings,) = config_of(tmp_path, entry("orders", f"{tmp_path}/o", "o", layout="changelog")).tables
    layout = capture_layout(settings)
    table = hudi_table(settings, layout)
    assert layout.partition_by == (PartitionColumn("dt", "changed_at", "yyyyMMdd"),)
    assert (table.record_key, table.partition_by) == (("_change_id",), ("dt",))
    assert not table.has_record_index
