"""What a scheduler says of its batches and callbacks."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from hasten.scheduler.v1 import batch_service_pb2 as pb
from hasten.scheduler.v1 import callback_service_pb2 as callback_pb
from hasten_client import task_views
from hasten_client.errors import HastenError, InvalidResponse, from_reason

if TYPE_CHECKING:
    from hasten_client.datatypes import Array


ENDED: Final = frozenset({"done", "cancelled", "expired", "failed"})
"""States that a batch does not leave."""
FORMATS: Final = ("jsonl", "npz", "directory")
_STATE_PREFIX: Final = "BATCH_STATE_"
_FORMAT_PREFIX: Final = "BATCH_FORMAT_"
_CALLBACK_PREFIX: Final = "CALLBACK_STATE_"


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as the scheduler had it when it was asked.

    Attributes:
        batch_id: Its id among its tenant's batches.
        tenant: Who pays; "" for the default tenant.
        state: uploading, running, paused, cancelling, done, cancelled, expired or failed.
        model: The model that runs a line which names none.
        format: jsonl, npz or directory.
        uri: Where its lines are; "" for an upload.
        uploaded_bytes: Of an upload that is under way.
        lines: All its lines; 0 before they are all there.
        succeeded: Lines with an answer that can be read.
        failed: Lines with an error that can be read.
        age_s: Seconds since it was created.
        time_left_s: Seconds until it ends, done or not.
        ended_s: Seconds since it ended; None before.
        labels: As created.
        error: Why it could not go on; None where it could.
    """

    batch_id: str
    tenant: str
    state: str
    model: str
    format: str
    uri: str
    uploaded_bytes: int
    lines: int
    succeeded: int
    failed: int
    age_s: float
    time_left_s: float
    ended_s: float | None
    labels: Mapping[str, str]
    error: HastenError | None

    @property
    def ended(self) -> bool:
        """Nothing more will happen to it."""
        return self.state in ENDED


@dataclass(frozen=True, slots=True)
class BatchPage:
    """Some batches.

    Attributes:
        batches: They.
        next_page_token: For the next page; "" when this is the last.
    """

    batches: tuple[Batch, ...]
    next_page_token: str


@dataclass(frozen=True, slots=True)
class BatchLine:
    """One line of results.

    Attributes:
        line: The line's number in the batch, counted from zero.
        failed: It is an error.
        text: The line as it is: JSON.
    """

    line: int
    failed: bool
    text: str

    @property
    def name(self) -> str:
        """The id that the batch's author gave the line; "" for none."""
        said: str = json.loads(self.text).get("id", "")
        return said

    @property
    def outputs(self) -> "dict[str, Array]":
        """Arrays by output name; none of an error. Raises InvalidResponse."""
        try:
            outputs = json.loads(self.text).get("outputs", ())
            return {output["name"]: _array(output) for output in outputs}
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidResponse(f"line {self.line} cannot be read: {error}") from error

    @property
    def error(self) -> HastenError | None:
        """Why there is no answer; None where there is one."""
        said = json.loads(self.text).get("error")
        if said is None:
            return None
        return from_reason(
            said["reason"], said["status"], said["message"], metadata=said.get("metadata", {})
        )


@dataclass(frozen=True, slots=True)
class Callback:
    """A callback.

    Attributes:
        event_id: The id of its event, which the receiver sees too.
        tenant: Whose.
        uri: Whom it tells.
        state: waiting, sending, delivered or dead.
        attempts: Times that it was told.
        error: Why the last time failed.
        age_s: Seconds since it was asked for.
    """

    event_id: str
    tenant: str
    uri: str
    state: str
    attempts: int
    error: HastenError | None
    age_s: float


@dataclass(frozen=True, slots=True)
class CallbackPage:
    """Some callbacks.

    Attributes:
        callbacks: They.
        next_page_token: For the next page; "" when this is the last.
    """

    callbacks: tuple[Callback, ...]
    next_page_token: str


def batch(wire: pb.Batch) -> Batch:
    """A batch."""
    return Batch(
        batch_id=wire.name.batch_id,
        tenant=wire.name.tenant,
        state=pb.BatchState.Name(wire.state).removeprefix(_STATE_PREFIX).lower(),
        model=f"{wire.model}/{wire.model_version}" if wire.model_version else wire.model,
        format=pb.BatchFormat.Name(wire.format).removeprefix(_FORMAT_PREFIX).lower(),
        uri=wire.uri,
        uploaded_bytes=wire.uploaded_bytes,
        lines=wire.lines,
        succeeded=wire.succeeded,
        failed=wire.failed,
        age_s=wire.age_us / 1e6,
        time_left_s=wire.time_left_us / 1e6,
        ended_s=wire.ended_us / 1e6 if wire.HasField("ended_us") else None,
        labels=dict(wire.labels),
        error=task_views.error(wire.failure) if wire.HasField("failure") else None,
    )


def batch_page(wire: pb.ListBatchesResponse) -> BatchPage:
    """A page of batches."""
    return BatchPage(tuple(map(batch, wire.batches)), wire.next_page_token)


def lines(wire: pb.ReadResultsResponse) -> list[BatchLine]:
    """Lines of results."""
    return [BatchLine(line.line, line.failed, line.json.decode()) for line in wire.lines]


def callback_page(wire: callback_pb.ListCallbacksResponse) -> CallbackPage:
    """A page of callbacks."""
    return CallbackPage(tuple(map(_callback, wire.callbacks)), wire.next_page_token)


def state_of(name: str) -> "pb.BatchState.ValueType":
    """A state by its name. Raises ValueError."""
    return pb.BatchState.Value(f"{_STATE_PREFIX}{name.upper()}")


def format_of(name: str) -> "pb.BatchFormat.ValueType":
    """A format by its name. Raises ValueError."""
    return pb.BatchFormat.Value(f"{_FORMAT_PREFIX}{name.upper()}")


def callback_state_of(name: str) -> "callback_pb.CallbackState.ValueType":
    """A state by its name. Raises ValueError."""
    return callback_pb.CallbackState.Value(f"{_CALLBACK_PREFIX}{name.upper()}")


def _callback(wire: callback_pb.Callback) -> Callback:
    state = callback_pb.CallbackState.Name(wire.state)
    return Callback(
        event_id=wire.event_id,
        tenant=wire.tenant,
        uri=wire.uri,
        state=state.removeprefix(_CALLBACK_PREFIX).lower(),
        attempts=wire.attempts,
        error=task_views.error(wire.failure) if wire.HasField("failure") else None,
        age_s=wire.age_us / 1e6,
    )


def _array(output: Mapping[str, Any]) -> "Array":
    # numpy takes a quarter of a second to load, and most calls of operators need none of it.
    import numpy as np

    from hasten_client.datatypes import BYTES, NUMPY_OF

    datatype, shape = output["datatype"], tuple(output["shape"])
    if datatype == BYTES:
        texts: Array = np.empty(len(output["data"]), dtype=np.object_)
        texts[:] = [text.encode() for text in output["data"]]
        return texts.reshape(shape)
    array: Array = np.array(output["data"], dtype=NUMPY_OF.get(datatype, np.dtype(np.float32)))
    return array.reshape(shape)
