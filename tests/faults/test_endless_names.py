"""Names without end: the refusal that repeats them stays small, and no link suffers from it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from hasten.inference.v2 import inference_pb2 as pb
from tests.faults.asking import answers, good, info_of, send

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("asked-mesh")]

NAME = "\x01" * (13 * 1024 * 1024)
"""Shown to people, each of its characters takes four."""
TRAILERS_BYTES_MAX = 8 * 1024
BYSTANDERS = 8

Spoil = Callable[[pb.ModelInferRequest], object]


def with_region(request: pb.ModelInferRequest) -> None:
    request.ClearField("raw_input_contents")
    request.inputs[0].parameters["shared_memory_region"].string_param = NAME
    request.inputs[0].parameters["shared_memory_byte_size"].int64_param = 16


SPOILS: list[tuple[str, Spoil, str]] = [
    ("input", lambda r: setattr(r.inputs[0], "name", NAME), "INVALID_REQUEST"),
    ("output", lambda r: r.outputs.add(name=NAME), "OUTPUT_UNKNOWN"),
    ("datatype", lambda r: setattr(r.inputs[0], "datatype", NAME), "INVALID_REQUEST"),
    ("shape", lambda r: r.inputs[0].shape.extend([7] * 1_000_000), "INVALID_REQUEST"),
    ("region", with_region, "SHARED_MEMORY_INVALID"),
    (
        "parameter",
        lambda r: setattr(r.parameters["triton_" + NAME], "bool_param", True),
        "INVALID_PARAMETER",
    ),
    ("version", lambda r: setattr(r, "model_version", NAME), "INVALID_REQUEST"),
    ("model", lambda r: setattr(r, "model_name", NAME), ""),
]


@pytest.mark.parametrize(("spoil", "reason"), [s[1:] for s in SPOILS], ids=[s[0] for s in SPOILS])
def test_an_endless_name_is_refused_in_a_few_words_and_costs_nobody_else_anything(
    address: str, spoil: Spoil, reason: str
) -> None:
    request = good()
    spoil(request)
    with ThreadPoolExecutor(BYSTANDERS) as pool:
        slow = good("slow").SerializeToString()
        bystanders = [pool.submit(send, address, slow) for _ in range(BYSTANDERS)]
        with pytest.raises(grpc.RpcError) as raised:
            send(address, request.SerializeToString())
        for bystander in bystanders:
            bystander.result()
    error = raised.value
    if reason:
        assert info_of(error).reason == reason
    else:
        assert info_of(error).reason in {"INVALID_REQUEST", "MODEL_NOT_FOUND"}
    sizes = [len(key) + len(value) for key, value in error.trailing_metadata()]
    assert sum(sizes) + 3 * len(error.details().encode()) < TRAILERS_BYTES_MAX
    answers(address)
