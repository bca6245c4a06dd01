"""A CloudFormation stack: looked at, brought to what a template says by a change set, and deleted.

Source: AWS CloudFormation API reference: CreateChangeSet, ExecuteChangeSet, DeleteStack, DescribeEvents, and the states
of a `Stack`.
"""

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from streamjoin.aws.backoff import back_off_seconds
from streamjoin.aws.errors import Remedies, code_of, translated
from streamjoin.config.values import did_you_mean
from streamjoin.errors import StackError
from streamjoin.stacks.events import Event, Events, failures

CAPABILITIES: Final = ("CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND")
_FIRST_POLL_SECONDS: Final = 0.25
_LONGEST_POLL_SECONDS: Final = 5.0
# The instance of DMS alone may take twenty.
_PATIENCE_SECONDS: Final = 3600.0
# Nothing is in a stack in these states, or nothing was ever made of it.
_NEW: Final = frozenset({None, "REVIEW_IN_PROGRESS", "DELETE_COMPLETE", "ROLLBACK_COMPLETE"})
_USABLE: Final = frozenset(
    {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE"}
)
_DONE: Final = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE"})
# How the service says that there is nothing to do.
_NO_CHANGES: Final = ("didn't contain changes", "No updates are to be performed")
_REMEDIES: Final = Remedies(
    missing="Check its name, the region and the account: aws cloudformation list-stacks.",
    denied="Allow the actions of cloudformation: that docs/deploy.md lists to who deploys.",
    throttled="Try again.",
    unreachable="Check the network, the credentials, the region and AWS_ENDPOINT_URL.",
)

Tell = Callable[[Event], None]


class Deployed(StrEnum):
    """What a deployment did."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


def outputs_of(described: Mapping[str, Any]) -> dict[str, str]:
    """Return the outputs of a stack, as the service describes it; none if it has none yet."""
    return {each["OutputKey"]: each["OutputValue"] for each in described.get("Outputs", ())}


class Stack:
    """One stack.

    Args:
        name: Its name.
        client: boto3's `cloudformation` client.
        clock: Seconds that never go back.
        sleep: Waits a number of seconds.
    """

    def __init__(
        self,
        name: str,
        client: Any,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name, self._client, self._clock, self._sleep = name, client, clock, sleep

    def described(self) -> dict[str, Any] | None:
        """Return what the service says of it, in the service's words; None: there is no such stack.

        Raises:
            StackError: The service can't be asked.
        """
        with self._calling("DescribeStacks"):
            try:
                found: dict[str, Any] = self._client.describe_stacks(StackName=self.name)["Stacks"][0]
            except ClientError as error:
                if code_of(error) == "ValidationError" and "does not exist" in str(error):
                    return None
                raise
        return found

    def outputs(self) -> dict[str, str]:
        """Return the outputs of a stack that is as its template says.

        Raises:
            StackError: There is no such stack, or its state is none in which outputs are true.
        """
        found = self.described()
        if found is None:
            message = (
                f"there is no stack '{self.name}' in region '{self._client.meta.region_name}'. {_REMEDIES.missing}"
            )
            raise StackError(message)
        if found["StackStatus"] not in _USABLE:
            raise self._refusal("has no outputs to go by", found["StackStatus"])
        return outputs_of(found)

    def deploy(
        self,
        template: Mapping[str, str],
        parameters: Mapping[str, str],
        tell: Tell,
        tags: Mapping[str, str] = MappingProxyType({}),
    ) -> Deployed:
        """Create the stack, or bring it to what a template says, and wait for the end.

        Args:
            template: `TemplateURL` or `TemplateBody`, and which.
            parameters: Values of the template's parameters. One that isn't given keeps its value, or is the default.
            tell: Takes each event as it comes.
            tags: Of the stack, and of all in it.

        Raises:
            StackError: It failed, with each resource and reason; it is rolled back then. Or its state allows no change.
        """
        found = self.described()
        status = None if found is None else str(found["StackStatus"])
        if status not in _NEW | _USABLE:
            raise self._refusal("can't be changed", status)
        if status == "ROLLBACK_COMPLETE":
            # Its first creation failed: all that may be done to it is this.
            self.delete(tell)
        is_new = status in _NEW
        before = {} if found is None or is_new else {each["ParameterKey"] for each in found.get("Parameters", ())}
        change = self._change_set(template, self._values(template, parameters, before), tags, is_new=is_new)
        if change is None:
            return Deployed.UNCHANGED
        events = Events(self._client, change["StackId"])
        with self._calling("DescribeStackEvents"):
            events.new()
        with self._calling("ExecuteChangeSet"):
            # If it fails, what it has made goes, also what a template retains: that would be in the next one's way.
            self._client.execute_change_set(ChangeSetName=change["ChangeSetId"], RetainExceptOnCreate=True)
        end, told = self._wait(change["StackId"], events, tell)
        if end not in _DONE:
            raise self._failure("creation" if is_new else "update", end, told)
        return Deployed.CREATED if is_new else Deployed.UPDATED

    def delete(self, tell: Tell) -> bool:
        """Delete the stack with all that its template doesn't retain, and wait for the end.

        Args:
            tell: Takes each event as it comes.

        Returns:
            Whether there was one.

        Raises:
            StackError: Something couldn't be deleted, with each resource and reason; the rest is gone.
        """
        found = self.described()
        if found is None:
            return False
        if found["StackStatus"].endswith("_IN_PROGRESS") and found["StackStatus"] not in _NEW:
            raise self._refusal("can't be deleted", found["StackStatus"])
        events = Events(self._client, found["StackId"])
        with self._calling("DeleteStack"):
            events.new()
            self._client.delete_stack(StackName=found["StackId"])
        end, told = self._wait(found["StackId"], events, tell)
        if end != "DELETE_COMPLETE":
            raise self._failure("deletion", end, told)
        return True

    def known(self, template: Mapping[str, str], given: Iterable[str]) -> list[str]:
        """Return a template's parameters; one that is given and isn't among them is a StackError."""
        with self._calling("GetTemplateSummary"):
            summary = self._client.get_template_summary(**template)
        known = [each["ParameterKey"] for each in summary.get("Parameters", ())]
        if unknown := sorted(set(given) - set(known)):
            near = did_you_mean(unknown[0], known)
            message = f"its template has no parameter {', '.join(unknown)}; {near}it has: {', '.join(known)}"
            raise StackError(message)
        return known

    def _values(self, template: Mapping[str, str], given: Mapping[str, str], before: Any) -> list[dict[str, Any]]:
        return [
            {"ParameterKey": key, "ParameterValue": given[key]}
            if key in given
            else {"ParameterKey": key, "UsePreviousValue": True}
            for key in self.known(template, given)
            if key in given or key in before
        ]

    def _change_set(
        self, template: Mapping[str, str], values: list[dict[str, Any]], tags: Mapping[str, str], *, is_new: bool
    ) -> dict[str, Any] | None:
        with self._calling("CreateChangeSet"):
            made = self._client.create_change_set(
                StackName=self.name,
                ChangeSetName=f"streamjoin-{uuid.uuid4().hex[:12]}",
                ChangeSetType="CREATE" if is_new else "UPDATE",
                Capabilities=list(CAPABILITIES),
                Parameters=values,
                Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
                **template,
            )
        for _ in self._polls():
            with self._calling("DescribeChangeSet"):
                found: dict[str, Any] = self._client.describe_change_set(ChangeSetName=made["Id"])
            if found["Status"] == "CREATE_COMPLETE":
                return found
            if found["Status"] == "FAILED":
                break
        reason = found.get("StatusReason", "no reason given")
        reason = "; ".join(self._found_before(reason, ChangeSetName=made["Id"])) or reason
        with self._calling("DeleteChangeSet"):
            self._client.delete_change_set(ChangeSetName=made["Id"])
        if any(each in reason for each in _NO_CHANGES):
            return None
        message = f"stack '{self.name}': its change set can't be made ({found['Status']}): {reason}"
        raise StackError(message)

    def _wait(self, stack_id: str, events: Events, tell: Tell) -> tuple[str, list[Event]]:
        told: list[Event] = []
        for _ in self._polls():
            with self._calling("DescribeStacks"):
                status = str(self._client.describe_stacks(StackName=stack_id)["Stacks"][0]["StackStatus"])
            with self._calling("DescribeStackEvents"):
                new = events.new()
            for each in new:
                tell(each)
            told += new
            if not status.endswith("_IN_PROGRESS"):
                return status, told
        message = (
            f"stack '{self.name}' is still in {status} after {_PATIENCE_SECONDS / 60:.0f} min; it goes on by itself. "
            f"Look at it: aws cloudformation describe-stack-events --stack-name {self.name}"
        )
        raise StackError(message)

    def _refusal(self, what: str, status: str | None) -> StackError:
        return StackError(f"stack '{self.name}' {what}: it is in {status}. {self._remedy(status)}")

    def _failure(self, what: str, status: str, events: list[Event]) -> StackError:
        failed = failures(events)
        found = self._found_before(" ".join(each.reason for each in failed), StackName=self.name) or failed
        lines = [f"  - {each}" for each in found] or ["  - CloudFormation names no resource"]
        return StackError(
            "\n".join([f"stack '{self.name}': its {what} failed ({status}):", *lines, self._remedy(status)])
        )

    def _found_before(self, reason: str, **of: str) -> list[str]:
        """Return what CloudFormation found before it began anything, to which its own reason merely points."""
        if "DescribeEvents" not in reason:
            return []
        with self._calling("DescribeEvents"):
            answer = self._client.describe_events(**of, Filters={"FailedEvents": True})
        found = [each for each in answer["OperationEvents"] if "ValidationStatusReason" in each]
        newest = max(((each["Timestamp"], each["OperationId"]) for each in found), default=(None, None))[1]
        return [
            f"{each['LogicalResourceId']} ({each['ResourceType']}): {each['ValidationStatusReason']}"
            for each in found
            if each["OperationId"] == newest
        ]

    def _remedy(self, status: str | None) -> str:
        """Return what a state of the stack asks for."""
        if status == "ROLLBACK_COMPLETE":
            return "Its first creation failed and was undone. Mend what it names, then deploy again: what is left goes."
        if status == "UPDATE_ROLLBACK_COMPLETE":
            return "Everything is as it was before. Mend what it names, then deploy again."
        if status == "UPDATE_ROLLBACK_FAILED":
            return f"Mend what it names, then: aws cloudformation continue-update-rollback --stack-name {self.name}"
        if status in {"CREATE_FAILED", "ROLLBACK_FAILED"}:
            return "Mend what it names, then make destroy, and deploy again."
        if status == "DELETE_FAILED":
            return "Mend what it names, then make destroy once more: what is gone stays gone."
        return "Something else is changing it: wait for its end, then try again."

    def _polls(self) -> Iterator[None]:
        end, count = self._clock() + _PATIENCE_SECONDS, 0
        while self._clock() < end:
            yield
            self._sleep(back_off_seconds(count, _FIRST_POLL_SECONDS, _LONGEST_POLL_SECONDS))
            count += 1

    @contextmanager
    def _calling(self, operation: str) -> Iterator[None]:
        with translated(StackError, f"stack '{self.name}': {operation}", _REMEDIES):
            try:
                yield
            except KeyError as error:
                # Of what isn't an answer the SDK's reader of XML says no more.
                message = "a web page answered in place of the service"
                raise ResponseParserError(message) from error
