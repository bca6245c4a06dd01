"""`streamjoin seed-table` with the emulator's DynamoDB."""

from collections.abc import Callable
from typing import Any

import pytest

from streamjoin.local.samples.samples import SAMPLES, SampleName
from streamjoin.local.samples.seed import seed_table


@pytest.mark.parametrize("name", list(SampleName))
def test_a_sample_makes_its_table_and_can_be_written_again(
    dynamodb: Any, fresh_name: Callable[[str], str], name: SampleName
) -> None:
    table = fresh_name(name)
    for is_first in (True, False):
        seeded = seed_table(name, table, records=60, create=True)
        assert (seeded.items, seeded.created) == (60, is_first)
    found = dynamodb.scan(TableName=table)["Items"]
    keys = SAMPLES[name].keys
    wanted = SAMPLES[name].items(60, seed=0)
    assert {tuple(item[key]["S"] for key in keys) for item in found} == {
        tuple(item[key] for key in keys) for item in wanted
    }
    stream = dynamodb.describe_table(TableName=table)["Table"]["StreamSpecification"]
    assert stream == {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
