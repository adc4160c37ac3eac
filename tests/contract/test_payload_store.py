"""What a store of large inputs and outputs promises: in memory and in a folder."""

import asyncio
import errno
import os
import stat
from pathlib import Path

import pytest

from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.tasks.payload_folder import FolderPayloads
from hasten_runtime.tasks.payloads import (
    MemoryPayloads,
    PayloadGone,
    PayloadsFull,
    PayloadStore,
)

LONG_S = 3600.0


@pytest.fixture(params=["memory", "folder"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> PayloadStore:
    return MemoryPayloads() if request.param == "memory" else FolderPayloads(tmp_path / "deep/er")


def files_of(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_bytes_come_back_as_they_were(store: PayloadStore) -> None:
    for data in (b"", b"x", bytes(range(256)) * 40_000):
        reference = await store.put(data)
        assert reference.isascii()
        assert len(reference) <= 64
        assert await store.get(reference) == data


async def test_the_same_bytes_twice_are_two_payloads(store: PayloadStore) -> None:
    one, other = await asyncio.gather(store.put(b"same"), store.put(b"same"))
    assert one != other
    assert await store.sweep([one], grace_s=0.0) == 1
    assert await store.get(one) == b"same"
    with pytest.raises(PayloadGone):
        await store.get(other)


@pytest.mark.parametrize("reference", ["", "ff" * 16, "../../etc/passwd", "FF" * 16, "\x00"])
async def test_what_was_never_put_is_gone(store: PayloadStore, reference: str) -> None:
    with pytest.raises(PayloadGone):
        await store.get(reference)


async def test_only_what_is_old_and_not_in_use_is_swept(store: PayloadStore) -> None:
    assert await store.sweep([], grace_s=0.0) == 0
    references = [await store.put(bytes([number])) for number in range(4)]
    assert await store.sweep([], grace_s=LONG_S) == 0
    assert await store.sweep(references[:2], grace_s=0.0) == 2
    assert [await store.get(reference) for reference in references[:2]] == [b"\x00", b"\x01"]
    assert await store.sweep([], grace_s=0.0) == 2
    with pytest.raises(PayloadGone):
        await store.get(references[0])


async def test_a_full_memory_says_so_and_has_room_again() -> None:
    store = MemoryPayloads(bytes_max=10)
    await store.put(bytes(10))
    with pytest.raises(PayloadsFull, match="10 bytes"):
        await store.put(b"x")
    await store.sweep([], grace_s=0.0)
    await store.put(b"x")


async def test_a_folder_is_shared(tmp_path: Path) -> None:
    reference = await FolderPayloads(tmp_path).put(b"data")
    assert await FolderPayloads(tmp_path).get(reference) == b"data"


async def test_a_payload_is_synced_and_then_named_and_its_folder_is_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def synced(handle: int) -> None:
        steps.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        fsync(handle)

    def renamed(path: Path, target: Path) -> Path:
        steps.append("rename")
        return rename(path, target)

    store = FolderPayloads(tmp_path)
    await store.put(b"the folders are there now")
    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "rename", renamed)
    await store.put(b"data")
    assert steps[-3:] == ["file", "rename", "folder"]


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, PayloadsFull),
        (errno.EDQUOT, PayloadsFull),
        (errno.EIO, StoreUnavailable),
        (errno.EROFS, StoreUnavailable),
    ],
)
async def test_what_a_disk_does_not_take_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, expected: type[Exception]
) -> None:
    store = FolderPayloads(tmp_path)
    kept = await store.put(b"before")

    def refused(_: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", refused)
        with pytest.raises(expected, match="payloads"):
            await store.put(b"data")
    assert [path.name for path in files_of(tmp_path)] == [kept]
    assert await store.get(kept) == b"before"
    await store.put(b"data")


@pytest.mark.parametrize("cut", [0, 10, 60, -1])
async def test_a_damaged_payload_is_gone_and_not_wrong(tmp_path: Path, cut: int) -> None:
    store = FolderPayloads(tmp_path)
    reference = await store.put(b"data" * 100)
    (path,) = files_of(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    with pytest.raises(PayloadGone, match="damaged"):
        await store.get(reference)
    path.write_bytes(whole[:-1] + b"?")
    with pytest.raises(PayloadGone, match="damaged"):
        await store.get(reference)


async def test_what_a_dead_writer_left_is_swept_and_strange_files_are_not(tmp_path: Path) -> None:
    store = FolderPayloads(tmp_path)
    await store.put(b"data")
    left = tmp_path / "coming" / ("ab" * 16)
    left.write_bytes(b"half")
    (tmp_path / "README").write_text("of the operator")
    (tmp_path / "00").mkdir(exist_ok=True)
    (tmp_path / "00" / "notes").write_text("too")
    assert await store.sweep([], grace_s=LONG_S) == 0
    assert left.exists()
    assert await store.sweep([], grace_s=0.0) == 1
    assert {path.name for path in files_of(tmp_path)} == {"README", "notes"}


async def test_a_folder_that_cannot_be_read_is_unavailable_and_not_gone(tmp_path: Path) -> None:
    store = FolderPayloads(tmp_path)
    reference = await store.put(b"data")
    (path,) = files_of(tmp_path)
    path.unlink()
    path.mkdir()
    with pytest.raises(StoreUnavailable):
        await store.get(reference)
