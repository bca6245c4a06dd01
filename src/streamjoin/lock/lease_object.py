"""An object on S3 that is written only by whoever has seen what it replaces."""

import logging
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

log = logging.getLogger(__name__)

# Somebody else wrote first. Source: Amazon S3 user guide, "How to prevent object overwrites with conditional writes".
_CONFLICTS = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "NoSuchKey"})
# The store, or something in front of it, doesn't know the condition.
_REFUSALS = frozenset({"NotImplemented", "501"})


@dataclass(frozen=True)
class Version:
    """One content of the object, and the tag that the store gave it."""

    content: bytes
    etag: str


class LeaseObject:
    """One object, written by compare and swap.

    Invariant: once a store was seen not to heed conditions, `is_conditional` is false for good, and every write looks
    before it writes instead; two that do so in the same moment both believe that they wrote.

    Args:
        client: A boto3 client of S3.
        bucket: Where the object is.
        key: Its name.
    """

    def __init__(self, client: Any, bucket: str, key: str) -> None:
        self._client, self._bucket, self._key = client, bucket, key
        self.is_conditional = True

    def read(self) -> Version | None:
        """Return what is there; None where there is nothing.

        Raises:
            ClientError, BotoCoreError: The store can't be asked.
        """
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=self._key)
            return Version(answer["Body"].read(), answer["ETag"])
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise

    def write(self, content: bytes, *, replacing: str | None) -> str | None:
        """Write `content` unless something else is there by now; return its tag, None where something else is.

        Args:
            content: What to write.
            replacing: The tag of what is to be replaced; None: nothing may be there.

        Raises:
            ClientError, BotoCoreError: The store can't be written; whether it was is not known.
        """
        if self.is_conditional:
            condition = {"IfNoneMatch": "*"} if replacing is None else {"IfMatch": replacing}
            try:
                return self._put(content, condition)
            except ParamValidationError as error:
                self.give_up_conditions(f"this boto3 doesn't know them ({str(error).splitlines()[-1]})")
            except ClientError as error:
                code = error.response["Error"]["Code"]
                if code in _CONFLICTS:
                    return None
                if code not in _REFUSALS:
                    raise
                self.give_up_conditions(f"the store answered {code}")
        found = self.read()
        if (found.etag if found else None) != replacing:
            return None
        return self._put(content, {})

    def give_up_conditions(self, evidence: str) -> None:
        """Go on without conditions, and say so."""
        self.is_conditional = False
        log.warning(
            "s3://%s/%s: conditional writes don't work here: %s. Two jobs that start on this table in the same moment "
            "may not see each other; take care that one alone is started.",
            self._bucket,
            self._key,
            evidence,
        )

    def _put(self, content: bytes, condition: dict[str, str]) -> str:
        answer = self._client.put_object(Bucket=self._bucket, Key=self._key, Body=content, **condition)
        return str(answer["ETag"])
