"""What tells the inputs of one request from those of all others."""

import hashlib
from collections.abc import Collection, Iterator
from typing import Final

from hasten.inference.v2.inference_pb2 import ModelInferRequest
from hasten_policy.content import Content
from hasten_runtime.inference_head import fields_of

_INPUTS: Final = ModelInferRequest.INPUTS_FIELD_NUMBER
_RAW_INPUTS: Final = ModelInferRequest.RAW_INPUT_CONTENTS_FIELD_NUMBER
_ELSEWHERE: Final = b"shared_memory_region"
"""Key of the parameter with which an input says that its bytes are not in the request."""
_DIGEST_BYTES: Final = 16
_END_BYTES: Final = 256


def content_of(request: bytes, sizes: Collection[int] | None = None) -> Content | None:
    """The content of a serialised ModelInferRequest: of its inputs, not of its name or parameters,
    as those differ between calls that are the same to the model.

    Args:
        request: One whose head could be read.
        sizes: Only content of these sizes is wanted, and only that is looked at; None for any.

    Returns:
        None when it is of no wanted size, or when an input lies in shared memory: then the request
        does not tell what it holds.
    """
    pieces = list(_pieces(request))
    size_bytes = sum(stop - start for _, start, stop in pieces)
    if sizes is not None and size_bytes not in sizes:
        return None
    view = memoryview(request)
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for number, start, stop in pieces:
        if number == _INPUTS and request.find(_ELSEWHERE, start, stop) >= 0:
            return None
        # The sizes part the pieces: two that were cut differently are not the same.
        digest.update(b"%d:%d:" % (number, stop - start))
        digest.update(view[start:stop])
    return Content(size_bytes, digest.hexdigest())


def look_of(request: bytes) -> tuple[int, bytes]:
    """What equal contents have in common, found without looking at all of it: size and end."""
    size_bytes, end = 0, b""
    for _, start, stop in _pieces(request):
        size_bytes += stop - start
        end = request[max(start, stop - _END_BYTES) : stop]
    return size_bytes, end


def _pieces(request: bytes) -> Iterator[tuple[int, int, int]]:
    for number, start, stop in fields_of(request):
        if number in {_INPUTS, _RAW_INPUTS}:
            yield number, start, stop
