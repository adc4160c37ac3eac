"""The child process that touches model files first: `python -m hasten_worker.engine.trial.child`.

It reads one task (JSON) per line and answers each with one line of JSON: `facts`, `whole` when the
examination came to its end, or `refused` with a sentence. Each task is examined in a process of its
own, forked when the libraries are already imported, under limits on memory and time. Whatever a
file does there, a crash, a hang or a flood of memory, ends as a refusal here, or as a note on a
model that had run before, and never reaches the worker.
"""

import ctypes
import gc
import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

from hasten_worker.engine.facts import ModelFacts
from hasten_worker.engine.refusal import ModelRefused
from hasten_worker.engine.trial.examine import examine, go_on
from hasten_worker.engine.trial.extremes import CASES
from hasten_worker.engine.trial.task import Task

ANSWER_BYTES_MAX: Final = 4 * 2**20
OPEN_FILES_MAX: Final = 1024
CASE_S_MAX: Final = 5.0
"""For an extreme input that ignores its termination."""
NICENESS: Final = 10
"""Trying a model must not take the cores from the models that serve."""
_PR_SET_PDEATHSIG: Final = 1


def main() -> None:
    """Serves tasks until standard input ends."""
    os.nice(NICENESS)
    # If memory runs out in spite of the limits, this process goes first.
    Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # No collection, here or in a fork, looks through (and thereby copies) what was imported.
    gc.freeze()
    output = sys.stdout.buffer
    for line in sys.stdin.buffer:
        request = json.loads(line)
        answer = _examined(request, sys.stdin.buffer)
        output.write(json.dumps(answer).encode() + b"\n")
        output.flush()


def _examined(request: Mapping[str, Any], requests: BinaryIO) -> dict[str, Any]:
    """The answer; an examination that an extreme case has ended goes on with the next case."""
    answer = _supervise(request, requests)
    while (first := answer.pop("next", len(CASES))) < len(CASES):
        rest = {**request, "facts": answer["facts"], "first": first}
        answer = _supervise(rest, requests)
    return answer


def _supervise(request: Mapping[str, Any], requests: BinaryIO) -> dict[str, Any]:
    """Runs the task in a fork and turns every end of it into an answer."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _be_child(request, writer)
    os.close(writer)
    try:
        lines, timed_out = _read(reader, requests.fileno(), time.monotonic() + request["timeout_s"])
    finally:
        os.close(reader)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    return _answer(lines, timed_out=timed_out, status=status, timeout_s=request["timeout_s"])


def _read(reader: int, requests: int, deadline_s: float) -> tuple[list[bytes], bool]:
    """What the child wrote until its end or the deadline, and whether it was the deadline."""
    content = b""
    while (left_s := deadline_s - time.monotonic()) > 0 and len(content) < ANSWER_BYTES_MAX:
        ready, _, _ = select.select([reader, requests], [], [], left_s)
        if requests in ready:
            # The worker sends nothing while it waits: its end of the pipe is closed.
            break
        if reader in ready:
            piece = os.read(reader, 65536)
            if not piece:
                return content.splitlines(), False
            content += piece
            if b'{"case"' in piece:
                deadline_s = min(deadline_s, time.monotonic() + CASE_S_MAX)
    return content.splitlines(), True


def _answer(
    lines: list[bytes], *, timed_out: bool, status: int, timeout_s: float
) -> dict[str, Any]:
    """What the child found: its last facts, else its refusal or how it ended."""
    stage = "starting"
    case: int | None = None
    facts: dict[str, Any] | None = None
    end: dict[str, Any] = {}
    for line in lines:
        try:
            message: dict[str, Any] = json.loads(line)
        except ValueError:
            continue
        if "stage" in message:
            stage = message["stage"]
        elif "case" in message:
            case = message["case"]
        elif "facts" in message:
            facts = message["facts"]
        else:
            end = message
            break
    if not end and facts is not None and case is not None:
        # All else was done by then.
        how = "it did not stop" if timed_out else f"it killed its process ({_how(status)})"
        facts["notes"] = [*facts["notes"], f"with {CASES[case][0]} {how}"]
        return {"facts": facts, "whole": True, "next": case + 1}
    if not end:
        end = _death(stage, timed_out=timed_out, status=status, timeout_s=timeout_s)
    if facts is None or "refused" not in end:
        return end if facts is None else {"facts": facts, "whole": True}
    # It had run by then: what went wrong later is a thing to know, and no reason to refuse.
    facts["notes"] = [*facts["notes"], f"the examination ended early: {end['refused']}"]
    return {"facts": facts, "whole": False}


def _death(stage: str, *, timed_out: bool, status: int, timeout_s: float) -> dict[str, Any]:
    if timed_out:
        return {"refused": f"it took longer than {timeout_s:g} s while {stage}", "passing": True}
    if os.WIFSIGNALED(status):
        return {"refused": f"it killed the process that tried it ({_how(status)}) while {stage}"}
    return {"refused": f"it ended the process that tried it ({_how(status)}) while {stage}"}


def _how(status: int) -> str:
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    return f"status {os.waitstatus_to_exitcode(status)}"


def _be_child(request: Mapping[str, Any], writer: int) -> None:
    """Examines and ends the process."""

    def say(message: Mapping[str, Any]) -> None:
        os.write(writer, json.dumps(message).encode() + b"\n")

    def found(facts: ModelFacts) -> None:
        say({"facts": facts.to_json()})

    def extreme(number: int) -> None:
        say({"case": number})

    try:
        _confine(request)
        task = Task.from_json(request["task"])
        if "facts" in request:
            go_on(task, ModelFacts.from_json(request["facts"]), found, extreme, request["first"])
        else:
            examine(task, lambda stage: say({"stage": stage}), found, extreme)
        say({"end": True})
    except ModelRefused as error:
        say({"refused": str(error), "passing": error.passing})
    except MemoryError:
        say({"refused": "it needs more memory than the limit allows"})
    except Exception as error:  # noqa: BLE001  (whatever it is, it is the file's)
        say({"refused": f"it could not be examined: {type(error).__name__}: {error}"[:500]})
    finally:
        # No clean-up: the file may have damaged what a clean-up would touch.
        os._exit(0)


def _confine(request: Mapping[str, Any]) -> None:
    # The fork must not outlive the process that watches it.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    silent = os.open(os.devnull, os.O_RDWR)
    for handle in (0, 1, 2):
        os.dup2(silent, handle)
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: request["cpu_s"],
        resource.RLIMIT_NOFILE: OPEN_FILES_MAX,
    }
    if not request["task"]["plan"]["device"].startswith("cuda"):
        # GPU providers write caches and map memory by the terabyte; on the CPU nothing has
        # to write a file.
        limits[resource.RLIMIT_FSIZE] = 0
        limits[resource.RLIMIT_DATA] = request["memory_bytes"]
    for kind, wanted in limits.items():
        _, hard = resource.getrlimit(kind)
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(kind, (value, value))


if __name__ == "__main__":
    main()
