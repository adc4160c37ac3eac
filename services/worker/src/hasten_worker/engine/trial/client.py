"""The worker's side of the trial process."""

import contextlib
import json
import math
import os
import select
import subprocess
import sys
import threading
from typing import Any, Final

from hasten_worker.engine.facts import ModelFacts
from hasten_worker.engine.refusal import GIVEN_UP, ModelRefused
from hasten_worker.engine.settings import TrialLimits, cores_available
from hasten_worker.engine.trial.kept import Kept
from hasten_worker.engine.trial.task import Task

GRACE_S: Final = 15.0
"""For the start of the process and its imports, and for its own time limit to act first."""
_ANSWER_BYTES_MAX: Final = 8 * 2**20


class Trial:
    """A handle on the child process, which is started when first needed.

    One task at a time; `close` may be called from any thread, and ends a task that is under
    way with a refusal.

    Args:
        limits: Of the child process.
        kept: What was found before.
    """

    def __init__(self, limits: TrialLimits, kept: Kept | None = None) -> None:
        self._limits = limits
        self._kept = kept or Kept(None)
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self._shut = False

    def start(self) -> None:
        """Starts the process ahead of its first task, so that it imports meanwhile, unless it may
        not be needed.
        """
        if not self._kept.any():
            self._running()

    def examine(self, task: Task) -> ModelFacts:
        """Has the task examined. Blocks.

        Raises:
            ModelRefused: The model is not to be used, or the examination could not be done.
        """
        key = self._kept.key(task)
        known = self._kept.find(key)
        if known is not None:
            return known
        answer = self._answer(task)
        if "refused" in answer:
            raise ModelRefused(answer["refused"], passing=bool(answer.get("passing")))
        facts = ModelFacts.from_json(answer["facts"])
        if answer["whole"]:
            self._kept.keep(key, facts)
        return facts

    def _answer(self, task: Task) -> dict[str, Any]:
        request = {
            "task": task.to_json(),
            "timeout_s": self._limits.timeout_s,
            "cpu_s": math.ceil(self._limits.timeout_s * cores_available()),
            "memory_bytes": self._limits.memory_bytes or memory_share(),
        }
        with self._asking:
            process = self._running()
            answer = self._ask(process, json.dumps(request).encode() + b"\n")
            if answer is None:
                self._end(process)
        if answer is None:
            why = GIVEN_UP if self._shut else "the process that tries models ended"
            raise ModelRefused(why, passing=True)
        return answer

    def close(self) -> None:
        """Ends the process; later tasks are refused."""
        with self._lock:
            self._shut = True
            process = self._process
        if process is not None:
            # Its death wakes the one who waits for its answer; only then may the pipes go.
            process.kill()
            with self._asking:
                self._end(process)

    def _running(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._shut:
                raise ModelRefused(GIVEN_UP, passing=True)
            if self._process is None or self._process.poll() is not None:
                self._process = _spawn()
            return self._process

    def _ask(self, process: subprocess.Popen[bytes], line: bytes) -> dict[str, Any] | None:
        """The answer; None when the process is gone or silent."""
        if process.stdin is None or process.stdout is None:
            return None
        try:
            process.stdin.write(line)
            process.stdin.flush()
        except (OSError, ValueError):
            return None
        content = b""
        reader = process.stdout.fileno()
        wait_s = self._limits.timeout_s + GRACE_S
        while not content.endswith(b"\n"):
            ready, _, _ = select.select([reader], [], [], wait_s)
            piece = os.read(reader, 65536) if ready else b""
            if not piece or len(content) > _ANSWER_BYTES_MAX:
                return None
            content += piece
        answer: dict[str, Any] = json.loads(content)
        return answer

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                # A line that the dead process did not take is of no use to anybody.
                with contextlib.suppress(OSError):
                    pipe.close()
        with self._lock:
            if self._process is process:
                self._process = None


def memory_share() -> int:
    """Three quarters of the memory of the machine, or of the container if that is less."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            with open(path, encoding="ascii") as file:  # noqa: PTH123  (a kernel file)
                text = file.read().strip()
        except OSError:
            continue
        if text.isdigit():
            total = min(total, int(text))
    return total * 3 // 4


def _spawn() -> subprocess.Popen[bytes]:
    # A file that takes the child over must not find passwords; one thread is enough there.
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith("HASTEN_")
    } | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "hasten_worker.engine.trial.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )
