"""Lines and results of batches on disk."""

import errno
import hashlib
import os
from pathlib import Path
from typing import NoReturn

import pytest

from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.tasks.batch_folder import BatchesFull, BatchFolder, BatchGone, OutOfPlace

JOB = "batch:acme/night/1"


@pytest.fixture
async def folder(tmp_path: Path) -> BatchFolder:
    opened = BatchFolder(tmp_path / "batches")
    await opened.begin(JOB)
    return opened


async def test_an_upload_goes_on_where_it_broke(folder: BatchFolder) -> None:
    assert await folder.uploaded(JOB) == 0
    assert await folder.append(JOB, 0, b"abc") == 3
    assert await folder.append(JOB, 3, b"def") == 6
    with pytest.raises(OutOfPlace) as refused:
        await folder.append(JOB, 7, b"h")
    assert refused.value.size == 6
    # A piece of the stream that broke comes after that of its successor.
    assert await folder.append(JOB, 0, b"abc") == 6
    assert await BatchFolder(folder.path(JOB).parent).uploaded(JOB) == 6
    assert await folder.check(JOB, 6, hashlib.sha256(b"abcdef").digest())
    assert await folder.check(JOB, 6, b"")
    assert folder.upload_path(JOB).read_bytes() == b"abcdef"


@pytest.mark.parametrize(("size", "said"), [(5, b""), (6, hashlib.sha256(b"other").digest())])
async def test_what_was_garbled_is_sent_again(folder: BatchFolder, size: int, said: bytes) -> None:
    await folder.append(JOB, 0, b"abcdef")
    assert not await folder.check(JOB, size, said)
    assert await folder.uploaded(JOB) == 0


async def test_an_empty_upload_is_one(folder: BatchFolder) -> None:
    assert await folder.check(JOB, 0, b"")


async def test_results_never_change_and_an_index_can(folder: BatchFolder) -> None:
    assert await folder.results(JOB, 7) is None
    await folder.put_results(JOB, 7, b"first")
    await folder.put_results(JOB, 7, b"second")
    assert await folder.results(JOB, 7) == b"first"
    with pytest.raises(BatchGone):
        await folder.index(JOB)
    await folder.put_index(JOB, b"one")
    await folder.put_index(JOB, b"two")
    assert await folder.index(JOB) == b"two"
    assert list((folder.path(JOB) / "coming").iterdir()) == []


async def test_damage_is_seen(folder: BatchFolder) -> None:
    await folder.put_results(JOB, 0, b"right")
    path = folder.results_path(JOB, 0)
    path.write_bytes(path.read_bytes().replace(b"right", b"wrong"))
    with pytest.raises(BatchGone, match="damaged"):
        await folder.results(JOB, 0)


async def test_what_is_removed_is_gone(folder: BatchFolder) -> None:
    await folder.append(JOB, 0, b"abc")
    await folder.put_results(JOB, 0, b"x")
    assert await folder.kept(0.0) == [JOB]
    assert await folder.kept(3600.0) == []
    await folder.remove(JOB)
    await folder.remove(JOB)
    assert not await folder.there(JOB)
    assert await folder.kept(0.0) == []
    with pytest.raises(BatchGone):
        await folder.append(JOB, 0, b"abc")
    assert await folder.results(JOB, 0) is None


@pytest.mark.parametrize(
    ("number", "expected"), [(errno.ENOSPC, BatchesFull), (errno.EIO, StoreUnavailable)]
)
async def test_a_full_disk_stores_nothing(
    folder: BatchFolder, monkeypatch: pytest.MonkeyPatch, number: int, expected: type[Exception]
) -> None:
    def refused(_: int) -> NoReturn:
        raise OSError(number, "no")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", refused)
        with pytest.raises(expected):
            await folder.put_results(JOB, 0, b"x")
        with pytest.raises(expected):
            await folder.put_index(JOB, b"x")
    assert await folder.results(JOB, 0) is None
    with pytest.raises(BatchGone):
        await folder.index(JOB)
