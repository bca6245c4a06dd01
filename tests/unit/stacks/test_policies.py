"""How a test compares a role's policies with calls; were it wrong, a missing right would not be seen."""

from typing import Any

from tests.documents import ROOT
from tests.stacks.policies import ELSEWHERE, OF_REPLICATE, Call, Right, missing, of_s3, rights, unused

DOCUMENT = {
    "Statement": [
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::b/t/*"},
        {
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": ["arn:aws:s3:::b"],
            "Condition": {"StringLike": {"s3:prefix": "t/*"}},
        },
    ]
}


def test_a_call_is_missing_if_action_resource_or_condition_says_so() -> None:
    allowed = rights([DOCUMENT])
    good = [Call("s3:GetObject", "arn:aws:s3:::b/t/a/b"), Call("s3:ListBucket", "arn:aws:s3:::b", "t/x")]
    bad = [
        Call("s3:DeleteObject", "arn:aws:s3:::b/t/a"),
        Call("s3:GetObject", "arn:aws:s3:::b/other"),
        Call("s3:ListBucket", "arn:aws:s3:::b", "other/"),
    ]
    assert missing([*good, *bad], allowed) == bad
    assert [each.action for each in unused(good, allowed)] == ["s3:PutObject"]
    assert rights([DOCUMENT])[0] == Right("s3:GetObject", ("arn:aws:s3:::b/t/*",))


def request(method: str, key: str, *query: str, **more: Any) -> list[str]:
    told = {"method": method, "bucket": "b", "key": key, "query": list(query), "prefix": "", "deleted": [], **more}
    return [f"{each.action} {each.resource.rpartition(':')[2]}" for each in of_s3(told)]


def test_requests_to_s3_are_the_actions_that_they_need() -> None:
    assert request("HEAD", "k") == request("GET", "k") == ["s3:GetObject b/k"]
    assert request("PUT", "k") == request("POST", "k", "uploads") == ["s3:PutObject b/k"]
    assert request("DELETE", "k") == ["s3:DeleteObject b/k"]
    assert request("DELETE", "k", "uploadId") == ["s3:AbortMultipartUpload b/k"]
    assert request("POST", "", "delete", deleted=["x", "y"]) == ["s3:DeleteObject b/x", "s3:DeleteObject b/y"]
    assert request("GET", "", "list-type") == request("HEAD", "") == ["s3:ListBucket b"]
    assert request("GET", "", "location") == ["s3:GetBucketLocation b"]


def test_the_tests_that_record_what_no_rehearsal_calls_are_there() -> None:
    written = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    named = {each for each in (*ELSEWHERE.values(), *OF_REPLICATE.values()) if each.startswith("test_")}
    assert len(named) == 5
    for name in named:
        _, test, rest = written.partition(f"def {name}(")
        assert test
        assert "with asked(" in rest.partition("\ndef ")[0]
