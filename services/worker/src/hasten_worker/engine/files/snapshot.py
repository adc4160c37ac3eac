"""Private copies of a model's files.

What the trial has examined is what is loaded: nobody else can change the copy. A symbolic link
that leads out of the repository is refused, and so is a hard link: either makes a file of the
model of a file that is not the model's.
"""

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from threading import Event
from typing import Final

from hasten_worker.engine.files.links import open_beneath
from hasten_worker.engine.refusal import GIVEN_UP, ModelRefused
from hasten_worker.engine.settings import FileLimits

_PIECE_BYTES: Final = 4 * 2**20
_DEPTH_MAX: Final = 4


@contextmanager
def private_folder(parent: Path | None) -> Iterator[Path]:
    """A folder only for this user; removed at the end.

    Raises:
        ModelRefused: It cannot be made.
    """
    try:
        path = Path(tempfile.mkdtemp(prefix="hasten-model-", dir=parent))
    except OSError as error:
        raise ModelRefused(
            f"no private copy could be made: {error.strerror}", passing=True
        ) from None
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def copy_version(
    source: Path, target: Path, limits: FileLimits, stop: Event, root: Path | None = None
) -> int:
    """Copies a version's folder; returns its bytes.

    Args:
        source: The folder.
        target: Where to.
        limits: On files and bytes.
        stop: Set to give up.
        root: The repository, inside of which symbolic links are followed; None: nowhere.

    Raises:
        ModelRefused: A link that leads elsewhere, a device, too many or too large files, or a
            failed read or write.
    """
    copier = _Copier(limits, stop, root)
    try:
        copier.folder(source, target)
    except FileNotFoundError as error:
        raise ModelRefused(f"{_named(error)} vanished while it was copied", passing=True) from None
    except OSError as error:
        raise ModelRefused(
            f"{_named(error)} could not be copied: {error.strerror}", passing=True
        ) from None
    return copier.copied_bytes


