"""Files that are there whole or not at all, with a checksum.

A file is written beside, synced, renamed, and its folder is synced: also after a power cut it is
whole or not there. Files of those who died while they wrote lie in the folder in which they were
written. Everything here blocks.
"""

import errno
import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

DIGEST_BYTES: Final = 32
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Damaged(Exception):  # noqa: N818  (a state of the world, not a bug)
    """The file is not as it was written."""


def no_room(error: OSError) -> bool:
    """The disk is full, or the quota is used up."""
    return error.errno in _NO_ROOM


def write_whole(
    path: Path,
    magic: bytes,
    data: bytes,
    *,
    coming: Path,
    name: str,
    first_stays: bool = False,
) -> None:
    """Writes a file.

    Args:
        path: Where.
        magic: Its first bytes: what it is.
        data: The bytes.
        coming: Folder on the same file system to write it in.
        name: Its name there; nobody else's.
        first_stays: A file that is there already is left as it is; otherwise it is replaced.

    Raises:
        OSError: It is not there; see `no_room`.
    """
    for folder in (coming, path.parent):
        make_folder(folder)
    beside = coming / name
    try:
        with beside.open("xb") as file:
            file.write(magic + digest(data))
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if first_stays:
            with suppress(FileExistsError):
                os.link(beside, path)
            beside.unlink()
        else:
            beside.rename(path)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise
    sync_folder(path.parent)


def read_whole(path: Path, magic: bytes) -> bytes:
    """What was written. Raises FileNotFoundError, Damaged, OSError."""
    content = path.read_bytes()
    data_at = len(magic) + DIGEST_BYTES
    data = content[data_at:]
    if content[:data_at] != magic + digest(data):
        raise Damaged(f"{path.name} is damaged")
    return data


def digest(data: bytes) -> bytes:
    """The checksum that is kept with the bytes."""
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest()


def make_folder(folder: Path) -> None:
    """Makes a folder so that it is there after a power cut too."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Has the names in a folder on the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
