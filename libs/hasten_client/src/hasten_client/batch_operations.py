"""Every call about batches and callbacks, as a value that either client can carry out."""

import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from hasten.scheduler.v1 import batch_service_pb2 as pb
from hasten.scheduler.v1 import callback_service_pb2 as callback_pb
from hasten_client import batch_views as views
from hasten_client.errors import InvalidArgument
from hasten_client.operations import Operation, Stream
from hasten_client.request import check_deadline

_BATCHES: Final = pb.DESCRIPTOR.services_by_name["BatchService"]
BATCHES: Final = {each.name: f"/{_BATCHES.full_name}/{each.name}" for each in _BATCHES.methods}
_CALLBACKS: Final = callback_pb.DESCRIPTOR.services_by_name["CallbackService"]
CALLBACKS: Final = {
    each.name: f"/{_CALLBACKS.full_name}/{each.name}" for each in _CALLBACKS.methods
}
PIECE_BYTES: Final = 1024 * 1024
"""Of an upload in one message."""


def _piece(message: pb.UploadBatchRequest) -> pb.UploadBatchRequest:
    return message


def _reading(message: pb.ReadResultsRequest) -> pb.ReadResultsRequest:
    return message


UPLOAD: Final = Stream(BATCHES["UploadBatch"], _piece, pb.UploadBatchResponse)
READ: Final = Stream(BATCHES["ReadResults"], _reading, pb.ReadResultsResponse)


@dataclass(frozen=True, slots=True)
class BatchInput:
    """What a model takes under one name.

    Attributes:
        datatype: As FP32.
        shape: Of a tensor, -1 for a size that varies. A value that lacks the first dimension gets
            it.
    """

    datatype: str
    shape: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class NewBatch:
    """A batch to create.

    Attributes:
        model: The model that runs a line which names none.
        version: Its version; "" for the server's choice.
        format: jsonl, npz or directory.
        uri: Where its lines are; "" where they are uploaded.
        batch_id: Names it: created again with the same content, it is found. "" for a fresh one.
        tenant: Who pays.
        inputs: What the model takes, by name, for lines that do not say it.
        priority_class: Class 0 (most urgent) to 3 of its tasks.
        deadline_s: Seconds from now after which it ends, done or not; None for the scheduler's
            setting.
        keep_s: Seconds for which it is kept after its end; None for the scheduler's setting.
        attempts_max: Most attempts of a line that count; None for the scheduler's setting.
        labels: What to find it by.
        callback_uri: Told by HTTP when it has ended; "" for nobody.
    """

    model: str
    version: str = ""
    format: str = "jsonl"
    uri: str = ""
    batch_id: str = ""
    tenant: str = ""
    inputs: Mapping[str, BatchInput] = field(default_factory=dict[str, BatchInput])
    priority_class: int = 3
    deadline_s: float | None = None
    keep_s: float | None = None
    attempts_max: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    callback_uri: str = ""


BatchOperation = Operation[pb.GetBatchRequest, pb.GetBatchResponse, views.Batch]


def create(
    new: NewBatch,
) -> Operation[pb.CreateBatchRequest, pb.CreateBatchResponse, views.Batch]:
    """Creates a batch. Raises InvalidArgument."""
    if new.format not in views.FORMATS:
        raise InvalidArgument(f"format must be one of {', '.join(views.FORMATS)}")
    deadline_s = check_deadline(new.deadline_s)
    wire = pb.NewBatch(
        name=name(new.batch_id, new.tenant),
        model=new.model,
        model_version=new.version,
        format=views.format_of(new.format),
        uri=new.uri,
        inputs={
            each: pb.BatchInput(datatype=said.datatype, shape=said.shape)
            for each, said in new.inputs.items()
        },
        priority=new.priority_class,
        time_left_us=0 if deadline_s is None else max(1, round(deadline_s * 1e6)),
        keep_us=0 if new.keep_s is None else max(1, round(new.keep_s * 1e6)),
        attempts_max=new.attempts_max or 0,
        labels=new.labels,
        callback_uri=new.callback_uri,
    )
    return Operation(
        BATCHES["CreateBatch"],
        pb.CreateBatchRequest(batch=wire),
        pb.CreateBatchResponse,
        lambda said: views.batch(said.batch),
    )


def get(batch_id: str, tenant: str) -> BatchOperation:
    """A batch as it is now."""
    return Operation(
        BATCHES["GetBatch"],
        pb.GetBatchRequest(name=name(batch_id, tenant)),
        pb.GetBatchResponse,
        lambda said: views.batch(said.batch),
    )


