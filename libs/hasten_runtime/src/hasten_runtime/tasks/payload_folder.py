"""Large inputs and outputs of tasks in a folder, which all schedulers share."""

import asyncio
import errno
import hashlib
import os
import re
import secrets
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.tasks.payloads import PayloadGone, PayloadsFull

_MAGIC: Final = b"hasten payload 1\n"
_DIGEST_BYTES: Final = 32
_REFERENCE: Final = re.compile(r"[0-9a-f]{32}")
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class FolderPayloads:
    """The `PayloadStore` port over a folder of a POSIX file system.

    A payload is a file of its own, with a checksum before the bytes. It is written beside, synced,
    renamed, and its folder is synced: a reference names a whole file or none, also after a power
    cut. Files of those who died while they wrote lie in `coming` until they are swept.

    Args:
        folder: Made when it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._coming = folder / "coming"

    async def put(self, data: bytes) -> str:
        """Stores bytes; see the port."""
        try:
            return await asyncio.to_thread(self._put, data)
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise PayloadsFull(
                    f"the folder of payloads {self._folder} has no room for {len(data)} bytes"
                ) from error
            raise _unavailable(error) from error

    async def get(self, reference: str) -> bytes:
        """The bytes; see the port."""
        if not _REFERENCE.fullmatch(reference):
            raise PayloadGone(f"no reference to a payload: {reference[:64]!r}")
        try:
            return await asyncio.to_thread(self._get, reference)
        except OSError as error:
            raise _unavailable(error) from error

    async def sweep(self, used: Collection[str], *, grace_s: float) -> int:
        """Forgets what is not in use; see the port."""
        try:
            return await asyncio.to_thread(self._sweep, used, grace_s)
        except OSError as error:
            raise _unavailable(error) from error

    def _path(self, reference: str) -> Path:
        return self._folder / reference[:2] / reference

    def _put(self, data: bytes) -> str:
        reference = secrets.token_hex(16)
        path = self._path(reference)
        for folder in (self._coming, path.parent):
            self._make(folder)
        coming = self._coming / reference
        try:
            with coming.open("xb") as file:
                file.write(_MAGIC + _digest(data))
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            coming.rename(path)
        except BaseException:
            with suppress(OSError):
                coming.unlink()
            raise
        _sync_folder(path.parent)
        return reference

    def _make(self, folder: Path) -> None:
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            _sync_folder(folder.parent)

    def _get(self, reference: str) -> bytes:
        try:
            content = self._path(reference).read_bytes()
        except FileNotFoundError:
            raise PayloadGone(f"there is no payload {reference}") from None
        data_at = len(_MAGIC) + _DIGEST_BYTES
        data = content[data_at:]
        if content[:data_at] != _MAGIC + _digest(data):
            raise PayloadGone(f"payload {reference} is damaged")
        return data

    def _sweep(self, used: Collection[str], grace_s: float) -> int:
        if not self._folder.is_dir():
            return 0
        kept = frozenset(used)
        oldest_ns = self._now_ns() - int(grace_s * 1e9)
        gone = 0
        for path in self._files():
            # Another scheduler may sweep at the same time.
            with suppress(FileNotFoundError):
                if path.name not in kept and path.stat().st_mtime_ns <= oldest_ns:
                    path.unlink()
                    gone += path.parent != self._coming
        return gone

    def _now_ns(self) -> int:
        """By the clock that gives files their times: of the file's server, where there is one."""
        self._make(self._coming)
        marker = self._coming / secrets.token_hex(16)
        marker.touch()
        try:
            return marker.stat().st_mtime_ns
        finally:
            marker.unlink()

    def _files(self) -> Iterator[Path]:
        for folder in self._folder.iterdir():
            if folder == self._coming or re.fullmatch(r"[0-9a-f]{2}", folder.name):
                yield from (path for path in folder.iterdir() if _REFERENCE.fullmatch(path.name))


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_DIGEST_BYTES).digest()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unavailable(error: OSError) -> StoreUnavailable:
    return StoreUnavailable(f"the folder of payloads: {error}")
