"""One capture job a table: the second is refused before it reads anything."""

import copy
from pathlib import Path
from typing import Any

import pytest

from streamjoin.capture.config.capture import CaptureConfig
from streamjoin.capture.job import assemble, prepare
from streamjoin.capture.owner import Owner
from streamjoin.entry import parse_job
from streamjoin.errors import ConfigError, SinkError


def config(lake: Path, name: str = "one", dead: str = "dead", **table: Any) -> CaptureConfig:
    hudi = {"base_path": f"{lake}/orders", "table_name": "orders"}
    found = parse_job(
        {
            "job": "capture",
            "name": name,
            "source": {"kinesis": {"stream_name": "changes"}},
            "tables": [{"table_name": "orders", "schema": "id string", "sink": {"hudi": hudi}, **copy.deepcopy(table)}],
            "dead_letters": {"base_path": f"{lake}/{dead}"},
        }
    )
    assert isinstance(found, CaptureConfig)
    return found


def claimed(lake: Path, name: str = "one", dead: str = "dead") -> Owner:
    owner = Owner(name, f"{lake}/{dead}_journal")
    owner.claim(f"{lake}/orders")
    return owner


@pytest.mark.parametrize(("name", "dead"), [("one", "other_dead"), ("two", "other_dead"), ("two", "dead")])
def test_a_second_capture_of_a_table_is_refused_at_its_start_whatever_is_different(
    tmp_path: Path, name: str, dead: str
) -> None:
    claimed(tmp_path)
    with pytest.raises(ConfigError) as refusal:
        prepare(config(tmp_path, name, dead))
    (text,) = refusal.value.problems
    assert text.startswith("tables[0].sink.hudi.base_path: ")
    assert (
        f"table at '{tmp_path}/orders': it belongs to the job 'one' with the journal '{tmp_path}/dead_journal'" in text
    )
    assert f"expected the job '{name}' with the journal '{tmp_path}/{dead}_journal'" in text
    assert f"delete '{tmp_path}/orders/.hoodie/.streamjoin/owner.json'" in text


def test_the_owner_itself_and_the_first_job_of_a_table_are_not_refused(tmp_path: Path) -> None:
    assemble(config(tmp_path)).open()
    claimed(tmp_path)
    assemble(config(tmp_path)).open()


def test_of_two_jobs_that_start_at_once_the_first_to_open_the_table_has_it(tmp_path: Path) -> None:
    first, second = (Owner(name, f"{tmp_path}/{name}_journal") for name in ("one", "two"))
    assert not first.check(str(tmp_path / "orders"))
    assert not second.check(str(tmp_path / "orders"))
    second.claim(str(tmp_path / "orders"))
    with pytest.raises(SinkError, match="it belongs to the job 'two'"):
        first.claim(str(tmp_path / "orders"))


def test_tables_that_a_template_has_made_are_asked_too(tmp_path: Path) -> None:
    claimed(tmp_path)
    hudi = {"base_path": f"{tmp_path}/{{table}}", "table_name": "{table}_t"}
    second = config(tmp_path, "two", "x/dead", table_name="*", sink={"hudi": hudi})
    with pytest.raises(ConfigError, match="it belongs to the job 'one'"):
        prepare(second)


def test_a_table_that_became_another_job_s_while_this_one_ran_is_no_wrong_configuration(tmp_path: Path) -> None:
    job = assemble(config(tmp_path, "two", "x/dead"))
    claimed(tmp_path)
    with pytest.raises(SinkError, match="it belongs to the job 'one'") as refusal:
        job.open()
    assert not refusal.value.retryable


def test_an_owner_that_can_not_be_read_is_said(tmp_path: Path) -> None:
    claimed(tmp_path)
    (tmp_path / "orders" / ".hoodie" / ".streamjoin" / "owner.json").write_text("{")
    with pytest.raises(SinkError, match="is not what names its job"):
        Owner("one", "j").check(str(tmp_path / "orders"))
