"""One running mesh for all compatibility tests of a process."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import tritonclient.grpc as triton

from loadtest.mesh import Mesh
from tests.compat.repositories import write_echoes, write_repository
from tests.support.services import patient_mesh


@pytest.fixture(scope="session")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    """A router and one worker that serve the echo models and the three Triton repositories."""
    models: Path = tmp_path_factory.mktemp("models")
    write_repository(models)
    write_echoes(models)
    with patient_mesh(models, control="explicit") as running:
        yield running


@pytest.fixture(params=["router", "worker"])
def address(request: pytest.FixtureRequest, mesh: Mesh) -> str:
    """The router, and the worker called directly: both speak the protocol."""
    return mesh.router if request.param == "router" else mesh.workers[0]


@pytest.fixture
def client(address: str) -> Iterator[triton.InferenceServerClient]:
    """The stock client."""
    with triton.InferenceServerClient(address) as opened:
        yield opened
