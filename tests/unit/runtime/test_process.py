"""A service's process: one ready line, two signals, an honest exit code."""

import asyncio
import json
import resource
import signal
import sys
from asyncio.subprocess import PIPE, Process

import pytest

PATIENCE_S = 60.0

SERVICE = """
import asyncio, signal, sys
from hasten_runtime import logs, process

# Under nohup it would be ignored.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

async def main(stop):
    {body}

logs.configure("test", fmt="json")
sys.exit(process.run(main))
"""

OBEDIENT = """
    process.announce_ready(service="test", address="127.0.0.1:1", metrics_address=None)
    await stop.wait()
    return {code}
"""
STUBBORN = """
    process.announce_ready(service="test")
    await stop.wait()
    print("stopping", flush=True)
    await asyncio.Event().wait()
"""


async def started(body: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVICE.format(body=body.strip()), stdout=PIPE, stderr=PIPE
    )


async def line_of(child: Process) -> str:
    assert child.stdout is not None
    return (await asyncio.wait_for(child.stdout.readline(), PATIENCE_S)).decode()


async def ended(child: Process) -> tuple[int | None, str, list[dict[str, str]]]:
    """Exit code, what was left of standard output, log lines."""
    out, err = await asyncio.wait_for(child.communicate(), PATIENCE_S)
    return child.returncode, out.decode(), [json.loads(line) for line in err.splitlines()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(("code", "expected"), [(None, 0), (3, 3)])
async def test_the_first_signal_asks_the_service_to_leave(
    number: signal.Signals, code: int | None, expected: int
) -> None:
    child = await started(OBEDIENT.format(code=code))
    ready = json.loads(await line_of(child))
    assert ready == {
        "event": "ready",
        "pid": child.pid,
        "service": "test",
        "address": "127.0.0.1:1",
        "metrics_address": None,
    }
    child.send_signal(number)
    assert await ended(child) == (expected, "", [])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 128 + 15), (signal.SIGINT, 128 + 2)])
async def test_the_second_signal_ends_the_process_at_once(
    number: signal.Signals, code: int
) -> None:
    child = await started(STUBBORN)
    await line_of(child)
    child.send_signal(signal.SIGTERM)
    assert await line_of(child) == "stopping\n"
    child.send_signal(number)
    assert await ended(child) == (code, "", [])


async def test_an_exception_is_logged_and_the_code_is_1() -> None:
    code, out, log = await ended(await started('raise ValueError("no such model folder")'))
    assert (code, out) == (1, "")
    (line,) = log
    assert (line["event"], line["level"]) == ("process.crashed", "critical")
    assert "no such model folder" in line["exception"]


CANNOT_LISTEN = """
    async def live(stop):
        raise ExceptionGroup("ports", [OSError("the port is in use")])

    def log(reason):
        logs.logger("test").critical("test.cannot_listen", reason=reason)

    return await process.listening(live, log)(stop)
"""


async def test_an_address_that_it_cannot_listen_at_is_logged_and_the_code_is_1() -> None:
    code, out, log = await ended(await started(CANNOT_LISTEN))
    assert (code, out) == (1, "")
    assert [(line["event"], line["reason"]) for line in log] == [
        ("test.cannot_listen", "the port is in use")
    ]


async def test_a_forgotten_task_that_fails_is_logged() -> None:
    body = """
    async def fail():
        raise ValueError("unseen")
    task = asyncio.ensure_future(fail())
    await asyncio.sleep(0)
    del task
    import gc; gc.collect()
    """
    code, _, log = await ended(await started(body))
    assert code == 0
    (line,) = log
    assert line["event"] == "process.unhandled"
    assert "unseen" in line["exception"]


LARGE_MESSAGES = """
    import resource
    def page_faults():
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    def carry():
        copies = [bytes(700_000) for _ in range(3)]
    for _ in range(3):
        carry()
    before = page_faults()
    for _ in range(50):
        carry()
    print(type(asyncio.get_running_loop()).__module__, page_faults() - before)
"""


async def test_the_next_message_gets_the_memory_of_the_last_and_the_loop_is_the_fast_one() -> None:
    code, said, _ = await ended(await started(LARGE_MESSAGES))
    loop, faults = said.split()
    assert (code, loop) == (0, "uvloop")
    # Left to itself, glibc gives the memory back now and then: some 1800 pages to clear anew.
    assert int(faults) < 200


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR2])
async def test_a_signal_without_a_meaning_is_logged_and_ends_nothing(
    number: signal.Signals,
) -> None:
    child = await started(OBEDIENT.format(code=0))
    await line_of(child)
    child.send_signal(number)
    assert child.stderr is not None
    said = json.loads(await asyncio.wait_for(child.stderr.readline(), PATIENCE_S))
    assert (said["event"], said["signal"]) == ("process.signal_ignored", number.name)
    child.send_signal(signal.SIGTERM)
    assert (await ended(child))[0] == 0


async def test_a_hanging_process_says_where_it_is() -> None:
    child = await started(OBEDIENT.format(code=0))
    await line_of(child)
    child.send_signal(signal.SIGUSR1)
    assert child.stderr is not None
    threads: list[str] = []
    while True:
        said = json.loads(await asyncio.wait_for(child.stderr.readline(), PATIENCE_S))
        if said["event"] == "process.thread":
            threads.append(said["thread"])
        elif any("in main" in place for place in said["stack"]):
            break
    assert "MainThread" in threads
    child.send_signal(signal.SIGTERM)
    assert (await ended(child))[0] == 0


OPEN_FILES = """
    import resource
    print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


async def test_as_many_files_may_be_open_as_the_system_allows() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = min(hard, 4096)
    code = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (256, {allowed}))\n"
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code + SERVICE.format(body=OPEN_FILES.strip()),
        stdout=PIPE,
        stderr=PIPE,
    )
    ended_with, out, log = await ended(child)
    assert (ended_with, out, log) == (0, f"{allowed}\n", [])
