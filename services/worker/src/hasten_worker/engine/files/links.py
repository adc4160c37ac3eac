"""Symbolic links of a model repository: followed while they stay inside of it.

Otherwise a person who may write a link could make a model's file of any file of this host. A link
is resolved first; its target is then opened step by step from the top of the repository without
following any further link, so that a link that is changed meanwhile leads nowhere.
"""

import errno
import os
from pathlib import Path
from typing import Final

from hasten_worker.engine.refusal import ModelRefused

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def real_place(path: Path, root: Path) -> Path:
    """Where a path inside of the repository really is, all links resolved.

    Args:
        path: The path; its last part may be a link.
        root: The repository.

    Raises:
        ModelRefused: It leads out of the repository, to nothing, or round in a circle.
    """
    try:
        real = Path(os.path.realpath(path, strict=True))
        top = Path(os.path.realpath(root, strict=True))
    except FileNotFoundError:
        raise ModelRefused(f"{path.name} is a symbolic link that leads to nothing") from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ModelRefused(
                f"{path.name} is a symbolic link that leads round in a circle"
            ) from None
        raise ModelRefused(f"{path.name} cannot be read: {error.strerror}", passing=True) from None
    if not real.is_relative_to(top):
        raise ModelRefused(
            f"{path.name} is a symbolic link that leads out of the repository: copy what it "
            "leads to, or mount it inside"
        )
    if Path(os.path.realpath(path.parent)).is_relative_to(real):
        raise ModelRefused(f"{path.name} is a symbolic link that leads to a folder around it")
    return real


def open_beneath(path: Path, root: Path, flags: int) -> int:
    """Opens what a link of the repository leads to; the handle is the caller's.

    Raises:
        ModelRefused: See `real_place`.
        OSError: It cannot be opened, or is another thing by now.
    """
    real = real_place(path, root)
    top = Path(os.path.realpath(root))
    *way, last = real.relative_to(top).parts
    handle = os.open(top, _FOLDER)
    try:
        for part in way:
            inner = os.open(part, _FOLDER, dir_fd=handle)
            os.close(handle)
            handle = inner
        return os.open(last, flags | os.O_NOFOLLOW, dir_fd=handle)
    finally:
        os.close(handle)
