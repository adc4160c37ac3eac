"""What examinations found out, kept over restarts.

An examination takes seconds of processor time, and finds the same in the same files: a worker that
starts again, or one more of many, need not pay for it. What was found is kept under a digest of all
that it depends on: the files, the configuration, the limits, onnxruntime, this worker's own code.
Refusals and examinations that did not come to their end are not kept.
"""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import onnxruntime as ort

from hasten_runtime import logs
from hasten_worker.engine.facts import ModelFacts
from hasten_worker.engine.trial.task import Task

KEPT_MAX: Final = 1000
"""Most examinations in one folder; those that were not used for longest go first."""
_READ_BYTES: Final = 1024 * 1024

_log = logs.logger(__name__)


class Kept:
    """A folder of examinations. A folder that cannot be used is like none: nothing fails for it.

    Args:
        folder: Made when the first examination is kept; None keeps none.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._told = False

    def any(self) -> bool:
        """Some examination is there."""
        return next(self._files(), None) is not None

    def key(self, task: Task) -> str:
        """Names what the task would find; "" where nothing is kept."""
        return "" if self._folder is None else _digest(task)

    def find(self, key: str) -> ModelFacts | None:
        """What was found; None when it is not there or cannot be read."""
        if self._folder is None:
            return None
        path = self._folder / key
        try:
            facts = ModelFacts.from_json(json.loads(path.read_text(encoding="utf-8")))
            os.utime(path)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            self._tell(error)
            return None
        return facts

    def keep(self, key: str, facts: ModelFacts) -> None:
        """Keeps what was found, whole or not at all."""
        if self._folder is None:
            return
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                "w", encoding="utf-8", dir=self._folder, prefix=".", delete=False
            ) as file:
                json.dump(facts.to_json(), file)
            Path(file.name).replace(self._folder / key)
            self._forget_old()
        except OSError as error:
            self._tell(error)

    def _forget_old(self) -> None:
        files = sorted(self._files(), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in files[KEPT_MAX:]:
            path.unlink(missing_ok=True)

    def _files(self) -> Iterator[Path]:
        if self._folder is not None:
            with contextlib.suppress(OSError):
                yield from (path for path in self._folder.iterdir() if path.name[0] != ".")

    def _tell(self, error: Exception) -> None:
        if not self._told:
            self._told = True
            _log.warning(
                "model.examination_not_kept",
                folder=str(self._folder),
                reason=str(error),
                help="models are examined at each start; look at the setting examinations_dir",
            )


def _digest(task: Task) -> str:
    asked = task.to_json()
    del asked["folder"]  # A private copy, each time another one.
    whole = hashlib.sha256(f"{ort.__version__} {_own_code()}".encode())
    whole.update(json.dumps(asked, sort_keys=True).encode())
    for path in sorted(path for path in task.folder.rglob("*") if path.is_file()):
        name = str(path.relative_to(task.folder))
        whole.update(f"\n{len(name)} {name} {path.stat().st_size}\n".encode(errors="replace"))
        with path.open("rb") as file:
            while piece := file.read(_READ_BYTES):
                whole.update(piece)
    return whole.hexdigest()


@cache
def _own_code() -> str:
    whole = hashlib.sha256()
    for path in sorted(Path(__file__).parents[2].rglob("*.py")):
        whole.update(path.read_bytes())
    return whole.hexdigest()
