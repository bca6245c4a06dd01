"""The files of a record-level index, in `<base_path>/.hoodie/.streamjoin/record_index/`, where Hudi doesn't look.

A segment is an Arrow file without compression, so that it can be mapped into memory: what a look-up doesn't touch takes
none. `manifest.json` names the segments that together tell of all commits up to one.
"""

import json
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import fs

from streamjoin.aws.small_objects import get_object, put_object
from streamjoin.aws.storage import open_path
from streamjoin.hudi.record_index.segment import PARTITION, Segment

_PLACE: Final = ".hoodie/.streamjoin/record_index"
_MANIFEST: Final = "manifest.json"
_ENDING: Final = ".arrow"
_PART_BYTES: Final = 8 * 1024 * 1024


@dataclass(frozen=True)
class Manifest:
    """What the index consisted of once.

    Args:
        through: The newest commit that it tells of.
        names: Its segments, the oldest first.
    """

    through: str
    names: tuple[str, ...]


class IndexFiles:
    """Reads and writes the files of one table's index.

    Args:
        base_path: The table's.

    Raises:
        SinkError: The path is neither local nor on S3.
    """

    def __init__(self, base_path: str) -> None:
        self._filesystem, root = open_path(base_path)
        self._folder = f"{root}/{_PLACE}"
        # Copies of what is on S3, for as long as this process has the index.
        self._copies = tempfile.TemporaryDirectory(prefix="streamjoin-index-", ignore_cleanup_errors=True)
        weakref.finalize(self, self._copies.cleanup)

    def manifest(self) -> Manifest | None:
        """Return the newest manifest; None if there is none that can be read.

        Raises:
            OSError: The storage doesn't answer.
        """
        content = get_object(self._filesystem, f"{self._folder}/{_MANIFEST}")
        try:
            found = json.loads(content or b"{}")
            return Manifest(str(found["through"]), tuple(map(str, found["segments"])))
        except (ValueError, KeyError, TypeError):
            return None

    def put_manifest(self, manifest: Manifest) -> None:
        """Write a manifest in place of the one before.

        Raises:
            OSError: It can't be written.
        """
        content = json.dumps({"through": manifest.through, "segments": manifest.names})
        put_object(self._filesystem, f"{self._folder}/{_MANIFEST}", content.encode())

    def put(self, slices: Iterable[pa.Table]) -> tuple[str, Segment]:
        """Write a segment; return its name and what was written.

        Args:
            slices: Its entries, sorted.

        Raises:
            OSError: It can't be written.
        """
        name = f"{uuid4().hex}{_ENDING}"
        if not self._is_remote:  # on S3 it would write an object for each folder, up to the bucket's root
            self._filesystem.create_dir(self._folder, recursive=True)
        path, copy = f"{self._folder}/{name}", self._copy_of(name)
        unfinished = copy.with_name(f"{name}.unfinished")
        with unfinished.open("wb") as file:
            writer = None
            for each in _by_one_dictionary(slices):
                writer = writer or pa.ipc.new_file(file, each.schema, options=_OPTIONS)
                writer.write_table(each)
            if writer is not None:
                writer.close()
            file.flush()
            os.fsync(file.fileno())
        # On a disk it is there once it is whole; on S3 an object is so by itself.
        unfinished.replace(copy)
        if self._is_remote:
            with copy.open("rb") as source, self._filesystem.open_output_stream(path, compression=None) as target:
                shutil.copyfileobj(source, target, _PART_BYTES)
        return name, _mapped(copy)

    def open(self, names: Sequence[str]) -> list[Segment] | None:
        """Return segments; None if one is missing or broken.

        Raises:
            OSError: The storage doesn't answer.
        """
        found = []
        for name in names:
            copy = self._copy_of(name)
            try:
                if self._is_remote and not copy.exists():
                    with (
                        self._filesystem.open_input_stream(f"{self._folder}/{name}", compression=None) as source,
                        copy.open("wb") as target,
                    ):
                        shutil.copyfileobj(source, target, _PART_BYTES)
                found.append(_mapped(copy))
            except (FileNotFoundError, pa.ArrowInvalid):
                if self._is_remote:
                    copy.unlink(missing_ok=True)
                return None
        return found

    def delete_all_but(self, names: Iterable[str]) -> None:
        """Delete the segments that are no longer needed, and what a dead process left.

        Raises:
            OSError: The storage doesn't answer.
        """
        kept = {*names, _MANIFEST}
        for each in self._filesystem.get_file_info(fs.FileSelector(self._folder, allow_not_found=True)):
            if each.base_name not in kept:
                self._filesystem.delete_file(each.path)
                if self._is_remote:
                    self._copy_of(each.base_name).unlink(missing_ok=True)

    @property
    def _is_remote(self) -> bool:
        return not isinstance(self._filesystem, fs.LocalFileSystem)

    def _copy_of(self, name: str) -> Path:
        """Return where this machine has, or gets, a segment."""
        return Path(self._copies.name if self._is_remote else self._folder, name)


_OPTIONS: Final = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)


def _by_one_dictionary(slices: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Yield entries with their partitions by a dictionary; an Arrow file has one, to which each slice may add."""
    known = pa.array([], pa.string())
    for each in slices:
        texts: Any = each[PARTITION].combine_chunks()
        more = pc.unique(texts).drop_null()
        known = pa.concat_arrays([known, more.filter(pc.invert(pc.is_in(more, known)))])
        partition = pa.DictionaryArray.from_arrays(pc.index_in(texts, known).cast(pa.int32()), known)
        yield each.set_column(each.schema.get_field_index(PARTITION), PARTITION, partition)


def _mapped(path: Path) -> Segment:
    with pa.memory_map(str(path)) as mapped:
        return Segment(pa.ipc.open_file(mapped).read_all())
