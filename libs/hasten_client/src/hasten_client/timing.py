"""Where the time of one request went."""

from dataclasses import dataclass
from typing import Final

from google.protobuf.message import DecodeError

from hasten.common.v1.timing_pb2 import Timing

TRAILER: Final = "hasten-timing-bin"
"""Trailing metadata that carries the mesh's part."""


@dataclass(frozen=True, slots=True)
class TimingBreakdown:
    """Parts of one request's stay, in microseconds; they add up to `total_us`.

    Attributes:
        total_us: What the caller waited, by its own clock.
        client_us: This client, its gRPC and the network to the server: what the others leave.
        admission_us: Router: until the admission decision.
        router_queue_us: Router: waiting for a worker's credit.
        wire_us: Between router and worker, both ways.
        worker_queue_us: Worker: until the batch was formed.
        batch_wait_us: Worker: from forming the batch until it began.
        preprocess_us: Worker: decoding and gathering inputs.
        compute_us: Worker: inside the model.
        postprocess_us: Worker: scattering and encoding outputs.
        batch_rows: Rows of the batch that the request ran in.
        worker_id: Worker that answered.
    """

    total_us: int
    client_us: int
    admission_us: int
    router_queue_us: int
    wire_us: int
    worker_queue_us: int
    batch_wait_us: int
    preprocess_us: int
    compute_us: int
    postprocess_us: int
    batch_rows: int
    worker_id: str

    @property
    def parts(self) -> tuple[tuple[str, int], ...]:
        """Name and microseconds of every part, in the order in which they happen."""
        return (
            ("client and network", self.client_us),
            ("admission", self.admission_us),
            ("router queue", self.router_queue_us),
            ("wire", self.wire_us),
            ("worker queue", self.worker_queue_us),
            ("batch wait", self.batch_wait_us),
            ("preprocess", self.preprocess_us),
            ("compute", self.compute_us),
            ("postprocess", self.postprocess_us),
        )


def breakdown(trailer: str | bytes | None, *, total_s: float) -> TimingBreakdown | None:
    """The breakdown of a call that took `total_s`; None when the server sent none."""
    if not isinstance(trailer, bytes):
        return None
    try:
        wire = Timing.FromString(trailer)
    except DecodeError:
        return None
    inside_us = (
        wire.admission_us
        + wire.router_queue_us
        + wire.wire_us
        + wire.worker_queue_us
        + wire.batch_wait_us
        + wire.preprocess_us
        + wire.compute_us
        + wire.postprocess_us
    )
    total_us = round(total_s * 1e6)
    return TimingBreakdown(
        total_us=total_us,
        client_us=max(0, total_us - inside_us),
        admission_us=wire.admission_us,
        router_queue_us=wire.router_queue_us,
        wire_us=wire.wire_us,
        worker_queue_us=wire.worker_queue_us,
        batch_wait_us=wire.batch_wait_us,
        preprocess_us=wire.preprocess_us,
        compute_us=wire.compute_us,
        postprocess_us=wire.postprocess_us,
        batch_rows=wire.batch_rows,
        worker_id=wire.worker_id,
    )
