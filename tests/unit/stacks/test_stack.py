"""A stack is created, updated and deleted, told step by step; what fails is told by resource and reason."""

import re
from datetime import timedelta

import pytest

from streamjoin.errors import StackError
from streamjoin.stacks.events import Event
from streamjoin.stacks.stack import Deployed, Stack
from tests.unit.stacks.cloudformation import BEGIN, ROOT, Service

TEMPLATE = {"TemplateURL": "https://bucket.s3.amazonaws.com/t.yaml"}
STACK, STREAM = "AWS::CloudFormation::Stack", "AWS::Kinesis::Stream"


def stack_of(service: Service) -> Stack:
    return Stack("s", service, sleep=lambda seconds: None)


def test_a_stack_that_is_not_there_is_created_and_each_step_is_told_once_in_order() -> None:
    service, told = Service(), list[Event]()
    service.happens("CREATE_IN_PROGRESS", ("root", "s", STACK, "CREATE_IN_PROGRESS", ""))
    service.happens("CREATE_IN_PROGRESS", ("root", "Streams", STACK, "CREATE_IN_PROGRESS", ""))
    service.happens(
        "CREATE_IN_PROGRESS",
        ("inner", "Orders", STREAM, "CREATE_IN_PROGRESS", ""),
        ("inner", "Orders", STREAM, "CREATE_COMPLETE", ""),
        ("inner", "Other", STREAM, "CREATE_COMPLETE", ""),
    )
    service.happens("CREATE_COMPLETE", ("root", "s", STACK, "CREATE_COMPLETE", ""))
    assert stack_of(service).deploy(TEMPLATE, {"Environment": "dev"}, told.append) is Deployed.CREATED
    assert [(each.place, each.status) for each in told] == [
        ("", "CREATE_IN_PROGRESS"),
        ("Streams", "CREATE_IN_PROGRESS"),
        ("Streams/Orders", "CREATE_IN_PROGRESS"),
        ("Streams/Orders", "CREATE_COMPLETE"),
        ("Streams/Other", "CREATE_COMPLETE"),
        ("", "CREATE_COMPLETE"),
    ]
    (made,) = service.named("create_change_set")
    assert made["ChangeSetType"] == "CREATE"
    assert made["TemplateURL"] == TEMPLATE["TemplateURL"]
    assert made["Parameters"] == [{"ParameterKey": "Environment", "ParameterValue": "dev"}]
    # Were it to fail, nothing of it would be in the way of the next try, not even what the template retains.
    assert service.named("execute_change_set") == [{"ChangeSetName": "change", "clean": True}]


def test_an_update_tells_no_event_of_earlier_times_and_keeps_what_is_not_given() -> None:
    service, told = Service("CREATE_COMPLETE"), list[Event]()
    service.stack_parameters = ["Shards", "Gone"]
    service._note("root", "s", STACK, "CREATE_COMPLETE", "")
    service.happens("UPDATE_COMPLETE", ("root", "s", STACK, "UPDATE_COMPLETE", ""))
    assert stack_of(service).deploy(TEMPLATE, {"Environment": "dev"}, told.append) is Deployed.UPDATED
    assert [each.status for each in told] == ["UPDATE_COMPLETE"]
    (made,) = service.named("create_change_set")
    assert made["ChangeSetType"] == "UPDATE"
    # What an older template had isn't passed on; what isn't given stays as it is.
    assert made["Parameters"][1] == {"ParameterKey": "Shards", "UsePreviousValue": True}
    assert len(made["Parameters"]) == 2


@pytest.mark.parametrize(
    "reason",
    [
        "The submitted information didn't contain changes. Submit different information to create a change set.",
        "No updates are to be performed.",
    ],
)
def test_without_changes_nothing_is_executed_and_no_change_set_stays(reason: str) -> None:
    service = Service("UPDATE_COMPLETE")
    service.change_set_reason = reason
    assert stack_of(service).deploy(TEMPLATE, {}, lambda event: None) is Deployed.UNCHANGED
    assert service.named("execute_change_set") == []
    assert service.named("delete_change_set") == [{"ChangeSetName": "change"}]


