"""Which events a configuration may look for in a record, and whether what the documents say finds them."""

import gzip
import json
import re
from typing import Any

import pytest
import yaml

from streamjoin.enrich.assembly import payload_format
from streamjoin.enrich.config.enrich import EnrichConfig
from streamjoin.entry import parse_config
from streamjoin.errors import ConfigError
from streamjoin.records.decoder import PayloadDecoder
from streamjoin.schema.ddl import parse_schema
from tests.documents import CONFIGURATION

EVENT = '{"id": "1", "amount": 5}'
BUS = {"version": "0", "id": "i", "detail-type": "d", "source": "s", "resources": [], "detail": json.loads(EVENT)}
SNS = {"Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:us-east-1:123456789012:t", "Message": EVENT}
LOGS = {"messageType": "DATA_MESSAGE", "logGroup": "g", "logEvents": [{"id": "e", "timestamp": 1, "message": EVENT}]}
ENVELOPES = {
    "CloudWatch Logs": gzip.compress(json.dumps(LOGS).encode()),
    "notifications of SNS": json.dumps(SNS).encode(),
    "events of EventBridge, from a rule": json.dumps(BUS).encode(),
    "that SNS has passed on": json.dumps({**SNS, "Message": json.dumps(BUS)}).encode(),
}


def config(**payload: Any) -> EnrichConfig:
    return parse_config(
        {
            "job": "enrich",
            "name": "j",
            "source": {"kinesis": {"stream_name": "s"}},
            "payload": {"schema": "id string, amount int", **payload},
            "sink": {"hudi": {"base_path": "/t", "table_name": "t", "record_key": ["id"]}},
            "dead_letters": {"base_path": "/dead"},
        }
    )


def test_the_documented_paths_find_the_events_of_their_envelopes() -> None:
    rows = re.findall(r"^\| ([^|`]+) \| `(\{.*\})` \|$", CONFIGURATION, re.MULTILINE)
    assert len(rows) == len(ENVELOPES)
    for what, payload in rows:
        (envelope,) = (content for name, content in ENVELOPES.items() if name in what)
        form, schema = payload_format(config(**yaml.safe_load(payload)).payload), parse_schema("id string, amount int")
        splitter = form.splitter(schema)
        assert splitter is None or splitter.parts(envelope) == [envelope]
        assert PayloadDecoder(schema, form)(envelope) == ["1", 5], what


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        ({"format": "avro", "records": "many", "schema": None}, "payload.records: found many; with avro allowed: one"),
        ({"format": "csv", "path": "detail"}, "payload.path: allowed with format json only; found csv"),
        ({"path": "a[*].b"}, "payload.path: found 'a[*].b'; [*] needs payload.records many"),
        ({"path": "a..b", "records": "many"}, "payload.path: found 'a..b'; allowed: names with dots between them"),
        ({"path": "[*]", "records": "many"}, "payload.path: found '[*]'; allowed: names with dots between them"),
        ({"path": "a[0]", "records": "many"}, "payload.path: found 'a[0]'; allowed: names with dots between them"),
        ({"records": "several"}, "payload.records: found 'several'; allowed: one, many"),
    ],
)
def test_what_no_payload_can_be_is_refused(payload: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError) as error:
        config(**payload)
    assert [line for line in error.value.problems if line.startswith(problem)], error.value.problems