def read_file(path: Path, bytes_max: int, root: Path | None = None) -> bytes | None:
    """The content of a regular file; None when there is none.

    Args:
        path: The file.
        bytes_max: Most bytes it may have.
        root: The repository, inside of which symbolic links are followed; None: nowhere.

    Raises:
        ModelRefused: It is a link that leads elsewhere or no file, too large, or unreadable.
    """
    try:
        with _open_regular(path, None, root) as file:
            content = _read_all(file, bytes_max + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModelRefused(f"{path.name} cannot be read: {error.strerror}", passing=True) from None
    if len(content) > bytes_max:
        raise ModelRefused(f"{path.name} is larger than the limit of {bytes_max} bytes")
    return content


def write_upload(target: Path, files: Mapping[str, bytes], limits: FileLimits) -> None:
    """Lays out the files of a load request as a model's folder.

    Args:
        target: An empty folder.
        files: Content by path inside of the model's folder, as "1/model.onnx"; Triton's
            prefix "file:" is allowed.
        limits: On number and size.

    Raises:
        ModelRefused: A path leads elsewhere, a limit is passed, or writing failed.
    """
    if len(files) > limits.files_max:
        raise ModelRefused(f"{len(files)} files, more than the limit of {limits.files_max}")
    total = sum(len(content) for content in files.values())
    if total > limits.upload_bytes_max:
        raise ModelRefused(f"{total} bytes of files, over the limit of {limits.upload_bytes_max}")
    for key, content in files.items():
        parts = key.removeprefix("file:").split("/")
        plain = all(part not in {"", ".", ".."} and not set(part) & set("\\\0") for part in parts)
        if not plain or len(parts) > _DEPTH_MAX or not key.isprintable():
            raise ModelRefused(
                f"file path {key[:200]!r} is not allowed: expected <version>/<file name> below "
                "the model's folder"
            )
        path = target.joinpath(*parts)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_bytes(content)
        except OSError as error:
            passing = not isinstance(
                error, FileExistsError | NotADirectoryError | IsADirectoryError
            )
            raise ModelRefused(
                f"file {key[:200]!r} could not be stored: {error.strerror}", passing=passing
            ) from None


class _Copier:
    def __init__(self, limits: FileLimits, stop: Event, root: Path | None) -> None:
        self._limits = limits
        self._stop = stop
        self._root = root
        self._files = 0
        self.copied_bytes = 0

    def folder(self, path: Path, target: Path, parent: int | None = None, depth: int = 0) -> None:
        """Copies the folder at the path, which is opened below its parent's handle if there is
        one. Read through its own handle, so that a folder that is swapped for a link meanwhile
        is not followed.
        """
        if depth > _DEPTH_MAX:
            raise ModelRefused(f"folders are nested deeper than {_DEPTH_MAX}")
        target.mkdir(mode=0o700, exist_ok=True)
        handle = _opened(path, parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, self._root)
        try:
            with os.scandir(handle) as entries:
                found = sorted((item.name, _leads_to_folder(item, handle)) for item in entries)
            for inner, is_folder in found:
                # Beside what it shows, Kubernetes keeps the same files in folders of such names.
                if inner.startswith(".."):
                    continue
                if is_folder:
                    self.folder(path / inner, target / inner, handle, depth + 1)
                else:
                    self._file(path / inner, target / inner, handle)
        finally:
            os.close(handle)

    def _file(self, path: Path, target: Path, folder: int) -> None:
        self._files += 1
        if self._files > self._limits.files_max:
            raise ModelRefused(f"more files than the limit of {self._limits.files_max}")
        with (
            _open_regular(path, folder, self._root) as source,
            target.open("xb", buffering=0) as copy,
        ):
            # By the kernel: no bytes of the file come through this process.
            while count := os.sendfile(copy.fileno(), source.fileno(), None, _PIECE_BYTES):
                self.copied_bytes += count
                self._check(path.name)

    def _check(self, name: str) -> None:
        if self.copied_bytes > self._limits.version_bytes_max:
            raise ModelRefused(
                f"{name} takes the version over the limit of {self._limits.version_bytes_max} bytes"
            )
        if self._stop.is_set():
            raise ModelRefused(GIVEN_UP, passing=True)


def _read_all(file: FileIO, bytes_max: int) -> bytes:
    content = bytearray()
    while len(content) < bytes_max and (piece := file.read(bytes_max - len(content))):
        content += piece
    return bytes(content)


def _leads_to_folder(entry: os.DirEntry[str], folder: int) -> bool:
    if not entry.is_symlink():
        return entry.is_dir(follow_symlinks=False)
    try:
        return stat.S_ISDIR(os.stat(entry.name, dir_fd=folder).st_mode)
    except OSError:  # It leads to nothing, which opening it will say.
        return False


def _opened(path: Path, folder: int | None, flags: int, root: Path | None) -> int:
    """Opens the path itself, or what it leads to as a link inside of the root.

    Raises:
        ModelRefused: It is a link that leads elsewhere.
        OSError: It cannot be opened.
    """
    try:
        return os.open(path if folder is None else path.name, flags | os.O_NOFOLLOW, dir_fd=folder)
    except OSError as error:
        # Of a link where a folder is expected, the system says that it is none.
        linked = error.errno == errno.ELOOP or (error.errno == errno.ENOTDIR and path.is_symlink())
        if not linked:
            raise
    if root is None:
        raise ModelRefused(f"{path.name} is a symbolic link: copy the file instead")
    return open_beneath(path, root, flags)


def _open_regular(path: Path, folder: int | None, root: Path | None) -> FileIO:
    """Opens a regular file with one name, and nothing else.

    Raises:
        ModelRefused: It is a link that leads elsewhere, a device, a pipe or a folder.
        OSError: It cannot be opened.
    """
    name = path.name
    # O_NONBLOCK: opening a pipe must not wait for its writer.
    handle = _opened(path, folder, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC, root)
    file = FileIO(handle, "rb") if stat.S_ISREG(os.fstat(handle).st_mode) else None
    if file is None:
        os.close(handle)
        raise ModelRefused(f"{name} is not a regular file")
    names = os.fstat(handle).st_nlink
    if names != 1:
        file.close()
        raise ModelRefused(
            f"{name} is a hard link ({names} names for one file): copy the file instead"
        )
    return file


def _named(error: OSError) -> str:
    return Path(str(error.filename or "a file")).name