def test_a_change_set_that_can_not_be_made_is_told_with_its_reason() -> None:
    service = Service("UPDATE_COMPLETE")
    service.change_set_reason = "Template error: no such resource"
    with pytest.raises(StackError, match=r"change set can't be made .FAILED.: Template error: no such resource"):
        stack_of(service).deploy(TEMPLATE, {}, lambda event: None)


def test_a_parameter_that_the_template_does_not_have_is_named_with_those_it_has() -> None:
    with pytest.raises(StackError, match=r"no parameter Shard; did you mean 'Shards'\? it has: Environment, Shards"):
        stack_of(Service()).deploy(TEMPLATE, {"Shard": "2"}, lambda event: None)


def test_a_failure_is_told_by_resource_and_reason_without_what_it_has_stopped() -> None:
    service = Service()
    service.happens(
        "ROLLBACK_COMPLETE",
        ("root", "Streams", STACK, "CREATE_IN_PROGRESS", ""),
        ("root", "Jobs", STACK, "CREATE_IN_PROGRESS", ""),
        ("inner", "Orders", STREAM, "CREATE_FAILED", "Rate exceeded for shards: 500"),
        ("inner", "Other", STREAM, "CREATE_FAILED", "Resource creation cancelled"),
        ("inner", "s-Streams", STACK, "CREATE_FAILED", "The following resource(s) failed to create: [Orders]."),
        ("root", "Streams", STACK, "CREATE_FAILED", "Embedded stack was not successfully created"),
        ("root", "Jobs", STACK, "CREATE_FAILED", "Resource creation cancelled"),
        ("root", "s", STACK, "ROLLBACK_COMPLETE", ""),
    )
    with pytest.raises(StackError) as caught:
        stack_of(service).deploy(TEMPLATE, {}, lambda event: None)
    assert str(caught.value).splitlines() == [
        "stack 's': its creation failed (ROLLBACK_COMPLETE):",
        "  - Streams/Orders (AWS::Kinesis::Stream): Rate exceeded for shards: 500",
        "Its first creation failed and was undone. Mend what it names, then deploy again: what is left goes.",
    ]


def test_what_was_found_before_anything_was_begun_is_told_by_resource_too() -> None:
    service, reason = Service(), "Validation failed with 1 error(s). Call DescribeEvents to retrieve the full list."
    for operation, name in (("old", "Other"), ("new", "Lake")):
        found = {"LogicalResourceId": name, "ResourceType": "AWS::S3::Bucket", "Timestamp": BEGIN, "OperationId": "1"}
        found |= {"ValidationStatusReason": "'dev-lake' is there already"}
        if operation == "new":
            found |= {"Timestamp": BEGIN + timedelta(seconds=1), "OperationId": "2"}
        service.found_before.append(found)
    service.found_before.append({"LogicalResourceId": "s", "Timestamp": BEGIN, "OperationId": "2"})
    service.happens("ROLLBACK_COMPLETE", ("root", "s", STACK, "CREATE_FAILED", reason))
    with pytest.raises(StackError) as caught:
        stack_of(service).deploy(TEMPLATE, {}, lambda event: None)
    assert str(caught.value).splitlines()[1:-1] == ["  - Lake (AWS::S3::Bucket): 'dev-lake' is there already"]
    service.status = "UPDATE_COMPLETE"
    service.change_set_reason = "To troubleshoot Early Validation errors, use the DescribeEvents API"
    with pytest.raises(StackError, match=r"can't be made .FAILED.: Lake .AWS::S3::Bucket.: 'dev-lake' is there alre"):
        stack_of(service).deploy(TEMPLATE, {}, lambda event: None)
    assert service.named("describe_events") == [{"StackName": "s"}, {"ChangeSetName": "change"}]
    service.change_set_reason = ""
    service.found_before.clear()
    service.happens("UPDATE_ROLLBACK_COMPLETE", ("root", "s", STACK, "UPDATE_FAILED", reason))
    with pytest.raises(StackError, match=f"the stack .AWS::CloudFormation::Stack.: {re.escape(reason)}"):
        stack_of(service).deploy(TEMPLATE, {}, lambda event: None)


