import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import boto3
import pytest

from streamjoin.errors import LocalStackError, SourceError
from streamjoin.local import background
from streamjoin.local.samples.datasets import DATASETS
from streamjoin.local.samples.names import DatasetName
from streamjoin.local.samples.orders import COUNTRY_ROWS, orders
from streamjoin.local.samples.produce import produce
from streamjoin.local.stack import HOST, LocalStack, free_port, is_ready


def eventually(condition, timeout_seconds=20.0):
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def read_shard(kinesis, stream_name, shard_id):
    iterator = kinesis.get_shard_iterator(StreamName=stream_name, ShardId=shard_id, ShardIteratorType="TRIM_HORIZON")[
        "ShardIterator"
    ]
    records = []
    while True:
        page = kinesis.get_records(ShardIterator=iterator, Limit=10_000)
        records += page["Records"]
        if page["MillisBehindLatest"] == 0 and not page["Records"]:
            return records
        iterator = page["NextShardIterator"]


def read_stream(kinesis, stream_name):
    shards = kinesis.list_shards(StreamName=stream_name)["Shards"]
    return {shard["ShardId"]: read_shard(kinesis, stream_name, shard["ShardId"]) for shard in shards}


def machine_address():
    """An address of this machine that isn't loopback, None without one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address = probe.getsockname()[0]
    return None if address.startswith("127.") else address


def test_the_services_answer_on_loopback_only(stack):
    assert is_ready(stack.endpoint)
    assert stack.endpoint.startswith("http://127.0.0.1:")
    elsewhere = machine_address()
    if elsewhere is not None:
        with socket.socket() as probe:
            probe.settimeout(2)
            assert probe.connect_ex((elsewhere, stack.port)) != 0


def test_a_second_stack_shares_nothing_with_the_first_hides_every_other_account_and_ends_with_its_block(
    stack, make_stream, monkeypatch
):
    make_stream(1)
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://elsewhere.example")
    with LocalStack() as other:
        with other.active():
            assert "AWS_PROFILE" not in os.environ
            assert "AWS_ENDPOINT_URL_S3" not in os.environ
            assert boto3.client("kinesis").list_streams()["StreamNames"] == []
            s3 = boto3.client("s3")
        assert s3.meta.endpoint_url == other.endpoint
        assert s3.list_buckets()["Buckets"] == []
        assert os.environ["AWS_PROFILE"] == "production"
        endpoint = other.endpoint
        assert is_ready(endpoint)
    assert not is_ready(endpoint)
    assert is_ready(stack.endpoint)


def test_the_services_end_when_their_owner_is_killed():
    owner = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from streamjoin.local.stack import LocalStack\n"
            "stack = LocalStack().__enter__()\n"
            "print(stack.endpoint, flush=True)\n"
            "input()\n",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        endpoint = owner.stdout.readline().strip()
        assert is_ready(endpoint)
    finally:
        owner.kill()
        owner.wait()
    assert eventually(lambda: not is_ready(endpoint))


def test_a_port_that_is_taken_is_refused():
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LocalStackError, match=f"port {port} .* is taken"), LocalStack(port):
            pass


def test_background_services_outlive_the_command_that_started_them(tmp_path):
    command = [sys.executable, "-m", "streamjoin", "local"]
    environ = {**os.environ, "AWS_PROFILE": "production", "AWS_SESSION_TOKEN": "secret"}

    def run(*arguments):
        return subprocess.run(
            [*command, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=60, env=environ, check=False
        )

    assert run("status").returncode == 1
    started = run("up", "--port", str(free_port()), "--export")
    try:
        assert started.returncode == 0, started.stderr
        assert run("status").returncode == 0
        state = json.loads((tmp_path / ".streamjoin" / "local.json").read_text())
        assert f"export AWS_ENDPOINT_URL={state['endpoint']}" in started.stdout.splitlines()
        assert "unset AWS_PROFILE" in started.stdout.splitlines()
        assert "unset AWS_SESSION_TOKEN" in started.stdout.splitlines()
        again = run("up", "--export")
        assert again.stdout == started.stdout
        assert run("up", "--port", str(free_port())).returncode == 1
    finally:
        ended = run("down")
    assert ended.returncode == 0
    assert not is_ready(state["endpoint"])
    assert run("status").returncode == 1
    assert run("down").returncode == 0


def test_killed_background_services_are_seen_to_be_gone(tmp_path):
    running = background.up(free_port(), tmp_path)
    os.killpg(running.pid, signal.SIGKILL)
    assert eventually(lambda: background.status(tmp_path) is None)
    assert background.down(tmp_path) is None
    assert not (tmp_path / "local.json").exists()


def test_a_process_that_only_has_the_number_of_the_services_is_left_alone(tmp_path):
    bystander = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)
    try:
        (tmp_path / "local.lock").touch()
        (tmp_path / "local.json").write_text(json.dumps({"pid": bystander.pid, "port": 4566}))
        assert background.status(tmp_path) is None
        assert background.down(tmp_path) is None
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_services_that_cannot_start_leave_nothing_behind(tmp_path):
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        with pytest.raises(LocalStackError, match="is taken"):
            background.up(taken.getsockname()[1], tmp_path)
    assert background.status(tmp_path) is None
    assert not Path(tmp_path / "local.json").exists()


def test_what_is_produced_is_in_the_stream_once_each_under_its_key(kinesis, make_stream):
    stream_name = make_stream(4)
    sent = list(itertools.islice(orders(seed=3), 1_234))
    summary = produce(kinesis, stream_name, sent, record_key="uuid")
    shards = read_stream(kinesis, stream_name)
    found = [record for records in shards.values() for record in records]
    assert summary.records == len(found) == 1_234
    assert all(records for records in shards.values())
    assert {r["PartitionKey"]: json.loads(r["Data"]) for r in found} == {order["uuid"]: order for order in sent}


def test_records_of_one_key_keep_their_order(kinesis, make_stream):
    stream_name = make_stream(2)
    events = [{"id": f"k{number % 3}", "number": number} for number in range(60)]
    produce(kinesis, stream_name, events, record_key="id")
    for records in read_stream(kinesis, stream_name).values():
        numbers = [json.loads(record["Data"]) for record in records]
        for key in ("k0", "k1", "k2"):
            mine = [event["number"] for event in numbers if event["id"] == key]
            assert mine == sorted(mine)


def test_producing_to_a_missing_stream_is_one_clear_error(kinesis, fresh_name):
    missing = fresh_name("missing")
    with pytest.raises(SourceError, match=rf"stream '{missing}' isn't there in region 'us-east-1'"):
        produce(kinesis, missing, [{"id": "1"}], record_key="id")


def test_the_command_produces_and_says_how_much(stack, kinesis, make_stream):
    stream_name = make_stream(1)
    command = [sys.executable, "-m", "streamjoin", "produce", "--stream-name", stream_name, "--dataset", "flights"]
    options = ["--records", "70", "--start", "30", "--rate", "5000", "--region", "us-east-1"]
    answer = subprocess.run(
        [*command, *options], capture_output=True, text=True, env=stack.environ(), timeout=60, check=True
    )
    assert answer.stdout.startswith(f"stream '{stream_name}': 70 records (")
    (records,) = read_stream(kinesis, stream_name).values()
    expected = list(itertools.islice(DATASETS[DatasetName.FLIGHTS].records(0, 0), 30, 100))
    assert [json.loads(record["Data"]) for record in records] == expected


def test_reference_items_arrive_with_their_types(dynamodb, make_table):
    (country,) = DATASETS[DatasetName.ORDERS].references
    name = make_table(country.keys, country.rows())
    found = dynamodb.scan(TableName=name)["Items"]
    assert sorted(item["combinedname"]["S"] for item in found) == sorted(r["combinedname"] for r in COUNTRY_ROWS)

    airports = DATASETS[DatasetName.FLIGHTS].references[1]
    name = make_table(airports.keys, airports.rows())
    newark = dynamodb.get_item(TableName=name, Key={"faa": {"S": "EWR"}})["Item"]
    assert newark["lat"] == {"N": "40.6925"}
    assert newark["alt"] == {"N": "18"}
    assert dynamodb.describe_table(TableName=name)["Table"]["StreamSpecification"] == {
        "StreamEnabled": True,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    }
