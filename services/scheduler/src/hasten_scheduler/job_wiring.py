"""Puts batches and callbacks together for one scheduler process."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

from hasten.scheduler.v1.batch_service_pb2_grpc import add_BatchServiceServicer_to_server
from hasten.scheduler.v1.callback_service_pb2_grpc import add_CallbackServiceServicer_to_server
from hasten_policy.reasons import Refusal
from hasten_runtime.grpc_front import OwnService
from hasten_runtime.protocol_names import BATCH_SERVICE, CALLBACK_SERVICE
from hasten_runtime.surroundings import Surroundings
from hasten_runtime.tasks.batch_folder import BatchFolder
from hasten_scheduler.batches.desk import BatchDesk, BatchRules
from hasten_scheduler.batches.kind import BatchContext, BatchKind
from hasten_scheduler.batches.servicer import BatchServicer
from hasten_scheduler.batches.sources import SourceLimits
from hasten_scheduler.callbacks.desk import CallbackDesk
from hasten_scheduler.callbacks.kind import CallbackContext, CallbackKind
from hasten_scheduler.callbacks.sending import Sender
from hasten_scheduler.callbacks.servicer import CallbackServicer
from hasten_scheduler.callbacks.signing import secret_of
from hasten_scheduler.ended import ShardEnds
from hasten_scheduler.intake import ShardDoor
from hasten_scheduler.jobs.desk import JobDesk
from hasten_scheduler.jobs.kinds import JobKind
from hasten_scheduler.jobs.tasks import JobTasks
from hasten_scheduler.settings import SchedulerSettings
from hasten_scheduler.stored import Payloads


@dataclass(frozen=True, slots=True)
class Callbacks:
    """Callbacks of one process.

    Attributes:
        kind: Of job.
        desk: Asks for them.
        service: For operators.
        check: Raises MeshError for a URI that nobody may be told at.
    """

    kind: CallbackKind
    desk: CallbackDesk
    service: OwnService
    check: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Batches:
    """Batches of one process.

    Attributes:
        kinds: Of job; none where no folder is set for their files.
        desk: For callers; None as above.
        service: For callers.
    """

    kinds: Sequence[JobKind]
    desk: BatchDesk | None
    service: OwnService


def open_callbacks(
    settings: SchedulerSettings,
    around: Surroundings,
    jobs: JobDesk,
    doors: Sequence[ShardDoor],
    ends: Sequence[ShardEnds],
) -> Callbacks:
    """Callbacks; connections are closed with the surroundings."""
    said = settings.callbacks
    places = said.places()
    secret = secret_of(said.secret.get_secret_value()) if said.hosts else b""
    sender = Sender(places, secret, timeout_s=said.timeout_s, at_once=said.at_once)
    around.stack.push_async_callback(sender.close)
    desk = CallbackDesk(jobs, keep_s=said.keep_s)
    # Of its own: only what the machine of tasks draws can be replayed from its log.
    rng = Random(settings.seed)  # noqa: S311  (spreads repeats; no secret)
    kind = CallbackKind(CallbackContext(doors, ends, sender, said.policy(), rng))
    add = partial(add_CallbackServiceServicer_to_server, CallbackServicer(desk))
    return Callbacks(kind, desk, OwnService(CALLBACK_SERVICE, add), places.check)


def open_batches(
    settings: SchedulerSettings,
    jobs: JobDesk,
    tasks: JobTasks,
    payloads: Payloads,
    callbacks: Callbacks,
    refuses_model: Callable[[str, str], Refusal | None],
) -> Batches:
    """Batches, if there is a folder for their files."""
    folder = settings.payloads.folder
    if folder is None:
        return Batches((), None, _batch_service(None))
    said = settings.batches
    context = BatchContext(
        folder=BatchFolder(folder / "batches"),
        payloads=payloads,
        tasks=tasks,
        refuses_model=refuses_model,
        teller=callbacks.desk,
        limits=SourceLimits(
            bytes_max=said.bytes_max,
            lines_max=said.lines_max,
            line_bytes_max=settings.payload_bytes_max,
            chunk_lines=said.chunk_lines,
            prefixes=said.uri_prefixes,
        ),
        window=said.window,
        upload_s_max=said.upload_s_max,
        task_keep_s=settings.tasks.keep_s_max,
    )
    rules = BatchRules(
        expires_s=said.expires_s,
        ahead_s_max=settings.tasks.ahead_s_max,
        keep_s=said.keep_s,
        keep_s_max=said.keep_s_max,
        check_callback=callbacks.check,
    )
    desk = BatchDesk(jobs, context, rules)
    return Batches((BatchKind(context),), desk, _batch_service(desk))


def _batch_service(desk: BatchDesk | None) -> OwnService:
    return OwnService(
        BATCH_SERVICE, partial(add_BatchServiceServicer_to_server, BatchServicer(desk))
    )
