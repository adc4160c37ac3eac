"""System shared memory: regions of /dev/shm that clients register and tensors travel in.

Regions are read and written by file offset, not mapped: a client that truncates its file would
kill a process that had it mapped, and here only gets an error.
"""

import os
import stat
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hasten_policy.reasons import Reason
from hasten_policy.short import short
from hasten_worker.tensors import RegionRef
from hasten_worker.tensors.refusals import refuse

FOLDER: Final = Path("/dev/shm")  # noqa: S108  (where POSIX shared memory lives)
REGIONS_MAX: Final = 1024
NAME_CHARS_MAX: Final = 255


@dataclass(frozen=True, slots=True)
class Region:
    """One registered region.

    Attributes:
        name: Name that requests use.
        key: Name of the shared memory object.
        offset: Bytes from the object's start to the region's.
        size_bytes: Length of the region.
        file: Open file descriptor of the object.
    """

    name: str
    key: str
    offset: int
    size_bytes: int
    file: int


class SystemRegions:
    """The regions registered at this worker; `Regions` for the codec.

    Registered on the event loop, read and written from any thread: a lane that is writing to a
    region that is being unregistered finishes on a descriptor of its own.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._regions: dict[str, Region] = {}
        # A descriptor must not be closed, and its number given to another file, while a lane
        # is about to use it.
        self._closing = threading.Lock()

    def register(self, name: str, key: str, *, offset: int, size_bytes: int) -> None:
        """Opens a region. Raises MeshError SHARED_MEMORY_INVALID."""
        if not name or len(name) > NAME_CHARS_MAX:
            refuse(
                Reason.SHARED_MEMORY_INVALID,
                f"shared memory region name: expected 1 to {NAME_CHARS_MAX} characters",
            )
        if name in self._regions:
            refuse(
                Reason.SHARED_MEMORY_INVALID,
                f"shared memory region {short(name)}: is registered already; unregister it first",
                region=name,
            )
        if len(self._regions) >= REGIONS_MAX:
            refuse(
                Reason.SHARED_MEMORY_INVALID,
                f"shared memory region {short(name)}: {REGIONS_MAX} are registered, "
                "which is the most",
            )
        if size_bytes < 1:
            refuse(
                Reason.SHARED_MEMORY_INVALID,
                f"shared memory region {short(name)}: byte_size must be at least 1",
            )
        file = self._opened(name, key)
        if os.fstat(file).st_size < offset + size_bytes:
            os.close(file)
            refuse(
                Reason.SHARED_MEMORY_INVALID,
                f"shared memory region {short(name)}: offset {offset} and byte_size {size_bytes} "
                f"reach past the end of {key}",
                region=name,
            )
        self._regions[name] = Region(name, key, offset, size_bytes, file)

    def unregister(self, name: str) -> None:
        """Forgets the region, or all for "". Unknown names are no error, as in Triton."""
        names = [name] if name else list(self._regions)
        with self._closing:
            for each in names:
                region = self._regions.pop(each, None)
                if region is not None:
                    os.close(region.file)

    def status(self, name: str) -> list[Region]:
        """The region, or all for "". Raises MeshError SHARED_MEMORY_INVALID when unknown."""
        if not name:
            return list(self._regions.values())
        return [self._region(name)]

    def check(self, piece: RegionRef) -> None:
        """Raises MeshError SHARED_MEMORY_INVALID unless the piece lies inside a region."""
        region = self._region(piece.name)
        if piece.offset + piece.size_bytes > region.size_bytes:
            refuse(
                Reason.SHARED_MEMORY_INVALID,
                f"shared memory region {piece.name}: offset {piece.offset} and byte size "
                f"{piece.size_bytes} reach past its {region.size_bytes} bytes",
                region=piece.name,
            )

    def read(self, piece: RegionRef) -> bytes:
        """A copy of the piece. Raises MeshError SHARED_MEMORY_INVALID."""
        file, start = self._borrowed(piece)
        try:
            data = os.pread(file, piece.size_bytes, start)
        finally:
            os.close(file)
        if len(data) != piece.size_bytes:
            self._refuse_lost(piece)
        return data

    def write(self, piece: RegionRef, data: bytes) -> None:
        """Writes at the piece's start, within it. Raises MeshError SHARED_MEMORY_INVALID."""
        file, start = self._borrowed(piece)
        try:
            # Writing past the end would make the file grow again after its owner shrank it.
            lost = os.fstat(file).st_size < start + len(data)
            if lost or os.pwrite(file, data, start) != len(data):
                self._refuse_lost(piece)
        finally:
            os.close(file)

    def close(self) -> None:
        """Forgets all regions."""
        self.unregister("")

    def _region(self, name: str) -> Region:
        region = self._regions.get(name)
        if region is None:
            refuse(
                Reason.SHARED_MEMORY_INVALID,
                f"shared memory region {short(name)}: is not registered",
                region=name,
            )
        return region

    def _borrowed(self, piece: RegionRef) -> tuple[int, int]:
        """A descriptor to be closed by the caller, and where the piece begins."""
        with self._closing:
            self.check(piece)
            region = self._regions[piece.name]
            return os.dup(region.file), region.offset + piece.offset

    def _refuse_lost(self, piece: RegionRef) -> None:
        refuse(
            Reason.SHARED_MEMORY_INVALID,
            f"shared memory region {piece.name}: its object became smaller or went away",
            region=piece.name,
        )

    def _opened(self, name: str, key: str) -> int:
        plain = key.removeprefix("/")
        if (
            not plain
            or "/" in plain
            or "\0" in plain
            or plain in {".", ".."}
            or len(plain) > NAME_CHARS_MAX
        ):
            refuse(
                Reason.SHARED_MEMORY_INVALID,
                f"shared memory region {short(name)}: key {short(key)!r} must be "
                "a plain name like /name",
                region=name,
            )
        try:
            # Without O_NONBLOCK, opening a named pipe would wait for its other end.
            file = os.open(
                self._folder / plain, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "is not a file name"
            refuse(
                Reason.SHARED_MEMORY_INVALID,
                f"shared memory region {short(name)}: cannot open {short(key)!r}: {reason}",
                region=name,
            )
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            refuse(
                Reason.SHARED_MEMORY_INVALID,
                f"shared memory region {short(name)}: {short(key)!r} is no shared memory object",
                region=name,
            )
        return file
