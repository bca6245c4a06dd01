"""Which job owns each target table, as the control table notes it beside the jobs' own items."""

from collections.abc import Mapping
from typing import Any, Final, Protocol

from botocore.exceptions import ClientError

from streamjoin.aws.errors import code_of
from streamjoin.dynamodb.read.pages import projection, scan_pages
from streamjoin.replicate.control_table import KEY, ControlClient, control_errors

_OWNER: Final = "owner_job"
# No job's name has a slash.
_TARGET: Final = "target/"


class OwnerClient(ControlClient, Protocol):
    """The calls of boto3's DynamoDB client that owners need."""

    def scan(self, **request: Any) -> Mapping[str, Any]:
        """Call Scan."""


class Owners:
    """The owners of targets, for one job.

    Args:
        client: boto3's DynamoDB client.
        table_name: The control table.
        job: The job's name.
    """

    def __init__(self, client: OwnerClient, table_name: str, job: str) -> None:
        self._client, self._table_name, self._job = client, table_name, job
        self._errors = control_errors(client, table_name)

    def owner(self, target: str) -> str | None:
        """Return the job whose items of a target table don't say of which job they are; None if none is noted.

        Raises:
            SinkError: The table can't be read.
        """
        with self._errors.of(f"GetItem of target '{target}'"):
            request = {"TableName": self._table_name, "Key": _target_key(target), "ConsistentRead": True}
            found = self._client.get_item(**request).get("Item")
        return str(found[_OWNER]["S"]) if found else None

    def own(self, target: str) -> bool:
        """Note this job as the owner of a target table; tell whether no other one was faster.

        Raises:
            SinkError: The table can't be written.
        """
        with self._errors.of(f"PutItem of target '{target}'"):
            try:
                self._client.put_item(
                    TableName=self._table_name,
                    Item={**_target_key(target), _OWNER: {"S": self._job}},
                    ConditionExpression=f"attribute_not_exists({_OWNER})",
                )
            except ClientError as error:
                if code_of(error) == "ConditionalCheckFailedException":
                    return False
                raise
        return True

    def owned(self) -> list[str]:
        """Return the target tables of which this job is noted as the owner.

        Raises:
            SinkError: The table can't be read.
        """
        request = {"TableName": self._table_name, "ConsistentRead": True, **projection([KEY, _OWNER])}
        with self._errors.of("Scan"):
            items = [item for page in scan_pages(self._client.scan, request) for item in page.items]
        owned = [item[KEY]["S"] for item in items if item.get(_OWNER, {}).get("S") == self._job]
        return sorted(key.removeprefix(_TARGET) for key in owned)


def _target_key(target: str) -> dict[str, dict[str, str]]:
    return {KEY: {"S": f"{_TARGET}{target}"}}
