"""The data files of an export of a DynamoDB table to S3, each a segment: gzip'd lines of `{"Item": {...}}`.

Source: docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html: DynamoDB JSON has a type's
name before each value, as the service's own API; binary is base64. `md5Checksum` is that of the file as it is stored,
compressed.
"""

import base64
import hashlib
import io
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from pyarrow import NativeFile

from streamjoin.aws.storage import open_path
from streamjoin.dynamodb.change_values import Digits, NotAnItemError, read_item
from streamjoin.dynamodb.read.export_manifest import ExportFile, ExportManifest
from streamjoin.dynamodb.read.pages import ItemPage
from streamjoin.dynamodb.service import Item
from streamjoin.errors import SourceError

_PAGE_ITEMS: Final = 1_000
_CHUNK_BYTES: Final = 1024 * 1024
_LINE: Final = msgspec.json.Decoder(dict[str, Any], float_hook=Digits)


@dataclass(frozen=True)
class TableExport:
    """The data files of an export; their place in the manifest is the segment's number.

    Delivery: each item of the export once. A file whose checksum or number of items isn't the manifest's is no segment:
    its last page raises.

    Args:
        path: The export's folder.
        files: Its data files.
    """

    path: str
    files: tuple[ExportFile, ...]

    @classmethod
    def of(cls, manifest: ExportManifest) -> "TableExport":
        """Return the data files of an export."""
        return cls(manifest.path, manifest.files)

    def pages(self, segments: Sequence[int]) -> Iterator[tuple[int, Iterator[ItemPage]]]:
        """Yield each of the segments with its items.

        Raises:
            SourceError: A file is missing, or isn't what the manifest says.
        """
        for segment in segments:
            yield segment, self._file_pages(self.files[segment])

    def _file_pages(self, file: ExportFile) -> Iterator[ItemPage]:
        filesystem, root = open_path(f"{self.path}/data")
        items, count = list[Item](), 0
        try:
            # Not by the file's ending: what the checksum is of are the bytes before they are unpacked.
            with filesystem.open_input_stream(f"{root}/{file.name}", compression=None) as stream:
                raw = _Unpacked(stream)
                for line in io.BufferedReader(raw, _CHUNK_BYTES):
                    if not line.strip():
                        continue
                    items.append(read_item(_LINE.decode(line)["Item"], f"line {count + 1}"))
                    count += 1
                    if len(items) == _PAGE_ITEMS:
                        yield ItemPage(items)
                        items = []
        except FileNotFoundError as error:
            raise self._failed(file, "it isn't there") from error
        except OSError as error:
            raise self._failed(file, f"it can't be read: {error}", retryable=True) from error
        except (zlib.error, EOFError) as error:
            raise self._failed(file, f"expected gzip, found: {error}") from error
        except NotAnItemError as error:
            raise self._failed(file, str(error)) from error
        except (msgspec.DecodeError, KeyError) as error:
            raise self._failed(file, f"line {count + 1}: expected a JSON object with the name Item") from error
        if file.md5 is not None and raw.md5 != file.md5:
            raise self._failed(file, f"expected the MD5 {file.md5}, found {raw.md5}")
        if count != file.items:
            raise self._failed(file, f"expected {file.items} items, found {count}")
        yield ItemPage(items)

    def _failed(self, file: ExportFile, found: str, *, retryable: bool = False) -> SourceError:
        message = f"export at '{self.path}', file 'data/{file.name}': {found}. Copy the export again, or make another."
        return SourceError(message, retryable=retryable)


class _Unpacked(io.RawIOBase):
    """What a gzip'd file holds, read in bounded memory; `md5` is that of the packed bytes read so far.

    Python's own GzipFile reads ahead as it likes, and stops at the end of the content; the checksum is of all bytes.
    """

    def __init__(self, stream: NativeFile) -> None:
        self._stream = stream
        self._hash = hashlib.md5(usedforsecurity=False)
        self._unpacker = zlib.decompressobj(wbits=31)
        self._packed = b""
        self._is_begun = False

    @property
    def md5(self) -> str:
        """The checksum, in base64."""
        return base64.b64encode(self._hash.digest()).decode()

    def readable(self) -> bool:
        """Say that this can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Unpack as many bytes as fit; 0 at the end."""
        while True:
            if not self._packed:
                self._packed = self._stream.read(_CHUNK_BYTES)
                self._hash.update(self._packed)
                if not self._packed and (self._unpacker.eof or not self._is_begun):
                    return 0
            if self._unpacker.eof:
                # Another member: gzip files may be joined.
                self._unpacker, self._is_begun = zlib.decompressobj(wbits=31), False
            # At the end too: the unpacker may still have some that didn't fit.
            is_end, self._is_begun = not self._packed, True
            content = self._unpacker.decompress(self._packed, len(buffer))
            self._packed = self._unpacker.unconsumed_tail or self._unpacker.unused_data
            if content:
                buffer[: len(content)] = content
                return len(content)
            if is_end and not self._unpacker.eof:
                raise EOFError("its end is missing")
