"""Starts services in parallel, keeps them running, stops them in order."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from hasten_cli.local.plan import ServiceSpec, kinds, pinned, restart_delay_s
from hasten_cli.local.process import Child, EndedEarlyError
from hasten_cli.local.run_folder import RunFolder

READY_S_MAX: Final = 60.0
"""Longest time from start to the ready line: models are loaded and profiled in it."""
SETTLED_S: Final = 10.0
"""A service that ran this long starts its count of failures anew."""
PROBE_S: Final = 0.01

State = Literal["starting", "ready", "restarting", "stopping", "stopped"]
Facts = Mapping[str, Any]
Probe = Callable[[], Awaitable[Facts | None]]


class StartError(Exception):
    """A service did not become ready.

    Attributes:
        tail: The last lines of its log.
    """

    def __init__(self, message: str, tail: str) -> None:
        super().__init__(message)
        self.tail = tail


@dataclass(slots=True)
class Service:
    """A service as it is now.

    Attributes:
        spec: What is started.
        state: Where it is in its life.
        child: The running process, or the last one.
        facts: Its ready line.
        restarts: Times it was started again.
        ready_after_s: Seconds from its last start to its ready line.
        probe: For a service that announces nothing: answers its facts once it is ready.
    """

    spec: ServiceSpec
    probe: Probe | None = None
    state: State = "starting"
    child: Child | None = None
    facts: Facts = field(default_factory=dict)
    restarts: int = 0
    ready_after_s: float = 0.0
    ready_at_s: float | None = None

    @property
    def pid(self) -> int:
        """Process id of the running or last process; 0 before the first."""
        return 0 if self.child is None else self.child.pid

    @property
    def address(self) -> str:
        """Address of its ready line; "" before it."""
        return str(self.facts.get("address", ""))


class Supervisor:
    """The services of one run.

    Args:
        folder: Logs go there, and it learns of each process group.
        say: Called with one sentence for each thing that people should know.
        ready_s_max: Longest wait for a service to be ready.
    """

    def __init__(
        self,
        folder: RunFolder,
        *,
        say: Callable[[str], None],
        ready_s_max: float = READY_S_MAX,
    ) -> None:
        self.services: list[Service] = []
        self._folder = folder
        self._say = say
        self._ready_s_max = ready_s_max
        self._keepers: dict[str, asyncio.Task[None]] = {}

    async def begin(self, specs: Iterable[ServiceSpec], *, probe: Probe | None = None) -> None:
        """Starts services in parallel and keeps them running from when all are ready.

        Args:
            specs: What to start.
            probe: Tells when they are ready, for services that announce nothing.

        Raises:
            StartError: One of them did not become ready; all begun here are still listed,
                and `stop` ends them.
        """
        begun = [Service(spec, probe) for spec in specs]
        self.services.extend(begun)
        failed: StartError | None = None
        try:
            async with asyncio.TaskGroup() as group:
                for service in begun:
                    group.create_task(self._start(service))
        except* StartError as failures:
            failed = _first(failures)
        # Not raised above: before Python 3.11.4 it would come out wrapped in a group.
        if failed is not None:
            raise failed
        for service in begun:
            self._tend(service, self._keep(service))

    def add(self, spec: ServiceSpec) -> None:
        """Begins to start one more service, which is kept running once it is ready. One that does
        not become ready is dropped, and people are told.
        """
        service = Service(spec)
        self.services.append(service)
        self._tend(service, self._join(service))

    async def remove(self, name: str) -> None:
        """Stops a service for good, and drops it."""
        for service in [each for each in self.services if each.spec.name == name]:
            service.state = "stopping"
            keeper = self._keepers.pop(name, None)
            if keeper is not None:
                keeper.cancel()
                await asyncio.gather(keeper, return_exceptions=True)
            await self._stop(service)
            self.services.remove(service)
            self._say(f"{name} has left")

    async def _join(self, service: Service) -> None:
        name = service.spec.name
        try:
            await self._start(service)
        except StartError as error:
            last = error.tail.rpartition("\n")[2]
            self._say(f"{error}: {last}" if last else str(error))
            self._keepers.pop(name, None)
            await self._stop(service)
            self.services.remove(service)
            return
        self._say(f"{name} has joined on {service.address}, pid {service.pid}")
        await self._keep(service)

    def _tend(self, service: Service, tending: Coroutine[None, None, None]) -> None:
        name = service.spec.name
        self._keepers[name] = asyncio.create_task(tending, name=f"keep-{name}")

    async def forget(self, name: str) -> None:
        """Stops a service that never became ready, and drops it."""
        for service in [service for service in self.services if service.spec.name == name]:
            await self._stop(service)
            self.services.remove(service)

    async def stop(self) -> None:
        """Stops everything in order; returns when no process is left."""
        keepers = list(self._keepers.values())
        self._keepers.clear()
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)
        for stage in self.stages():
            await asyncio.gather(*map(self._stop, stage))

    def kill(self) -> None:
        """SIGKILL to everything, at once; `stop` then has little to wait for."""
        for service in self.services:
            if service.child is not None:
                service.child.kill()

    def of_kind(self, kind: str) -> Sequence[Service]:
        """The services of one kind, in the order of their start."""
        return [service for service in self.services if service.spec.kind == kind]

    def stages(self) -> Sequence[Sequence[Service]]:
        """All services in the order in which they are stopped; those of a stage at once."""
        return [stage for kind in kinds() if (stage := self.of_kind(kind))]

    def bound_logs(self) -> None:
        """Empties logs that have grown too long."""
        for service in self.services:
            if service.child is not None:
                service.child.bound_log()

    async def _start(self, service: Service) -> None:
        """Starts one service and waits until it is ready. Raises StartError."""
        begin_s = _now_s()
        child = service.child = Child(service.spec, self._folder)
        service.state = "starting"
        service.ready_at_s = None
        try:
            await child.start()
            async with asyncio.timeout(self._ready_s_max):
                service.facts = await self._ready(service, child)
        except EndedEarlyError as error:
            raise StartError(f"{error} before it was ready", child.log_tail()) from None
        except TimeoutError:
            tail = child.log_tail()
            child.kill()
            raise StartError(
                f"{service.spec.name} was not ready within {self._ready_s_max:g} s", tail
            ) from None
        except OSError as error:  # After TimeoutError, which is one.
            raise StartError(f"{service.spec.name} cannot be started: {error}", "") from error
        service.spec = pinned(service.spec, service.facts)
        service.ready_at_s = _now_s()
        service.ready_after_s = service.ready_at_s - begin_s
        service.state = "ready"

    async def _ready(self, service: Service, child: Child) -> Facts:
        """The facts of a ready service. Raises EndedEarlyError."""
        if service.probe is None:
            return await child.announced()
        while child.exit_status is None:
            facts = await service.probe()
            if facts is not None:
                return facts
            await asyncio.sleep(PROBE_S)
        raise EndedEarlyError(f"{service.spec.name} ended with {child.how_it_ended}")

    async def _keep(self, service: Service) -> None:
        """Starts the service again whenever it ends, after a growing wait."""
        failures = 0
        said = ""
        while service.child is not None:
            await service.child.wait()
            await service.child.stop()
            ready_at_s = service.ready_at_s
            settled = ready_at_s is not None and _now_s() - ready_at_s > SETTLED_S
            failures = 1 if settled else failures + 1
            delay_s = restart_delay_s(failures)
            why = said or f"{service.spec.name} ended with {service.child.how_it_ended}"
            meanwhile = service.spec.meanwhile
            goes_on = f" ({meanwhile})" if meanwhile and not said else ""
            self._say(f"{why}; starting it again in {delay_s:g} s{goes_on}")
            service.state = "restarting"
            service.restarts += 1
            await asyncio.sleep(delay_s)
            said = ""
            try:
                await self._start(service)
            except StartError as error:
                last = error.tail.rpartition("\n")[2]
                said = f"{error}: {last}" if last else str(error)
            else:
                forgets = f"; {service.spec.forgets}" if service.spec.forgets else ""
                self._say(
                    f"{service.spec.name} is back on {service.address}, pid {service.pid}{forgets}"
                )

    async def _stop(self, service: Service) -> None:
        if service.child is None:
            return
        service.state = "stopping"
        await service.child.stop()
        service.state = "stopped"


def _now_s() -> float:
    """By the clock that the waits go by."""
    return asyncio.get_running_loop().time()


def _first(failures: ExceptionGroup[StartError]) -> StartError:
    """The first failure, however deep the group is nested."""
    error: BaseException = failures
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if not isinstance(error, StartError):
        raise error
    return error
