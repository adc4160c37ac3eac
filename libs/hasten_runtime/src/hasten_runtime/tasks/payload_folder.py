"""Large inputs and outputs of tasks in a folder, which all schedulers share."""

import asyncio
import re
import secrets
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.tasks.payloads import PayloadGone, PayloadsFull
from hasten_runtime.tasks.whole_files import Damaged, make_folder, no_room, read_whole, write_whole

_MAGIC: Final = b"hasten payload 1\n"
_REFERENCE: Final = re.compile(r"[0-9a-f]{32}")


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
            if no_room(error):
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
        write_whole(path, _MAGIC, data, coming=self._coming, name=reference)
        return reference

    def _get(self, reference: str) -> bytes:
        try:
            return read_whole(self._path(reference), _MAGIC)
        except FileNotFoundError:
            raise PayloadGone(f"there is no payload {reference}") from None
        except Damaged:
            raise PayloadGone(f"payload {reference} is damaged") from None

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
        make_folder(self._coming)
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


def _unavailable(error: OSError) -> StoreUnavailable:
    return StoreUnavailable(f"the folder of payloads: {error}")
