"""Why a request was refused or failed: one list, the source of status codes, docs and labels.

The policy package knows no gRPC, so a status is named here by its canonical name; the
runtime's `errors` module turns the name into the gRPC enum and builds the details.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from hasten_policy.short import short


@dataclass(frozen=True, slots=True)
class ReasonFacts:
    """What holds for every refusal with one reason.

    Attributes:
        status: Canonical gRPC status name.
        retryable: A later or different attempt with the same request can succeed.
        advice: What the caller should do, one sentence, for the generated docs.
        elsewhere: Another server may answer the request now, though this one cannot.
    """

    status: str
    retryable: bool
    advice: str
    elsewhere: bool = False


def _facts(
    status: str, advice: str, *, retryable: bool = False, elsewhere: bool = False
) -> ReasonFacts:
    return ReasonFacts(
        status=status, retryable=retryable or elsewhere, advice=advice, elsewhere=elsewhere
    )


class Reason(Enum):
    """Every way in which a request can end without an answer.

    The name is the public identifier: `ErrorInfo.reason` and, in lower case, a metric label.
    Names are never changed or re-used.
    """

    # Deadlines and load.
    DEADLINE_INFEASIBLE = _facts(
        "DEADLINE_EXCEEDED", "Allow more time: even an idle worker needs longer than this."
    )
    OVERLOADED = _facts(
        "RESOURCE_EXHAUSTED", "Wait as the retry hint says, or send elsewhere.", retryable=True
    )
    QUEUE_FULL = _facts(
        "RESOURCE_EXHAUSTED", "Wait as the retry hint says, or add workers.", retryable=True
    )
    TENANT_QUOTA = _facts(
        "RESOURCE_EXHAUSTED", "Wait for the tenant's share to refill.", retryable=True
    )
    SHED_BEFORE_START = _facts(
        "DEADLINE_EXCEEDED", "It could no longer finish in time and was not run."
    )
    DEADLINE_PASSED = _facts("DEADLINE_EXCEEDED", "The deadline passed before the answer came.")
    RUN_OVERSTAYED = _facts(
        "DEADLINE_EXCEEDED", "The model ran far longer than it may and was stopped."
    )
    # Who can serve.
    NO_WORKER = _facts(
        "UNAVAILABLE",
        "No worker of this router serves the model now: send elsewhere, or retry after the hint.",
        elsewhere=True,
    )
    MODEL_LOADING = _facts("UNAVAILABLE", "Retry when the model has loaded.", retryable=True)
    WORKER_LOST = _facts(
        "UNAVAILABLE", "The worker died and no time was left to try another.", retryable=True
    )
    DRAINING = _facts("UNAVAILABLE", "This server is leaving; send elsewhere.", elsewhere=True)
    MODEL_NOT_FOUND = _facts("NOT_FOUND", "Check the name against the repository index.")
    VERSION_NOT_FOUND = _facts("NOT_FOUND", "Ask for a version that the model serves.")
    # Tasks.
    TASK_NOT_FOUND = _facts("NOT_FOUND", "Check id and tenant; ended tasks are forgotten in time.")
    TASK_CONTENT_DIFFERS = _facts(
        "ALREADY_EXISTS", "Under this id another content was accepted: send it under another id."
    )
    TASK_STATE = _facts("FAILED_PRECONDITION", "The task's state does not allow this any more.")
    JOB_NOT_FOUND = _facts("NOT_FOUND", "Check name and tenant; ended jobs are forgotten in time.")
    JOB_CONTENT_DIFFERS = _facts(
        "ALREADY_EXISTS", "Under this name another job was accepted: send it under another name."
    )
    DAG_CYCLE = _facts("INVALID_ARGUMENT", "Steps must not wait for each other in a circle.")
    JOB_STATE = _facts("FAILED_PRECONDITION", "The job's state does not allow this any more.")
    RESERVATION_INFEASIBLE = _facts(
        "FAILED_PRECONDITION", "Ask for less, as the message says, or add workers."
    )
    STORE_UNAVAILABLE = _facts(
        "UNAVAILABLE",
        "The store of the tasks does not answer; repeat the call after the hint.",
        retryable=True,
    )
    BATCH_INPUT = _facts("INVALID_ARGUMENT", "Mend the batch's lines, or say their format.")
    BATCH_OVERSIZED = _facts("RESOURCE_EXHAUSTED", "Divide the lines among several batches.")
    URI_NOT_ALLOWED = _facts(
        "PERMISSION_DENIED", "Upload the lines, or have the scheduler's settings allow the place."
    )
    CALLBACK_NOT_ALLOWED = _facts(
        "PERMISSION_DENIED", "Have the scheduler's settings allow callbacks to this host."
    )
    CALLBACK_FAILED = _facts(
        "UNAVAILABLE", "Look after the receiver; a dead callback can be told again.", retryable=True
    )
    NOT_LEADER = _facts(
        "UNAVAILABLE",
        "Send it to the replica that leads; the fact `leader` names it.",
        retryable=True,
    )
    PAYLOAD_LOST = _facts("DATA_LOSS", "Submit the task again: its stored input is gone.")
    # What was sent.
    INVALID_REQUEST = _facts("INVALID_ARGUMENT", "The request is not well formed.")
    INVALID_PARAMETER = _facts("INVALID_ARGUMENT", "Mend or drop the named parameter.")
    INVALID_DEADLINE = _facts("INVALID_ARGUMENT", "Send a positive, finite deadline.")
    INPUT_UNKNOWN = _facts("INVALID_ARGUMENT", "Use the input names of the model's metadata.")
    INPUT_MISSING = _facts("INVALID_ARGUMENT", "Send every required input.")
    OUTPUT_UNKNOWN = _facts("INVALID_ARGUMENT", "Use the output names of the model's metadata.")
    DTYPE_MISMATCH = _facts("INVALID_ARGUMENT", "Send the datatype of the model's metadata.")
    SHAPE_MISMATCH = _facts("INVALID_ARGUMENT", "Send the shape of the model's metadata.")
    BYTE_LENGTH_MISMATCH = _facts("INVALID_ARGUMENT", "Send exactly the bytes the shape needs.")
    RAW_AND_TYPED = _facts("INVALID_ARGUMENT", "Send raw contents or typed contents, not both.")
    BATCH_TOO_LARGE = _facts("INVALID_ARGUMENT", "Send at most max_batch_size rows.")
    SHARED_MEMORY_INVALID = _facts("INVALID_ARGUMENT", "Register the region and stay inside it.")
    MESSAGE_TOO_LARGE = _facts("RESOURCE_EXHAUSTED", "Send less than the message limit.")
    UNIMPLEMENTED = _facts("UNIMPLEMENTED", "This server does not offer the call.")
    # What went wrong.
    MODEL_FAILED = _facts("INTERNAL", "The model raised an error on this input.")
    POISONOUS = _facts(
        "INTERNAL", "Workers died while they ran this input: mend the input or the model."
    )
    MODEL_REFUSED = _facts("INVALID_ARGUMENT", "The model files are not acceptable as they are.")
    CONTROL_MODE = _facts("FAILED_PRECONDITION", "The server's settings forbid this change.")
    INTERNAL = _facts("INTERNAL", "A fault in Hasten; the log has the trace id.")
    CANCELLED = _facts("CANCELLED", "The caller went away.")

    @property
    def status(self) -> str:
        """Canonical gRPC status name."""
        return self.value.status

    @property
    def label(self) -> str:
        """Value of the metric label `reason`."""
        return self.name.lower()


# Equal facts would make two members aliases of one: the enum must keep every name.
assert len(Reason.__members__) == len(list(Reason)), "two reasons share their facts"  # noqa: S101

DOMAIN: Final = "hasten.dev"
"""`ErrorInfo.domain` of every refusal."""

ENDED: Final = "ended_processes"
"""Fact of a refusal: the run of this call alone ended these processes of the worker, or it does not
stop and its process will be ended for it. Names with commas between; each names one of this worker.
"""

# A stock client takes 8 KiB of metadata. The message travels twice, once with up to three bytes for
# one, and all of it in base 64.
MESSAGE_BYTES_MAX: Final = 1000
"""Of a refusal's message."""
KEY_BYTES_MAX: Final = 64
"""Of the name of one of its facts."""
VALUE_BYTES_MAX: Final = 200
"""Of a fact."""
FACTS_MAX: Final = 12
"""Facts of one refusal."""
FACTS_BYTES_MAX: Final = 1600
"""Of all of them, names included; those that do not fit are left out."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A decision not to answer, with all that the caller should hear.

    Message and metadata are cut to the bounds above where they are longer: what callers sent may
    be repeated in them, and no refusal may be too large for the way to its caller.

    Attributes:
        reason: Why.
        message: One sentence that names the field and the expectation.
        retry_after_s: Seconds after which a retry may succeed; None when it cannot help.
        metadata: Facts of the case as pairs, for `ErrorInfo.metadata`.
        started: The model began to run this request.
    """

    reason: Reason
    message: str
    retry_after_s: float | None = None
    metadata: tuple[tuple[str, str], ...] = ()
    started: bool = False

    def __post_init__(self) -> None:
        message = short(self.message, MESSAGE_BYTES_MAX)
        if message is not self.message:
            object.__setattr__(self, "message", message)
        if self.metadata:
            metadata = _bounded(self.metadata)
            if metadata != self.metadata:
                object.__setattr__(self, "metadata", metadata)

    @property
    def ended(self) -> tuple[str, ...]:
        """Processes that the run of this call alone ended, or will end: see `ENDED`."""
        for key, value in self.metadata:
            if key == ENDED:
                return tuple(name for name in value.split(",") if name)
        return ()


def _bounded(facts: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    room = FACTS_BYTES_MAX
    for key, value in facts[:FACTS_MAX]:
        fact = (short(key, KEY_BYTES_MAX), short(value, VALUE_BYTES_MAX))
        room -= len(fact[0].encode()) + len(fact[1].encode())
        if room < 0:
            break
        found.append(fact)
    return tuple(found)
