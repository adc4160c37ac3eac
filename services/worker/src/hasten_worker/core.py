"""What both of the worker's protocols work on: the machine's shell, models, decoding."""

import uuid
from dataclasses import dataclass

from hasten_policy.worker.machine import WorkerMachine
from hasten_runtime.front_door import FrontDoor, open_front_door
from hasten_runtime.recording import Recorder, recorded
from hasten_runtime.surroundings import Surroundings
from hasten_worker.decoding import RequestDecoder
from hasten_worker.metrics import WorkerMetrics
from hasten_worker.observing import Meter
from hasten_worker.settings import WorkerSettings
from hasten_worker.shared_memory import SystemRegions
from hasten_worker.shell.lanes import Lanes
from hasten_worker.shell.shell import Shell, ShellSettings
from hasten_worker.shell.stopping import Graces
from hasten_worker.store_port import MakeStore, Store
from hasten_worker.tensors import NoRegions
from hasten_worker.vitals import Vitals


@dataclass(frozen=True, slots=True)
class Core:
    """What both protocols work on.

    Attributes:
        worker_id: The worker's name.
        around: What stands around the machine.
        shell: Owner of the machine.
        meter: Counts and traces.
        decoder: Makes calls of requests.
        regions: Shared memory; None where it is off.
        store: The models.
        vitals: The process's signs.
        recorder: Of the machine's events; None when they are not recorded.
        front: In front of inference that clients ask for here.
    """

    worker_id: str
    around: Surroundings
    shell: Shell
    meter: Meter
    decoder: RequestDecoder
    regions: SystemRegions | None
    store: Store
    vitals: Vitals
    recorder: Recorder | None
    front: FrontDoor


def open_core(settings: WorkerSettings, make_store: MakeStore, around: Surroundings) -> Core:
    """Puts the core together; what it opens is closed with the surroundings."""
    clock, stack = around.clock, around.stack
    regions = SystemRegions() if settings.shared_memory_on() else None
    if regions is not None:
        stack.callback(regions.close)
    readable = regions or NoRegions()
    policy = settings.worker_policy()
    machine = WorkerMachine(policy)
    recorder = around.recorder(settings.record, policy, bytes_max=settings.record_bytes_max)
    counts = WorkerMetrics(around.registry, models_max=settings.telemetry.models_max)
    meter = Meter(counts, around.traces)
    shell = Shell(
        ShellSettings(
            worker_id=settings.worker_id(),
            incarnation=uuid.uuid4().hex,
            graces=Graces(settings.model_process.stop_grace_s, settings.stop_grace_s),
        ),
        recorded(machine, recorder),
        Lanes(settings.lane_count(), clock=clock, regions=readable),
        clock=clock,
        observer=meter,
    )
    stack.callback(shell.close)
    store = make_store(settings.store(), shell)
    shell.on_idle = store.release
    bounds = settings.grpc.request_bounds("HASTEN_WORKER_GRPC__")
    decoder = RequestDecoder(store, shell.models, readable, bounds)
    stack.callback(decoder.close)
    counts.watch(
        waiting=lambda: machine.waiting,
        running=lambda: machine.running,
        models_ready=lambda: len(shell.models),
        use=store.use,
    )
    around.measure_host(shell.host_lagged)
    vitals = Vitals(clock, settings.store().snapshot_dir, store.use)
    stack.callback(vitals.close)
    uploads = settings.grpc.upload_limits("HASTEN_WORKER_GRPC__")
    front = open_front_door(settings.front_policy(), clock, meter.unread_refused, uploads)
    return Core(
        worker_id=settings.worker_id(),
        around=around,
        shell=shell,
        meter=meter,
        decoder=decoder,
        regions=regions,
        store=store,
        vitals=vitals,
        recorder=recorder,
        front=stack.enter_context(front),
    )
