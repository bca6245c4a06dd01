"""A bucket emptied, so that its stack can delete it: all objects, and all their versions."""

from typing import Any

from streamjoin.aws.errors import code_of
from streamjoin.errors import StackError
from streamjoin.progress import Tell, tell_nobody
from streamjoin.stacks.artefacts import calling


def count_versions(s3: Any, bucket: str, most: int = 10_000) -> int:
    """Return how many versions of objects a bucket has, up to about `most`; 0 if there is no such bucket."""
    count = 0
    for page in _pages(s3, bucket):
        count += len(_keys(page))
        if count >= most:
            break
    return count


def empty(s3: Any, bucket: str, tell: Tell = tell_nobody) -> int:
    """Delete every version of every object, and what marks deleted ones.

    A bucket that isn't there is empty.

    Args:
        s3: boto3's `s3` client.
        bucket: Which.
        tell: Takes how far it is.

    Returns:
        How many versions and marks were deleted.

    Raises:
        StackError: One can't be deleted; those before it are gone.
    """
    deleted = 0
    for page in _pages(s3, bucket):
        keys = _keys(page)
        if not keys:
            continue
        with calling(f"emptying bucket '{bucket}'"):
            answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
        if refused := answer.get("Errors"):
            first = refused[0]
            message = (
                f"bucket '{bucket}': {len(refused)} objects stay, first '{first['Key']}' ({first['Code']}), "
                f"{deleted:,} are gone. Allow s3:DeleteObjectVersion to who deploys, or see whether a lock keeps them"
            )
            raise StackError(message)
        deleted += len(keys)
        tell(deleted, None, "versions of objects")
    return deleted


def _keys(page: dict[str, Any]) -> list[dict[str, str]]:
    found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
    return [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in found]


def _pages(s3: Any, bucket: str) -> Any:
    pages = iter(s3.get_paginator("list_object_versions").paginate(Bucket=bucket))
    while True:
        try:
            with calling(f"listing the versions in bucket '{bucket}'"):
                page = next(pages, None)
        except StackError as error:
            if code_of(error) == "NoSuchBucket":
                return
            raise
        if page is None:
            return
        yield page
