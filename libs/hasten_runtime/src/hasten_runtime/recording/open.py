"""Where a service's event log goes."""

import os
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO, Final

from hasten_policy.eventlog import encode_header
from hasten_policy.machines import kind_of
from hasten_runtime import logs
from hasten_runtime.recording.recorder import Recorder, RecorderLimits

SUFFIX: Final = ".hlog"
LOGS_MAX: Final = 256
"""Logs in one folder: each start of a service makes one, and a service may start for ever."""

_log = logs.logger(__name__)


def open_recorder(
    folder: Path | None,
    policy: object,
    *,
    name: str,
    seed: int = 0,
    bytes_max: int,
) -> Recorder | None:
    """A recorder with a new log; None when none is asked for, or, said in the log, none can be
    had: what is only wanted for later does not keep a service from its work.

    Args:
        folder: Where to; None for nowhere. Made if it is not there.
        policy: Of the machine.
        name: Of this instance.
        seed: Of the machine's random numbers.
        bytes_max: Size of the log at which recording ends.
    """
    if folder is None:
        return None
    now = datetime.now(UTC)
    about = {
        "id": name,
        "pid": str(os.getpid()),
        "began": now.isoformat(timespec="milliseconds"),
        "hasten": version("hasten-policy"),
        "python": platform.python_version(),
    }
    try:
        header = encode_header(policy, seed=seed, about=about)
        path, file = _create(folder, kind_of(policy).name, name, now)
    except (OSError, TypeError, ValueError) as error:
        _log.error("recording.impossible", folder=str(folder), reason=str(error))
        return None
    _log.info("recording.began", log=str(path), bytes_max=bytes_max)
    return Recorder(file, str(path), header, RecorderLimits(bytes_max=bytes_max))


def _create(folder: Path, kind: str, name: str, now: datetime) -> tuple[Path, BinaryIO]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if sum(1 for _ in folder.glob(f"*{SUFFIX}")) >= LOGS_MAX:
        raise OSError(f"the folder holds {LOGS_MAX} logs already; move some away")
    # A name may hold anything; in a container every process id is 1.
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", name)[:64]
    began = now.strftime("%Y%m%dT%H%M%S%f")[:-3]
    path = folder / f"{kind}-{safe}-{began}-{os.getpid()}{SUFFIX}"
    # Only its owner may read it: it names models and tenants.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    return path, os.fdopen(descriptor, "wb")
