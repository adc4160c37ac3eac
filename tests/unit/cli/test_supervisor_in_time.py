"""The supervisor's waits to the second, over processes that are only pretended."""

import asyncio
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from hasten_cli.local import supervisor as supervisor_module
from hasten_cli.local.plan import ServiceSpec
from hasten_cli.local.run_folder import RunFolder
from hasten_cli.local.supervisor import READY_S_MAX, SETTLED_S, StartError, Supervisor
from tests.support.virtual_time import elapse

pytestmark = [pytest.mark.virtual_time, pytest.mark.usefixtures("no_leaked_tasks")]


class Pretended:
    """A child that lives and is ready for as long as its `script` says.

    Attributes:
        script: (seconds until it is ready, seconds until it ends) of each start in turn; the
            last one of all further ones.
        born: Its starts so far, by the loop's clock.
    """

    script: list[tuple[float, float]]
    born: list[float]

    def __init__(self, spec: ServiceSpec, folder: RunFolder) -> None:
        del folder
        self.spec = spec
        self.pid = 0
        self.exit_status: int | None = None
        self._ended = asyncio.Event()
        self._lives: asyncio.Task[None] | None = None
        self._ready_s, self._lives_s = self.script[min(len(self.born), len(self.script) - 1)]

    async def start(self) -> None:
        self.born.append(asyncio.get_running_loop().time())
        self.pid = len(self.born)
        self._lives = asyncio.create_task(self._live())

    async def _live(self) -> None:
        await elapse(self._lives_s)
        self._end(7)

    def _end(self, status: int) -> None:
        self.exit_status = status
        self._ended.set()

    async def announced(self) -> Mapping[str, Any]:
        await elapse(self._ready_s)
        return {"address": "127.0.0.1:1"}

    async def wait(self) -> int:
        await self._ended.wait()
        return self.exit_status or 0

    async def stop(self) -> None:
        if self._lives is not None:
            self._lives.cancel()
        self._end(0 if self.exit_status is None else self.exit_status)

    def kill(self) -> None:
        self._end(-9)

    how_it_ended = "status 7"

    def log_tail(self) -> str:
        return "its last words"


Begin = Callable[..., Supervisor]


@pytest.fixture
def begin(monkeypatch: pytest.MonkeyPatch) -> Begin:
    """A supervisor whose service follows this script."""

    def made(said: list[str], *script: tuple[float, float]) -> Supervisor:
        monkeypatch.setattr(supervisor_module, "Child", Pretended)
        monkeypatch.setattr(Pretended, "script", list(script), raising=False)
        monkeypatch.setattr(Pretended, "born", [], raising=False)
        return Supervisor(None, say=said.append)  # type: ignore[arg-type]  # no process, no log

    return made


SPEC = ServiceSpec("a", "worker", ("/nothing",), {}, 1.0)


async def test_a_crash_after_a_crash_is_waited_for_longer_and_each_is_said(begin: Begin) -> None:
    said: list[str] = []
    running = begin(said, (0.0, 1.0))
    await running.begin([SPEC])
    await elapse(60.0)
    await running.stop()
    born = Pretended.born
    waited = [round(after - before - 1.0, 6) for before, after in itertools.pairwise(born)]
    assert waited[:7] == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0]
    told = [line for line in said if "starting it again" in line]
    assert told[:3] == [
        f"a ended with status 7; starting it again in {delay} s" for delay in ("0.2", "0.4", "0.8")
    ]
    assert "a is back on 127.0.0.1:1, pid 2" in said
    assert running.services[0].restarts == len(told)


async def test_a_service_that_ran_for_long_is_forgiven_its_crashes(begin: Begin) -> None:
    said: list[str] = []
    long_s = SETTLED_S + 0.001
    running = begin(said, (0.0, 1.0), (0.0, 1.0), (0.0, long_s), (0.0, 3600.0))
    await running.begin([SPEC])
    await elapse(60.0)
    await running.stop()
    delays = [line.split("again in ")[1] for line in said if "again in " in line]
    assert delays == ["0.2 s", "0.4 s", "0.2 s"]


async def test_one_that_is_never_ready_is_given_up_after_a_minute(begin: Begin) -> None:
    loop = asyncio.get_running_loop()
    running = begin([], (3600.0, 7200.0))
    began_s = loop.time()
    with pytest.raises(StartError, match="a was not ready within 60 s") as raised:
        await running.begin([SPEC])
    assert loop.time() == began_s + READY_S_MAX
    assert raised.value.tail == "its last words"
    await running.stop()


async def test_how_long_a_start_took_is_known(begin: Begin) -> None:
    running = begin([], (2.5, 3600.0))
    await running.begin([SPEC])
    assert running.services[0].ready_after_s == 2.5
    await running.stop()
