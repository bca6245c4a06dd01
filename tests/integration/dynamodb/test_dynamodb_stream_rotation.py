"""What DynamoDB Local can do alone: shards follow one another, and time passes."""

import sys
import time

import pytest

from streamjoin.dynamodb.stream.stream import StreamLostError
from tests.integration.conftest import Emulator

HOUR_SECONDS = 3600


@pytest.fixture
def rotating(local):
    return Emulator(local.client("dynamodb"), local.client("dynamodbstreams"), local)


def test_rotated_shards_are_read_parents_first_and_to_the_newest(rotating, make_table):
    table = make_table(rotating)
    table.put("before")
    table.scan()
    for generation in range(4):
        table.put("IN", value={"N": str(generation)})
        rotating.local.rotate_shards()
    table.put("IN", value={"N": "9"})

    assert table.poll() == ["IN"] * 5
    assert table.items == table.content()
    assert len(table.stream.position.shards) == 5
    rotating.local.rotate_shards()
    table.put("FR")
    assert table.poll() == ["FR"]


def test_shards_that_were_rotated_while_stopped_are_read_from_the_position(rotating, make_table):
    table = make_table(rotating)
    table.scan()
    table.put("IN")
    table.poll()
    position = table.stream.position
    for code in ("FR", "DE", "ES"):
        table.put(code)
        rotating.local.rotate_shards()

    table.restart(position)
    assert table.poll() == ["FR", "DE", "ES"]
    table.restart(table.stream.position)
    assert table.poll() == []


def test_empty_shards_are_passed(rotating, make_table):
    table = make_table(rotating)
    for _ in range(3):
        rotating.local.rotate_shards()
    table.scan()
    for _ in range(3):
        rotating.local.rotate_shards()
    table.put("IN")
    assert table.poll() == ["IN"]


def test_expired_iterators_are_opened_again(rotating, make_table):
    table = make_table(rotating)
    table.scan()
    table.put("IN")
    table.poll()
    rotating.local.age(hours=1)
    table.put("FR")
    assert table.poll() == ["FR"]


def test_a_position_whose_records_were_trimmed_is_lost(rotating, make_table):
    table = make_table(rotating)
    table.scan()
    at_trim_horizon = table.stream.position
    table.put("IN")
    table.poll()
    after_a_record = table.stream.position
    table.put("FR")
    rotating.local.age(hours=25)
    table.put("DE")

    for position in (at_trim_horizon, after_a_record):
        table.restart(position)
        with pytest.raises(StreamLostError, match="trimmed unread"):
            table.stream.poll()
        # Without asking: a service may give what is left after the trim horizon and say nothing.
        table.restart(position, clock=lambda: time.time() + 25 * HOUR_SECONDS)
        with pytest.raises(StreamLostError, match="longer ago than the 24 hours"):
            table.stream.poll()
    table.new_stream()
    table.scan()
    table.put("ES")
    assert table.poll() == ["ES"]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_dynamodb_local_listens_on_loopback_alone(local):
    listening = set()
    for name in ("tcp", "tcp6"):
        with open(f"/proc/{local.pid}/net/{name}") as table:
            rows = [line.split() for line in table.readlines()[1:]]
        listening |= {row[1] for row in rows if row[3] == "0A"}
    port = f":{int(local.endpoint.rsplit(':', 1)[1]):04X}"
    ours = [address for address in listening if address.endswith(port)]
    assert ours in (["0100007F" + port], ["0000000000000000FFFF00000100007F" + port])
