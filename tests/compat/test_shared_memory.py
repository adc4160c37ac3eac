"""System shared memory, by the stock client's own helper."""

import uuid
from collections.abc import Iterator

import numpy as np
import pytest
import tritonclient.grpc as triton
import tritonclient.http as triton_http
from tritonclient.utils import InferenceServerException, shared_memory

from loadtest.mesh import Mesh

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("compat")]

Client = triton.InferenceServerClient


@pytest.fixture
def region() -> Iterator[tuple[str, object]]:
    """A region of 64 bytes: 32 for the input, 32 for the output."""
    key = f"/hasten_{uuid.uuid4().hex}"
    handle = shared_memory.create_shared_memory_region("both", key, 64)
    yield key, handle
    shared_memory.destroy_shared_memory_region(handle)


def test_input_and_output_travel_by_shared_memory(
    client: Client, region: tuple[str, object]
) -> None:
    key, handle = region
    value = np.arange(8, dtype=np.float32).reshape(1, 8)
    shared_memory.set_shared_memory_region(handle, [value])
    client.unregister_system_shared_memory()
    client.register_system_shared_memory("both", key, 64)
    assert "both" in client.get_system_shared_memory_status().regions
    given = triton.InferInput("INPUT", [1, 8], "FP32")
    given.set_shared_memory("both", 32)
    wanted = triton.InferRequestedOutput("OUTPUT")
    wanted.set_shared_memory("both", 32, offset=32)
    result = client.infer("echo_fp32", [given], outputs=[wanted])
    response = result.get_response()
    assert list(response.raw_output_contents) == [b""]
    answer = shared_memory.get_contents_as_numpy(handle, np.float32, [1, 8], offset=32)
    assert np.array_equal(answer, value)
    client.unregister_system_shared_memory("both")
    assert "both" not in client.get_system_shared_memory_status().regions


def test_regions_serve_calls_over_http_too(mesh: Mesh, region: tuple[str, object]) -> None:
    key, handle = region
    value = np.arange(8, dtype=np.float32).reshape(1, 8)
    shared_memory.set_shared_memory_region(handle, [value])
    with triton_http.InferenceServerClient(mesh.http) as client:
        client.unregister_system_shared_memory()
        client.register_system_shared_memory("both", key, 64)
        assert [each["name"] for each in client.get_system_shared_memory_status()] == ["both"]
        given = triton_http.InferInput("INPUT", [1, 8], "FP32")
        given.set_shared_memory("both", 32)
        wanted = triton_http.InferRequestedOutput("OUTPUT")
        wanted.set_shared_memory("both", 32, offset=32)
        client.infer("echo_fp32", [given], outputs=[wanted])
        answer = shared_memory.get_contents_as_numpy(handle, np.float32, [1, 8], offset=32)
        assert np.array_equal(answer, value)
        client.unregister_system_shared_memory("both")
        assert client.get_system_shared_memory_status() == []


def test_a_region_cannot_be_overrun(client: Client, region: tuple[str, object]) -> None:
    key, _ = region
    client.unregister_system_shared_memory()
    client.register_system_shared_memory("both", key, 64)
    given = triton.InferInput("INPUT", [1, 32], "FP32")
    given.set_shared_memory("both", 128)
    with pytest.raises(InferenceServerException) as raised:
        client.infer("echo_fp32", [given])
    assert "INVALID_ARGUMENT" in str(raised.value.status())
    client.unregister_system_shared_memory()


def test_a_path_outside_shared_memory_is_refused(client: Client) -> None:
    with pytest.raises(InferenceServerException) as raised:
        client.register_system_shared_memory("bad", "/../../etc/passwd", 16)
    assert "INVALID_ARGUMENT" in str(raised.value.status())


def test_the_cuda_calls_answer_without_a_gpu(client: Client) -> None:
    client.unregister_cuda_shared_memory()
    assert not client.get_cuda_shared_memory_status().regions
