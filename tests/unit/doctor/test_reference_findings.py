"""Reference tables against how they are to be read."""

import pytest

from streamjoin.doctor import references
from streamjoin.doctor.finding import Status
from tests.unit.doctor.looking import AWAY, DENIED, MISSING, clients, context, enrichment, shown

GIB = 1024**3
BY_NAME = {"country": "countryname"}


def table(items=250, size=25_000, key="countryname", view="NEW_AND_OLD_IMAGES", status="ACTIVE"):
    stream = {"StreamEnabled": True, "StreamViewType": view} if view else {}
    described = {
        "TableName": "countries",
        "TableStatus": status,
        "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"}],
        "ItemCount": items,
        "TableSizeBytes": size,
        "LatestStreamArn": "arn:aws:dynamodb:us-east-1:123456789012:table/countries/stream/2026",
        "StreamSpecification": stream,
    }
    return {"describe_table": {"Table": described}}


def look(answers, monkeypatch=None, **reference):
    settings = {
        "name": "country",
        "dynamodb": {"table_name": "countries"},
        "on": BY_NAME,
        "columns": ["combinedname"],
        **reference,
    }
    streams = {
        "get_shard_iterator": {"ShardIterator": "i"},
        "get_records": {"Records": [], "NextShardIterator": "j"},
        "describe_stream": {
            "StreamDescription": {
                "Shards": [{"ShardId": "shardId-0", "SequenceNumberRange": {"StartingSequenceNumber": "1"}}],
                "StreamArn": "a",
                "StreamStatus": "ENABLED",
            }
        },
    }
    client, _ = clients(dynamodb=answers, dynamodbstreams=streams)
    return list(references.references(context(enrichment(references=[settings]), client)))


def bad_lines(found):
    return shown([each for each in found if each.status is Status.BAD])


def test_a_small_table_with_a_stream_is_good_in_all(monkeypatch):
    monkeypatch.setattr(references, "memory_bytes", lambda: 16 * GIB)
    found = look(table())
    assert [each.what for each in found] == [
        "reference 'country'",
        "reference 'country', key",
        "reference 'country', memory",
        "reference 'country', changes",
    ]
    assert {each.status for each in found} == {Status.GOOD}, shown(found)
    assert found[0].found.startswith("table 'countries' is ACTIVE, 250 items, 24.4 KiB")


@pytest.mark.parametrize(
    ("answers", "reference", "told", "remedy"),
    [
        (table(status="CREATING"), {}, "is CREATING", "Wait"),
        (table(key="code"), {"mode": "lookup"}, "`on` names 'countryname'", "Set mode: snapshot"),
        (table(view="KEYS_ONLY", size=GIB), {}, "without new images, so that it is scanned whole every 60 s", "Enable"),
        (table(view=None, size=GIB), {}, "it has no stream", "Enable a stream: aws dynamodb update-table"),
        (table(items=40_000_000), {}, "mode snapshot takes about 22.4 GiB", "Set mode: lookup"),
        (table(items=1_000_000, size=12 * GIB), {}, "takes about 12.0 GiB", "Set mode: lookup"),
        ({"describe_table": DENIED}, {}, "was denied", "Allow dynamodb:DescribeTable"),
        ({"describe_table": MISSING}, {}, "nothing of this name", "Set dynamodb.table_name"),
        ({"describe_table": AWAY}, {}, "could not reach", "Check the network"),
    ],
)
def test_what_does_not_fit_is_bad_with_what_to_do(monkeypatch, answers, reference, told, remedy):
    monkeypatch.setattr(references, "memory_bytes", lambda: 16 * GIB)
    (found,) = [each for each in look(answers, **reference) if each.status is Status.BAD]
    assert told in found.found
    assert found.remedy.startswith(remedy)


@pytest.mark.parametrize(
    ("answers", "reference"),
    [
        (table(view=None), {}),
        (table(items=40_000_000), {"mode": "lookup"}),
        (table(items=40_000_000), {"mode": "auto"}),
        (table(view=None, size=GIB), {"refresh": {"follow": "scan"}}),
    ],
)
def test_what_fits_how_it_is_read_is_not_bad(monkeypatch, answers, reference):
    monkeypatch.setattr(references, "memory_bytes", lambda: 16 * GIB)
    assert bad_lines(look(answers, **reference)) == []


def test_a_table_that_fails_does_not_end_the_look_at_the_next(monkeypatch):
    def describe(TableName):
        if TableName == "gone":
            raise MISSING
        return table()["describe_table"]

    settings = [
        {"name": name, "dynamodb": {"table_name": name}, "on": BY_NAME, "columns": {"combinedname": name}}
        for name in ("gone", "there")
    ]
    client, _ = clients(dynamodb={"describe_table": describe})
    found = list(references.references(context(enrichment(references=settings), client)))
    assert found[0].status is Status.BAD
    assert next(each.status for each in found if each.what == "reference 'there'") is Status.GOOD
