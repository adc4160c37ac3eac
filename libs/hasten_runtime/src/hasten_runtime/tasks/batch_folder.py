"""The lines and results of batches, in a folder that all schedulers share."""

import asyncio
import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.tasks.whole_files import (
    Damaged,
    make_folder,
    no_room,
    read_whole,
    write_whole,
)

_INDEX_MAGIC: Final = b"hasten batch index 1\n"
_CHUNK_MAGIC: Final = b"hasten batch results 1\n"
_NAME_BYTES: Final = 16
_NAME: Final = re.compile(r"[0-9a-f]{32}")

T = TypeVar("T")


class BatchGone(Exception):  # noqa: N818  (a state of the world, not a bug)
    """What was asked for is not there, or is damaged: no repeat will find it."""


class BatchesFull(Exception):  # noqa: N818  (a state of the world, not a bug)
    """There is no room; nothing was stored."""


class OutOfPlace(Exception):  # noqa: N818  (a state of the world, not a bug)
    """A piece of an upload does not join what is there.

    Attributes:
        size: Bytes that are there.
    """

    def __init__(self, size: int) -> None:
        super().__init__(f"{size} bytes are there")
        self.size = size


class BatchFolder:
    """One folder a batch: its upload, its index, and a file of results for each chunk that is done.

    Every method may raise StoreUnavailable, and those that write BatchesFull.

    Args:
        folder: Made when it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, job_id: str) -> Path:
        """The batch's folder; it need not be there."""
        name = hashlib.blake2b(job_id.encode(), digest_size=_NAME_BYTES).hexdigest()
        return self._folder / name

    def upload_path(self, job_id: str) -> Path:
        """The upload; it need not be there."""
        return self.path(job_id) / "upload"

    def results_path(self, job_id: str, chunk: int) -> Path:
        """The results of a chunk; they need not be there."""
        return self.path(job_id) / "results" / f"{chunk // 1000:06d}" / f"{chunk:09d}"

    # --- the upload ---------------------------------------------------------------------

    async def begin(self, job_id: str) -> None:
        """Makes the batch's folder, in which its id is written down for the sweep."""
        await self._do(lambda: _begin(self.path(job_id), job_id))

    async def uploaded(self, job_id: str) -> int:
        """Bytes of the upload that are there."""
        return await self._do(lambda: _size(self.upload_path(job_id)))

    async def append(self, job_id: str, offset: int, data: bytes) -> int:
        """Puts a piece of the upload in its place; the bytes that are there then.

        What has come is found by the next stream, but is safe only after `check`.

        Raises:
            BatchGone: The batch's folder is not there.
            OutOfPlace: The piece begins behind what is there.
        """
        return await self._do(lambda: _append(self.upload_path(job_id), offset, data))

    async def check(self, job_id: str, size: int, sha256: bytes) -> bool:
        """The upload has this size and SHA-256 (b"" for any), and is safe; else it is emptied."""
        return await self._do(lambda: _check(self.upload_path(job_id), size, sha256))

    async def empty(self, job_id: str) -> None:
        """Throws the upload away; another one may come."""
        await self._do(lambda: _empty(self.upload_path(job_id)))

    # --- what is made of it -------------------------------------------------------------

    async def put_index(self, job_id: str, data: bytes) -> None:
        """Stores the index, in place of another one."""
        await self._do(
            lambda: write_whole(
                self.path(job_id) / "index",
                _INDEX_MAGIC,
                data,
                coming=self.path(job_id) / "coming",
                name=secrets.token_hex(8),
            )
        )

    async def index(self, job_id: str) -> bytes:
        """The index. Raises BatchGone."""
        return await self._do(lambda: _read(self.path(job_id) / "index", _INDEX_MAGIC))

    async def put_results(self, job_id: str, chunk: int, data: bytes) -> None:
        """Stores the results of a chunk. Those that are there stay: results never change."""
        await self._do(
            lambda: write_whole(
                self.results_path(job_id, chunk),
                _CHUNK_MAGIC,
                data,
                coming=self.path(job_id) / "coming",
                name=secrets.token_hex(8),
                first_stays=True,
            )
        )

    async def results(self, job_id: str, chunk: int) -> bytes | None:
        """The results of a chunk; None while they are not there. Raises BatchGone."""
        path = self.results_path(job_id, chunk)
        try:
            return await self._do(lambda: read_whole(path, _CHUNK_MAGIC))
        except FileNotFoundError:
            return None

    # --- away with it -------------------------------------------------------------------

    async def there(self, job_id: str) -> bool:
        """The batch's folder is there."""
        return await self._do(self.path(job_id).is_dir)

    async def remove(self, job_id: str) -> None:
        """Forgets all of a batch."""
        await self._do(lambda: _remove(self.path(job_id)))

    async def kept(self, older_s: float) -> list[str]:
        """The ids of batches whose folder is older than that."""
        return await self._do(lambda: list(self._kept(older_s)))

    def _kept(self, older_s: float) -> Iterator[str]:
        if not self._folder.is_dir():
            return
        oldest_s = time.time() - older_s
        for path in self._folder.iterdir():
            if _NAME.fullmatch(path.name):
                with suppress(FileNotFoundError):
                    if path.stat().st_mtime <= oldest_s:
                        yield (path / "id").read_text()

    async def _do(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(work)
        except FileNotFoundError:
            raise
        except Damaged as error:
            raise BatchGone(str(error)) from None
        except OSError as error:
            if no_room(error):
                raise BatchesFull(f"the folder of batches {self._folder} has no room") from error
            raise StoreUnavailable(f"the folder of batches: {error}") from error


def _begin(folder: Path, job_id: str) -> None:
    make_folder(folder.parent)
    make_folder(folder)
    (folder / "id").write_text(job_id)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _append(path: Path, offset: int, data: bytes) -> int:
    if not path.parent.is_dir():
        raise BatchGone("the batch's folder is not there")
    size = _size(path)
    if offset > size:
        raise OutOfPlace(size)
    with path.open("r+b" if size else "wb") as file:
        file.seek(offset)
        file.write(data)
    return max(size, offset + len(data))


def _check(path: Path, size: int, sha256: bytes) -> bool:
    path.touch()
    with path.open("r+b") as file:
        os.fsync(file.fileno())
        seen = hashlib.file_digest(file, "sha256").digest()
        if file.tell() == size and (not sha256 or seen == sha256):
            return True
        file.truncate(0)
    return False


def _empty(path: Path) -> None:
    if path.exists():
        path.write_bytes(b"")


def _read(path: Path, magic: bytes) -> bytes:
    try:
        return read_whole(path, magic)
    except FileNotFoundError:
        raise BatchGone(f"{path.name} is not there") from None


def _remove(folder: Path) -> None:
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)
