"""From a request's bytes to a call that the machine can be told of."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

from google.protobuf.message import DecodeError

from hasten.inference.v2.inference_pb2 import ModelInferRequest
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.short import short
from hasten_runtime.errors import MeshError
from hasten_runtime.request_bounds import DEFAULT_BOUNDS, RequestBounds
from hasten_worker.model import Model
from hasten_worker.shell.call import Call, Sink
from hasten_worker.shell.catalogue import Catalogue
from hasten_worker.tensors import Regions
from hasten_worker.tensors.refusals import refuse

HEAVY_BYTES: Final = 64 * 1024
"""Requests above this that must be decoded element by element leave the event loop."""
STRING_BYTES: Final = 48
"""What one decoded BYTES element takes in memory besides its content, about."""
HEAVY_MAX: Final = 64
"""Such requests that may wait for the decoding thread at once."""


class Models(Protocol):
    """Where a request's model is found."""

    def resolve(self, name: str, version: str) -> Model:
        """The model that answers. Raises MeshError when none does."""
        ...


class RequestDecoder:
    """Decodes requests: small ones and plain numbers at once, the rest on a thread."""

    def __init__(
        self,
        models: Models,
        served: Catalogue,
        regions: Regions,
        bounds: RequestBounds = DEFAULT_BOUNDS,
    ) -> None:
        self.bounds = bounds
        """Of what one request may say."""
        self._models = models
        self._served = served
        self._regions = regions
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="decode")
        self._heavy = 0

    def close(self) -> None:
        """Ends the thread; what waits for it is given up."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def call_for(
        self, request: ModelInferRequest, sink: Sink, *, link_id: int, arrived_s: float
    ) -> Call:
        """A call without inputs yet: model and outputs are known to be right.

        Raises:
            MeshError: The model is not served, or an output cannot be given.
        """
        _check_names(request)
        _check_counts(request, self.bounds)
        model = self._models.resolve(request.model_name, request.model_version)
        served = self._served.get(model.spec.key)
        if served is None:
            raise MeshError(
                Refusal(Reason.MODEL_LOADING, f"model {model.spec.key} is changing; try again")
            )
        call = Call(served, sink, link_id=link_id, arrived_s=arrived_s)
        call.request_id = request.id
        call.wanted = served.encoder.wanted(request, self._regions)
        return call

    def known_model(self, request: ModelInferRequest | None) -> str:
        """The model that a refused request names, if it is here; else "": names that clients made
        up are not counted one by one.
        """
        if request is None:
            return ""
        try:
            self._models.resolve(request.model_name, "")
        except MeshError:
            return ""
        return request.model_name

    def fill(self, call: Call, request: ModelInferRequest) -> None:
        """Decodes the inputs. Raises MeshError for whatever is wrong with them."""
        decoded = call.served.decoder.decode(request, self._regions)
        call.inputs = decoded.inputs
        call.rows = decoded.rows
        call.shape_key = decoded.shape_key
        call.elements = decoded.elements

    def is_heavy(self, request: ModelInferRequest, payload_bytes: int) -> bool:
        """Decoding it would hold up every other call."""
        if payload_bytes > HEAVY_BYTES:
            return any(
                tensor.datatype == "BYTES" or tensor.HasField("contents")
                for tensor in request.inputs
            )
        return any(
            tensor.parameters["shared_memory_byte_size"].int64_param > HEAVY_BYTES
            for tensor in request.inputs
            if "shared_memory_byte_size" in tensor.parameters
        )

    async def fill_aside(self, call: Call, request: ModelInferRequest) -> None:
        """As `fill`, on the decoding thread. Raises MeshError QUEUE_FULL too."""
        if self._heavy >= HEAVY_MAX:
            raise MeshError(
                Refusal(
                    Reason.QUEUE_FULL,
                    f"{HEAVY_MAX} large requests wait to be decoded; send raw numbers or try later",
                    retry_after_s=0.1,
                )
            )
        self._heavy += 1
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self.fill, call, request)
        finally:
            self._heavy -= 1


def parse(payload: bytes) -> ModelInferRequest:
    """The request. Raises MeshError INVALID_REQUEST when the bytes are none."""
    try:
        return ModelInferRequest.FromString(payload)
    except DecodeError:
        raise MeshError(
            Refusal(Reason.INVALID_REQUEST, "the request is no ModelInferRequest message")
        ) from None


def _check_counts(request: ModelInferRequest, bounds: RequestBounds) -> None:
    """Of what is looked at one by one. Who sent it may be no router of ours."""
    bounds.check_counts(inputs=len(request.inputs), parameters=len(request.parameters))
    if len(request.outputs) > bounds.inputs_max:
        bounds.refuse(f"a request for {len(request.outputs)} outputs", "inputs")
    for tensor in request.inputs:
        if len(tensor.shape) > bounds.rank_max:
            bounds.refuse(f"an input with {len(tensor.shape)} dimensions", "rank")


def _check_names(request: ModelInferRequest) -> None:
    if not request.model_name:
        refuse(Reason.INVALID_REQUEST, "model_name must not be empty", field="model_name")
    version = request.model_version
    if version and not (version.isascii() and version.isdigit()):
        refuse(
            Reason.INVALID_REQUEST,
            f"model_version {short(version)!r}: expected a whole number in text, or nothing",
            field="model_version",
        )
