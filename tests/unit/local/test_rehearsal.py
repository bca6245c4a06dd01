"""What a rehearsal refuses before it starts anything; all else is in tests/e2e/test_rehearsal.py."""

from pathlib import Path

import pytest
from rich.console import Console

from streamjoin.errors import StackError
from streamjoin.local.rehearsal.steps import Rehearsal
from streamjoin.stacks.environment import Environment
from tests.documents import ROOT


@pytest.mark.parametrize("tables", ["products:sku", "", "other_tgt_country_lookup_table"])
def test_an_environment_that_does_not_take_the_sample_orders_is_told(tmp_path: Path, tables: str) -> None:
    environment = Environment(name="mine", parameters={"ReferenceTables": tables})
    with pytest.raises(StackError, match=f"the ReferenceTables of 'mine' are {tables or 'none'}"):
        Rehearsal(environment, ROOT, Console(), tmp_path).run()
