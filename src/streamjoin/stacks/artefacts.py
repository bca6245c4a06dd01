"""The files that a stack and its jobs are made of: templates, scripts and wheels, as one release on S3.

A release is named by what is in it: one that is there is never written again, and an older one can be deployed.
"""

import hashlib
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from streamjoin.aws.errors import Remedies, translated
from streamjoin.errors import StackError

# Folder of the repository, which of its files, folder of the release.
_PARTS: Final = (("infra", "*.yaml", "infra"), ("jobs", "*.py", "jobs"), ("dist", "*.whl", "wheels"))
WHEELS: Final = "wheels/"
"""The folder of a release that wheels are in."""
_REMEDIES: Final = Remedies(
    missing="Deploy again: the bucket is made by the stack NAME-artefacts.",
    denied="Allow s3:ListBucket, s3:GetObject, s3:PutObject and s3:DeleteObjectVersion on the bucket to who deploys.",
    throttled="Try again.",
    unreachable="Check the network, the credentials and AWS_ENDPOINT_URL.",
)


@dataclass(frozen=True)
class Release:
    """One release.

    Args:
        root: The repository.
        version: Of the package.
        bundle: The file of `dist/` with all wheels for a Glue without a way to PyPI, if a job is to install that.
    """

    root: Path
    version: str
    bundle: str | None = None

    def files(self) -> Iterator[tuple[str, Path]]:
        """Yield each file, and its key below the release's prefix.

        Raises:
            StackError: There is no such bundle.
        """
        for folder, pattern, place in _PARTS:
            for path in sorted((self.root / folder).glob(pattern)):
                yield f"{place}/{path.name}", path
        if self.bundle is not None:
            path = self.root / "dist" / self.bundle
            if not path.exists():
                message = f"'{path}' isn't there, which PythonModules names: make dist makes it"
                raise StackError(message)
            yield f"{WHEELS}{self.bundle}", path

    @property
    def name(self) -> str:
        """The version, and eight digits that follow what is in the files."""
        told = hashlib.sha256()
        for key, path in self.files():
            told.update(f"{key} {_contents(path)}\n".encode())
        return f"{self.version}-{told.hexdigest()[:8]}"

    def upload(self, s3: Any, bucket: str, prefix: str, say: Callable[[str], None]) -> int:
        """Write what isn't there yet.

        Args:
            s3: boto3's `s3` client.
            bucket: Whose.
            prefix: The release's.
            say: Takes a line for each file.

        Returns:
            How many files were written.

        Raises:
            StackError: The bucket can't be listed or written.
        """
        there = objects_below(s3, bucket, f"{prefix}/")
        written = 0
        for key, path in self.files():
            if f"{prefix}/{key}" in there:
                continue
            with calling(f"uploading '{key}' to bucket '{bucket}'"):
                s3.put_object(Bucket=bucket, Key=f"{prefix}/{key}", Body=path.read_bytes())
            say(f"{key} ({path.stat().st_size / 1024:,.0f} KiB)")
            written += 1
        return written


def objects_below(s3: Any, bucket: str, prefix: str) -> set[str]:
    """Return the keys of the objects below a prefix.

    Raises:
        StackError: The bucket can't be listed.
    """
    with calling(f"listing bucket '{bucket}'"):
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return {each["Key"] for page in pages for each in page.get("Contents", ())}


def copy_below(s3: Any, bucket: str, source: str, target: str) -> None:
    """Copy the objects below one prefix of a bucket to another, as far as they aren't there.

    Raises:
        StackError: The bucket can't be listed or written.
    """
    there = objects_below(s3, bucket, f"{target}/")
    for key in sorted(objects_below(s3, bucket, f"{source}/")):
        copy = f"{target}{key.removeprefix(source)}"
        if copy not in there:
            with calling(f"copying '{key}' in bucket '{bucket}'"):
                s3.copy_object(Bucket=bucket, Key=copy, CopySource={"Bucket": bucket, "Key": key})


def calling(failed: str) -> Any:
    """Turn the SDK's errors into ours for the length of a block."""
    return translated(StackError, failed, _REMEDIES)


def _contents(path: Path) -> str:
    """Return what tells a file's contents; of an archive its members', for each build puts other times into it."""
    if path.suffix in {".whl", ".zip"}:
        with zipfile.ZipFile(path) as archive:
            return " ".join(f"{each.filename}:{each.CRC:08x}" for each in archive.infolist())
    return hashlib.sha256(path.read_bytes()).hexdigest()