def page(
    tenant: str | None, states: Sequence[str], page_size: int, page_token: str
) -> Operation[pb.ListBatchesRequest, pb.ListBatchesResponse, views.BatchPage]:
    """A page of batches."""
    request = pb.ListBatchesRequest(
        tenant=tenant,
        states=[views.state_of(state) for state in states],
        page_size=page_size,
        page_token=page_token,
    )
    return Operation(BATCHES["ListBatches"], request, pb.ListBatchesResponse, views.batch_page)


def pause(
    batch_id: str, tenant: str
) -> Operation[pb.PauseBatchRequest, pb.PauseBatchResponse, views.Batch]:
    """Pauses a batch."""
    return Operation(
        BATCHES["PauseBatch"],
        pb.PauseBatchRequest(name=name(batch_id, tenant)),
        pb.PauseBatchResponse,
        lambda said: views.batch(said.batch),
    )


def resume(
    batch_id: str, tenant: str
) -> Operation[pb.ResumeBatchRequest, pb.ResumeBatchResponse, views.Batch]:
    """Resumes a batch."""
    return Operation(
        BATCHES["ResumeBatch"],
        pb.ResumeBatchRequest(name=name(batch_id, tenant)),
        pb.ResumeBatchResponse,
        lambda said: views.batch(said.batch),
    )


def cancel(
    batch_id: str, tenant: str
) -> Operation[pb.CancelBatchRequest, pb.CancelBatchResponse, views.Batch]:
    """Ends a batch."""
    return Operation(
        BATCHES["CancelBatch"],
        pb.CancelBatchRequest(name=name(batch_id, tenant)),
        pb.CancelBatchResponse,
        lambda said: views.batch(said.batch),
    )


def delete(
    batch_id: str, tenant: str
) -> Operation[pb.DeleteBatchRequest, pb.DeleteBatchResponse, None]:
    """Throws a batch away."""
    return Operation(
        BATCHES["DeleteBatch"],
        pb.DeleteBatchRequest(name=name(batch_id, tenant)),
        pb.DeleteBatchResponse,
        lambda _: None,
    )


def reading(
    batch_id: str, tenant: str, position: int, kind: str, *, follow: bool
) -> pb.ReadResultsRequest:
    """Asks for results. Raises InvalidArgument."""
    kinds = {"all": "UNSPECIFIED", "answers": "ANSWERS", "errors": "ERRORS"}
    if kind not in kinds:
        raise InvalidArgument(f"kind must be one of {', '.join(kinds)}")
    return pb.ReadResultsRequest(
        name=name(batch_id, tenant),
        position=position,
        kind=pb.ResultKind.Value(f"RESULT_KIND_{kinds[kind]}"),
        follow=follow,
    )


def pieces(
    batch_id: str, tenant: str, source: Path | bytes, offset: int
) -> Iterator[pb.UploadBatchRequest]:
    """The pieces of a file from an offset on; the last one with the SHA-256 of the whole."""
    # A stream that has broken may still read: each has a file of its own.
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        yield from _pieces(name(batch_id, tenant), file, offset)


def _pieces(named: pb.BatchName, file: BinaryIO, offset: int) -> Iterator[pb.UploadBatchRequest]:
    digest = hashlib.sha256()
    at = 0
    while at < offset and (before := file.read(min(PIECE_BYTES, offset - at))):
        digest.update(before)
        at += len(before)
    piece = file.read(PIECE_BYTES)
    while True:
        digest.update(piece)
        after = file.read(PIECE_BYTES)
        yield pb.UploadBatchRequest(
            name=named,
            offset=at,
            data=piece,
            last=not after,
            sha256=b"" if after else digest.digest(),
        )
        at += len(piece)
        piece = after
        if not piece:
            return


def callbacks(
    tenant: str | None, states: Sequence[str], page_size: int, page_token: str
) -> Operation[
    callback_pb.ListCallbacksRequest, callback_pb.ListCallbacksResponse, views.CallbackPage
]:
    """A page of callbacks."""
    request = callback_pb.ListCallbacksRequest(
        tenant=tenant,
        states=[views.callback_state_of(state) for state in states],
        page_size=page_size,
        page_token=page_token,
    )
    return Operation(
        CALLBACKS["ListCallbacks"], request, callback_pb.ListCallbacksResponse, views.callback_page
    )


def retry_callbacks(
    event_ids: Sequence[str], tenant: str
) -> Operation[
    callback_pb.RetryCallbacksRequest, callback_pb.RetryCallbacksResponse, tuple[str, ...]
]:
    """Tells dead callbacks again; which of them were dead."""
    request = callback_pb.RetryCallbacksRequest(tenant=tenant, event_ids=event_ids)
    return Operation(
        CALLBACKS["RetryCallbacks"],
        request,
        callback_pb.RetryCallbacksResponse,
        lambda said: tuple(said.retried),
    )


def name(batch_id: str, tenant: str) -> pb.BatchName:
    """Names a batch."""
    return pb.BatchName(batch_id=batch_id, tenant=tenant)
