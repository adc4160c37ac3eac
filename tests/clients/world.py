"""What the rows are run against: a mesh, a router without workers, and one whose health turns."""

import asyncio
import shutil
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from typing import Final

from hasten_client import Client
from hasten_policy.reasons import Reason, Refusal
from hasten_runtime import telemetry_names as names
from hasten_runtime.errors import MeshError
from hasten_runtime.grpc_server import add_health, bind, make_server
from hasten_runtime.inference_service import add_inference
from loadtest.mesh import running_mesh
from tests.clients.languages import ROOT
from tests.support.services import NOBODY_FREEZES, router_environ, running_service
from tests.support.waiting import eventually_sync

SYNTHETIC: Final = """\
name: "{name}"
backend: "synthetic"
max_batch_size: 1
input [ {{ name: "INPUT" data_type: TYPE_FP32 dims: [ -1 ] }} ]
output [ {{ name: "OUTPUT" data_type: TYPE_FP32 dims: [ -1 ] }} ]
parameters {{ key: "alpha_ms" value {{ string_value: "{alpha_ms}" }} }}
"""
SLOW_MS: Final = 300
BUSY: Final = Refusal(
    Reason.OVERLOADED, "too much work", retry_after_s=0.25, metadata=(("predicted_ms", "1930"),)
)
PATIENCE_S: Final = 120.0


def write_models(folder: Path, *names: str) -> None:
    """A repository with these models."""
    for name in names:
        if (example := ROOT / "examples" / "models" / name).is_dir():
            shutil.copytree(example, folder / name)
        else:
            (folder / name / "1").mkdir(parents=True)
            alpha_ms = SLOW_MS if name == "slow" else 1
            config = SYNTHETIC.format(name=name, alpha_ms=alpha_ms)
            (folder / name / "config.pbtxt").write_text(config)


@dataclass(frozen=True, slots=True)
class World:
    """Where the servers are.

    Attributes:
        addresses: Name to "host:port".
        metrics: "host:port" of the good router's metrics.
    """

    addresses: dict[str, str]
    metrics: str

    def beside(self, name: str) -> AbstractContextManager[None]:
        """What happens beside a row."""
        doing: dict[str, Callable[[], AbstractContextManager[None]]] = {
            "": nullcontext,
            "turning": self._turning,
        }
        return doing[name]()

    def after(self, name: str) -> None:
        """Waits for what must come true after a row."""
        if name == "idle":
            eventually_sync(self._is_idle, PATIENCE_S, what="the router has no call in flight")

    def _is_idle(self) -> bool:
        with urllib.request.urlopen(f"http://{self.metrics}/metrics") as page:
            lines = page.read().decode().splitlines()
        (line,) = (line for line in lines if line.startswith(f"{names.METRIC_ROUTER_IN_FLIGHT} "))
        return float(line.rpartition(" ")[2]) == 0.0

    @contextmanager
    def _turning(self) -> Iterator[None]:
        """The turning router's only model comes and goes."""
        over = threading.Event()
        with Client(self.addresses["turning"]) as client:

            def turn() -> None:
                while True:
                    client.unload("echo", deadline_s=PATIENCE_S)
                    if over.wait(0.5):
                        break
                    client.load("echo", deadline_s=PATIENCE_S)
                    if over.wait(0.5):
                        return
                client.load("echo", deadline_s=PATIENCE_S)

            turner = threading.Thread(target=turn)
            turner.start()
            try:
                yield
            finally:
                over.set()
                turner.join()


async def _refuse(_: object, __: object) -> None:
    raise MeshError(BUSY)


@contextmanager
def _busy() -> Iterator[str]:
    """The address of a server that refuses every call as a router with too much work does."""
    addresses: Queue[str] = Queue()
    loop = asyncio.new_event_loop()
    over = asyncio.Event()

    async def serve() -> None:
        server = make_server()
        add_inference(server, {"ModelInfer": _refuse})
        add_health(server).set_ready(True)
        addresses.put(bind(server, "127.0.0.1:0"))
        await server.start()
        await over.wait()
        await server.stop(None)

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        yield addresses.get(timeout=PATIENCE_S)
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


@contextmanager
def running_world(folder: Path) -> Iterator[World]:
    """All of it; gone when the block ends."""
    good, turning = folder / "good", folder / "turning"
    write_models(good, "digits", "tickets", "echo", "slow")
    write_models(turning, "echo")
    bare = router_environ({"kind": "static"}, **NOBODY_FREEZES)
    with ExitStack() as stack:
        meshes = [
            stack.enter_context(running_mesh(good, lanes=2)),
            stack.enter_context(running_mesh(turning, control="explicit")),
        ]
        log_path = folder / "bare.log"
        service = stack.enter_context(
            running_service("hasten_router.main", bare, log_path=log_path)
        )
        busy = stack.enter_context(_busy())
        yield World(
            {
                "good": meshes[0].router,
                "turning": meshes[1].router,
                "bare": service.address,
                "busy": busy,
            },
            meshes[0].metrics,
        )