def test_what_a_failed_first_creation_left_is_deleted_before_the_next() -> None:
    service, told = Service("ROLLBACK_COMPLETE"), list[Event]()
    service.happens("DELETE_COMPLETE", ("root", "s", STACK, "DELETE_COMPLETE", ""))
    service.happens("CREATE_COMPLETE", ("root", "s", STACK, "CREATE_COMPLETE", ""))
    assert stack_of(service).deploy(TEMPLATE, {}, told.append) is Deployed.CREATED
    assert [name for name, _ in service.calls] == ["delete_stack", "create_change_set", "execute_change_set"]
    assert [each.status for each in told] == ["DELETE_COMPLETE", "CREATE_COMPLETE"]


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        ("UPDATE_IN_PROGRESS", "wait for its end"),
        ("ROLLBACK_FAILED", "make destroy"),
        ("DELETE_FAILED", "make destroy"),
        ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback"),
    ],
)
def test_a_stack_in_a_state_that_allows_no_change_is_left_alone_and_says_what_to_do(status: str, remedy: str) -> None:
    service = Service(status)
    with pytest.raises(StackError, match=f"'s' can't be changed: it is in {status}. .*{remedy}"):
        stack_of(service).deploy(TEMPLATE, {}, lambda event: None)
    assert service.calls == []


def test_a_stack_is_deleted_and_what_could_not_be_is_named() -> None:
    service = Service("CREATE_COMPLETE")
    service.happens("DELETE_COMPLETE", ("root", "s", STACK, "DELETE_COMPLETE", ""))
    assert stack_of(service).delete(lambda event: None)
    assert service.named("delete_stack") == [{"StackName": ROOT}]
    assert not stack_of(service).delete(lambda event: None)
    failing = Service("CREATE_COMPLETE")
    failing.happens("DELETE_FAILED", ("root", "Data", "AWS::S3::Bucket", "DELETE_FAILED", "The bucket is not empty"))
    with pytest.raises(
        StackError, match=r"its deletion failed .DELETE_FAILED.:\n  - Data .AWS::S3::Bucket.: The bucket"
    ):
        stack_of(failing).delete(lambda event: None)


def test_outputs_are_those_of_a_stack_that_is_as_its_template_says() -> None:
    service = Service("UPDATE_ROLLBACK_COMPLETE")
    service.stack_outputs = {"Lake": "s3://b/lake"}
    assert stack_of(service).outputs() == {"Lake": "s3://b/lake"}
    with pytest.raises(StackError, match="there is no stack 's' in region 'us-east-1'"):
        stack_of(Service()).outputs()
    for status in ("ROLLBACK_COMPLETE", "CREATE_IN_PROGRESS", "DELETE_FAILED"):
        with pytest.raises(StackError, match=f"'s' has no outputs to go by: it is in {status}"):
            stack_of(Service(status)).outputs()


def test_a_wait_has_an_end() -> None:
    service, now = Service(), [0.0]
    for _ in range(1000):
        service.happens("CREATE_IN_PROGRESS")
    stack = Stack("s", service, clock=lambda: now[0], sleep=lambda seconds: now.__setitem__(0, now[0] + seconds))
    with pytest.raises(StackError, match="still in CREATE_IN_PROGRESS after 60 min"):
        stack.deploy(TEMPLATE, {}, lambda event: None)
    assert 3600 <= now[0] < 3610
