"""Names on the wire: each is written in one place, and the client's copies say the same."""

import ast
from collections.abc import Iterator
from pathlib import Path

from hasten_client import errors, operations, request, streams, timing
from hasten_policy import priorities
from hasten_runtime import protocol_names as names
from hasten_runtime.request_head import parse_parameters
from tests.support.sources import ROOT, python_files

CLIENT = ROOT / "libs" / "hasten_client"
SPECIFIC = {
    value
    for name, value in vars(names).items()
    if name.isupper() and isinstance(value, str) and ("-" in value or "/" in value or "_" in value)
} - {names.SEQUENCE_ID}
"""Names that cannot be something else, as `tenant` can."""


def literals(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_a_name_on_the_wire_is_written_once() -> None:
    again = [
        f"{path.relative_to(ROOT)}: {literal}"
        for path in python_files("libs", "services", "loadtest")
        if path != Path(names.__file__) and CLIENT not in path.parents
        for literal in literals(path)
        if literal in SPECIFIC
    ]
    assert not again, "import hasten_runtime.protocol_names:\n" + "\n".join(again)


def test_the_client_calls_the_paths_that_the_servers_serve() -> None:
    assert operations.INFERENCE["ModelInfer"] == names.MODEL_INFER
    assert operations.ROUTER["DrainWorker"] == f"/{names.ROUTER_SERVICE}/DrainWorker"
    assert names.MODEL_INFER == "/inference.GRPCInferenceService/ModelInfer", "the public name"
    assert f"/{names.INFERENCE_SERVICE}/ModelStreamInfer" == streams.INFER.path


def test_the_client_s_metadata_are_those_that_the_mesh_reads_and_writes() -> None:
    assert timing.TRAILER == names.TIMING_TRAILER
    assert errors._STATUS_DETAILS == names.STATUS_DETAILS
    assert errors._PUSHBACK == names.RETRY_PUSHBACK
    assert names.ends_on_error(streams.metadata((), ()))
    assert not names.ends_on_error(None)


def test_the_client_s_parameters_are_those_that_the_mesh_reads() -> None:
    levels = {
        name: parse_parameters(
            request.message(
                request.InferRequest("m", {"x": [1]}, priority=name, tenant="t", timing=True)
            ).parameters
        )
        for name in request.PRIORITIES
    }
    assert {head.tenant for head in levels.values()} == {"t"}
    assert all(head.want_timing for head in levels.values())
    assert sorted(head.priority_class for head in levels.values()) == list(
        range(priorities.CLASSES)
    )
    assert levels["normal"].priority_class == priorities.NORMAL
