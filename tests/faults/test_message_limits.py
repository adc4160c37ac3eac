"""What is too large is refused with the limit and its setting, and costs nobody else anything."""

import http.client
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import pytest

import hasten_client as hc
from hasten.inference.v2 import inference_pb2 as pb
from loadtest.repository import write_synthetic
from tests.support.services import (
    NOBODY_FREEZES,
    Service,
    router_environ,
    running_service,
    worker_environ,
)
from tests.support.waiting import eventually_sync

pytestmark = pytest.mark.integration

PATIENCE_S = 60.0
MIB = 1024 * 1024
INFER = "/inference.GRPCInferenceService/ModelInfer"
SMALL = np.ones((1, 4), np.float32)


def of_bytes(count: int) -> np.ndarray:
    return np.ones((1, count // 4), np.float32)


@dataclass(frozen=True)
class Running:
    worker: Service
    router: Service
    client: hc.Client

    def infer(self, values: np.ndarray) -> None:
        self.client.infer("step", {"INPUT": values}, deadline_s=PATIENCE_S)


@contextmanager
def running(folder: Path, *, worker_bytes: int, router_bytes: int) -> Iterator[Running]:
    models = folder / "models"
    write_synthetic(models, "step", alpha_ms=1, beta_ms=0, batch_max=4)
    environ = worker_environ(
        "w", models, {"kind": "static"}, grpc__message_bytes_max=str(worker_bytes)
    )
    with running_service("hasten_worker.main", environ, log_path=folder / "worker.log") as worker:
        environ = router_environ(
            {"kind": "static"},
            workers=worker.address,
            grpc__message_bytes_max=str(router_bytes),
            **NOBODY_FREEZES,
        )
        router_log = folder / "router.log"
        with (
            running_service("hasten_router.main", environ, log_path=router_log) as router,
            hc.Client(router.address) as client,
        ):
            eventually_sync(lambda: client.ready("step"), PATIENCE_S)
            yield Running(worker, router, client)


@pytest.fixture(scope="module")
def equal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Router and worker take as much as each other."""
    with running(tmp_path_factory.mktemp("equal"), worker_bytes=MIB, router_bytes=MIB) as mesh:
        yield mesh


def test_a_call_over_the_worker_s_limit_costs_no_link(tmp_path: Path) -> None:
    with running(tmp_path, worker_bytes=MIB, router_bytes=8 * MIB) as mesh:
        for size in (MIB + 1, 5 * MIB) * 3:
            with pytest.raises(hc.MessageTooLarge) as refused:
                mesh.infer(of_bytes(size))
            assert f"may have {MIB} bytes" in str(refused.value)
            assert "HASTEN_WORKER_GRPC__MESSAGE_BYTES_MAX" in str(refused.value)
            mesh.infer(SMALL)
        log = mesh.router.process.log_path.read_text()
        assert "worker.lost" not in log


@pytest.mark.parametrize("direct", [True, False])
def test_a_message_over_the_limit_is_told_with_limit_and_setting(
    equal: Running, *, direct: bool
) -> None:
    service = "WORKER" if direct else "ROUTER"
    with hc.Client(equal.worker.address if direct else equal.router.address) as client:
        for size in (MIB, 2 * MIB, 10 * MIB):
            with pytest.raises(hc.MessageTooLarge) as refused:
                client.infer("step", {"INPUT": of_bytes(size)}, deadline_s=PATIENCE_S)
            assert "setting grpc.message_bytes_max" in str(refused.value)
            assert f"(HASTEN_{service}_GRPC__MESSAGE_BYTES_MAX)" in str(refused.value)
        # So much is not even read; gRPC says so without the setting, and our client with it.
        with pytest.raises(hc.MessageTooLarge, match=r"setting grpc\.message_bytes_max"):
            client.infer("step", {"INPUT": of_bytes(40 * MIB)}, deadline_s=PATIENCE_S)


def page_of(router: Service) -> str:
    connection = http.client.HTTPConnection(router.facts["metrics_address"], timeout=PATIENCE_S)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return text


def refused_of(model: str, page: str) -> float:
    said = re.search(rf'requests_total{{model="{model}",outcome="refused"}} (\S+)', page)
    return float(said[1]) if said else 0.0


def test_malformed_calls_count_under_their_model(equal: Running) -> None:
    bad = [
        pb.ModelInferRequest(model_name="step", model_version="one"),
        pb.ModelInferRequest(model_name="step"),
        *(pb.ModelInferRequest(model_name=f"made up {number}") for number in range(50)),
        *(
            pb.ModelInferRequest(model_name=f"made up {number}", model_version="x")
            for number in range(50)
        ),
    ]
    bad[1].parameters["timeout"].string_param = "soon"
    page_before = page_of(equal.router)
    before, others_before = refused_of("step", page_before), refused_of("other", page_before)
    with grpc.insecure_channel(equal.router.address) as channel:
        infer = channel.unary_unary(INFER)
        for request in bad:
            with pytest.raises(grpc.RpcError):
                infer(request.SerializeToString(), timeout=PATIENCE_S)

    def counted() -> bool:
        page = page_of(equal.router)
        assert refused_of("other", page) == others_before + 100
        assert refused_of("step", page) == before + 2
        assert "made up" not in page
        return True

    eventually_sync(counted, PATIENCE_S)
