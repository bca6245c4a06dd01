"""Payloads that are compressed: recognised by their first bytes, and never unpacked beyond a bound.

Source: RFC 1952 (gzip: members one after the other), RFC 8878 (Zstandard: frames one after the other).
"""

import zlib
from collections.abc import Callable
from typing import Any, Final

import zstandard

from streamjoin.errors import RejectReason
from streamjoin.records.values import Rejected

_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_ZLIB_GZIP_FORMAT: Final = 31
_ZSTD_HEADER_BYTES: Final = 18
# What is unpacked before the bound is looked at: zstd makes up to 128 KiB of 4 bytes, so 8 MiB of these, gzip 256 KiB.
_CHUNK_BYTES: Final = 256
# What RFC 8878 asks every decoder to take; less would refuse small payloads that were packed as a stream.
_MIN_WINDOW_BYTES: Final = 8 * 1024 * 1024


class _TooLargeError(Exception):
    """A frame says that it needs more than is allowed."""


class Unpacker:
    """Undoes the compression of payloads, one layer of it.

    Memory is at most a few times `max_unpacked_bytes`, or 8 MiB if that is more, whatever a payload says of itself.

    Args:
        max_unpacked_bytes: What is larger unpacked is rejected.
    """

    def __init__(self, max_unpacked_bytes: int) -> None:
        self._bound = max_unpacked_bytes
        self._window_bytes = max(max_unpacked_bytes, _MIN_WINDOW_BYTES)
        # Made once: it takes ten times as long as unpacking a small payload.
        self._zstd = zstandard.ZstdDecompressor(max_window_size=self._window_bytes)

    def __call__(self, payload: bytes) -> bytes | Rejected:
        """Return what `payload` is unpacked; itself if it has no compression."""
        if payload.startswith(_GZIP):
            return self._unpack(payload, "gzip", self._gzip_member)
        if payload.startswith(_ZSTD):
            return self._unpack(payload, "zstd", self._zstd_frame)
        return payload

    def _unpack(self, packed: bytes, name: str, begin: Callable[[bytes], Any]) -> bytes | Rejected:
        """Unpack all members or frames of `packed`; `begin` gives the decompressor of one, by its first bytes."""
        view, at, parts, size = memoryview(packed), 0, [], 0
        try:
            while at < len(view):
                member = begin(packed[at : at + _ZSTD_HEADER_BYTES])
                while not member.eof:
                    chunk = view[at : at + _CHUNK_BYTES]
                    if not chunk:
                        return Rejected(RejectReason.MALFORMED_COMPRESSION, f"{name}: the payload is cut short")
                    part = member.decompress(chunk)
                    at += len(chunk) - len(member.unused_data)
                    size += len(part)
                    if size > self._bound:
                        raise _TooLargeError
                    parts.append(part)
        except _TooLargeError:
            detail = f"{name}: unpacked it is larger than payload.max_unpacked_bytes, {self._bound}"
            return Rejected(RejectReason.TOO_LARGE, detail)
        except (zlib.error, zstandard.ZstdError) as error:
            return Rejected(RejectReason.MALFORMED_COMPRESSION, f"{name}: {error}")
        return b"".join(parts)

    def _gzip_member(self, _: bytes) -> Any:
        return zlib.decompressobj(_ZLIB_GZIP_FORMAT)

    def _zstd_frame(self, header: bytes) -> Any:
        frame = zstandard.get_frame_parameters(header)
        is_known = frame.content_size not in (zstandard.CONTENTSIZE_UNKNOWN, zstandard.CONTENTSIZE_ERROR)
        if (is_known and frame.content_size > self._bound) or frame.window_size > self._window_bytes:
            raise _TooLargeError
        return self._zstd.decompressobj()
