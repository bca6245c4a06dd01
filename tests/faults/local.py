"""A stream and a table that take only part of what they are given: no emulator has partial failures."""

import json
from collections.abc import Callable
from typing import Any


class FakeStream:
    """The `put_records` of a boto3 client: notes what arrives.

    Args:
        client: A real client, for its error classes and its region.
        refuse: Tells from the call's number, the record's place in it and its key whether to refuse a record.
    """

    def __init__(self, client: Any, refuse: Callable[[int, int, str], bool] = lambda call, place, key: False) -> None:
        self.calls: list[list[dict[str, Any]]] = []
        self.arrived: list[tuple[str, Any]] = []
        self.meta, self.exceptions = client.meta, client.exceptions
        self._refuse = refuse

    def put_records(self, StreamName: str, Records: list[dict[str, Any]]) -> dict[str, Any]:
        number = len(self.calls)
        self.calls.append(Records)
        results = []
        for place, record in enumerate(Records):
            if self._refuse(number, place, record["PartitionKey"]):
                results.append({"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "slow down"})
            else:
                self.arrived.append((record["PartitionKey"], json.loads(record["Data"])))
                results.append({"SequenceNumber": str(len(self.arrived)), "ShardId": "shardId-000000000000"})
        return {"FailedRecordCount": sum("ErrorCode" in result for result in results), "Records": results}


class FakeTable:
    """The `batch_write_item` of a boto3 client, for a table that takes so many items a call.

    Args:
        most: How many it takes; it leaves the others unprocessed.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.written: list[str] = []
        self.calls = 0

    def batch_write_item(self, RequestItems: dict[str, list[Any]]) -> dict[str, Any]:
        self.calls += 1
        ((name, requests),) = RequestItems.items()
        assert len(requests) <= 25
        self.written += [request["PutRequest"]["Item"]["id"]["N"] for request in requests[: self.most]]
        left = requests[self.most :]
        return {"UnprocessedItems": {name: left} if left else {}}
