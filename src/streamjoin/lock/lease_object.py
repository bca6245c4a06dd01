"""An object on S3 as the store of a lease."""

import json
import logging
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import ClientError

from streamjoin.aws.errors import SDK_ERRORS, code_of
from streamjoin.lock.holder import Holder
from streamjoin.lock.lease import Entry
from streamjoin.lock.refusal import Place, unusable

log = logging.getLogger(__name__)

# Another process wrote first. Source: Amazon S3 user guide, "How to prevent object overwrites with conditional writes".
_CONFLICTS = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "NoSuchKey"})
# The store, or something in front of it, doesn't know the condition.
_REFUSALS = frozenset({"NotImplemented", "501"})
# Asking again doesn't change it. Source: Amazon S3 API reference, "List of error codes".
_LASTING = frozenset({"AccessDenied", "NoSuchBucket", "InvalidAccessKeyId", "SignatureDoesNotMatch", "403"})


class LeaseObject:
    """A `LeaseStore`: one object, written by compare and swap.

    Invariant: once a store was seen not to heed conditions, `is_conditional` is false for good, and every write looks
    before it writes instead; two that do so in the same moment both believe that they wrote.

    Args:
        place: What is locked.
        client: A boto3 client of S3.
        bucket: Where the object is.
        key: Its name.
    """

    def __init__(self, place: Place, client: Any, bucket: str, key: str) -> None:
        self.place = place
        self._client, self._bucket, self._key = client, bucket, key
        self.is_conditional = True
        self._is_proven = False

    def read(self) -> Entry | None:
        """Return what is there; an object that is no lease is free."""
        with self._errors():
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=self._key)
            except ClientError as error:
                if code_of(error) == "NoSuchKey":
                    return None
                raise
            content = answer["Body"].read()
        holder = Holder.from_json(content)
        owner = holder.owner if holder else None
        return Entry(owner, holder, _renewals(content), tag=answer["ETag"], age_seconds=_age_seconds(answer))

    def write(self, entry: Entry, replacing: Entry | None) -> Entry | None:
        """Write `entry` unless something else than `replacing` is there by now."""
        if entry.holder is None:
            message = "a lease is written by its holder"
            raise ValueError(message)
        content = entry.holder.to_json(renewed=entry.renewals, released=entry.owner is None)
        with self._errors():
            tag = self._swap(content, replacing.tag if replacing else None)
            if tag is not None and self.is_conditional and not self._is_proven:
                self._is_proven = True
                # A store may know the conditions and not heed them.
                again = self._swap(content, None)
                if again is not None:
                    tag = again
                    self._give_up_conditions("it wrote an object that was there, asked not to")
        return None if tag is None else replace(entry, tag=tag)

    def _swap(self, content: bytes, replacing: Hashable) -> str | None:
        """Write if what is there has the tag `replacing`, or if nothing is there with None; return the new tag."""
        if self.is_conditional:
            condition = {"IfNoneMatch": "*"} if replacing is None else {"IfMatch": replacing}
            try:
                return self._put(content, condition)
            except ClientError as error:
                code = code_of(error)
                if code in _CONFLICTS:
                    return None
                if code not in _REFUSALS:
                    raise
                self._give_up_conditions(f"the store answered {code}")
        found = self.read()
        if (found.tag if found else None) != replacing:
            return None
        return self._put(content, {})

    def _give_up_conditions(self, evidence: str) -> None:
        self.is_conditional = False
        log.warning(
            "s3://%s/%s: conditional writes don't work here: %s. Two jobs that start on this table in the same moment "
            "may not see each other; take care that one alone is started.",
            self._bucket,
            self._key,
            evidence,
        )

    def _put(self, content: bytes, condition: dict[str, Any]) -> str:
        answer = self._client.put_object(Bucket=self._bucket, Key=self._key, Body=content, **condition)
        return str(answer["ETag"])

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except SDK_ERRORS as error:
            raise unusable(self.place, error, retryable=code_of(error) not in _LASTING) from error


def _age_seconds(answer: Mapping[str, Any]) -> float | None:
    """Return how long before the answer the object was written, both by the clock of the store."""
    try:
        now = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
        return float((now - answer["LastModified"]).total_seconds())
    except (KeyError, TypeError, ValueError):
        return None


def _renewals(content: bytes) -> int:
    try:
        return int(json.loads(content)["renewed"])
    except (ValueError, KeyError, TypeError):
        return 0
