"""What every service has around its machine: clock, traces, metrics, readiness, discovery."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry

from hasten_policy.load import HostLag
from hasten_runtime import metrics, telemetry
from hasten_runtime.clock import Clock, SystemClock
from hasten_runtime.discovery import Discovery, open_discovery
from hasten_runtime.grpc_server import listening
from hasten_runtime.host_counters import HostCounters
from hasten_runtime.host_lag import HostLagMeter
from hasten_runtime.load_store import LoadStore
from hasten_runtime.readiness import Readiness
from hasten_runtime.recording import Recorder, open_recorder
from hasten_runtime.settings import DiscoverySettings


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What stands around one service's machine.

    Attributes:
        instance: Name of this instance of the service.
        clock: Of the process.
        traces: Where spans go.
        registry: Of its metrics.
        readiness: Whether it may be sent traffic.
        metrics: Where Prometheus comes in, already open.
        stack: Closes, last first, what is opened here or put on it.
    """

    instance: str
    clock: Clock
    traces: telemetry.Telemetry
    registry: CollectorRegistry
    readiness: Readiness
    metrics: metrics.MetricsEndpoint
    stack: AsyncExitStack

    def discovery(self, settings: DiscoverySettings) -> Discovery:
        """Who is there. Raises ValueError for an address that cannot be one."""
        discovery = open_discovery(settings)
        self.stack.push_async_callback(discovery.close)
        return discovery

    def load_store(self, redis_url: str) -> LoadStore | None:
        """The load store in this Redis; None where none is named."""
        if not redis_url:
            return None
        # Its client takes a sixth of a start: only where there is a Redis.
        from hasten_runtime.redis_store.load import RedisLoadStore

        store = RedisLoadStore(redis_url)
        self.stack.push_async_callback(store.close)
        return store

    def recorder(
        self, folder: Path | None, policy: object, *, seed: int = 0, bytes_max: int
    ) -> Recorder | None:
        """Of the machine's events; see `open_recorder`."""
        recorder = open_recorder(folder, policy, name=self.instance, seed=seed, bytes_max=bytes_max)
        if recorder is not None:
            self.stack.push_async_callback(asyncio.to_thread, recorder.close)
        return recorder

    def measure_host(self, tell: Callable[[HostLag], None]) -> None:
        """Begins to measure how the host treats this process: for the machine, and as metrics."""
        lag = HostLagMeter(self.clock, HostCounters(), tell)
        metrics.watch_host(self.registry, lag_s=lambda: lag.lag_s, stolen=lambda: lag.stolen)
        self.stack.callback(lag.close)
        lag.open()


@asynccontextmanager
async def open_surroundings(
    service: str, instance: str, metrics_address: str
) -> AsyncIterator[Surroundings]:
    """The surroundings of one service's machine, closed at the end.

    Args:
        service: "router", "worker", …
        instance: Its name.
        metrics_address: Where metrics are served, "host:port".

    Raises:
        OSError: The metrics address cannot be listened at.
    """
    async with AsyncExitStack() as stack:
        traces = telemetry.start(f"hasten-{service}", instance=instance)
        stack.push_async_callback(traces.stop)
        registry = metrics.registry(service, instance)
        readiness = Readiness()
        variable = f"HASTEN_{service.upper()}_METRICS_ADDRESS"
        with listening(metrics_address, setting="metrics_address", variable=variable):
            endpoint = metrics.serve(metrics_address, registry, readiness)
        stack.callback(endpoint.close)
        yield Surroundings(instance, SystemClock(), traces, registry, readiness, endpoint, stack)
