"""One mesh for the tests that only ask and leave it as it was."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtest.mesh import Mesh
from loadtest.repository import write_mean, write_synthetic
from tests.faults.asking import MESSAGE_BYTES_MAX, WIDTH
from tests.support.services import patient_mesh


@pytest.fixture(scope="session")
def asked_mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    models: Path = tmp_path_factory.mktemp("models")
    write_mean(models, "mean", width=WIDTH)
    write_synthetic(models, "slow", alpha_ms=50, beta_ms=0, batch_max=2)
    with patient_mesh(models, message_bytes_max=MESSAGE_BYTES_MAX) as running:
        yield running


@pytest.fixture(params=["router", "worker"])
def address(request: pytest.FixtureRequest, asked_mesh: Mesh) -> str:
    return asked_mesh.router if request.param == "router" else asked_mesh.workers[0]
