"""Readiness tells the truth at every door of router and worker; nothing vanishes."""

import http.client
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2

import hasten_client as hc
from tests.support.services import (
    NOBODY_FREEZES,
    Service,
    router_environ,
    running_service,
    worker_environ,
)
from tests.support.waiting import eventually_sync
from tests.unit.worker_engine import zoo

pytestmark = pytest.mark.integration

PATIENCE_S = 60.0
X = np.zeros((1, 4), np.float32)
LIST = (sys.executable, "-m", "hasten_cli.main", "models", "list")
HEALTH = "/grpc.health.v1.Health/Check"
ECHO = """\
backend: "synthetic"
max_batch_size: 4
input [ { name: "X" data_type: TYPE_FP32 dims: [ -1 ] } ]
output [ { name: "Y" data_type: TYPE_FP32 dims: [ -1 ] } ]
parameters { key: "alpha_ms" value { string_value: "1" } }
"""


def good(models: Path, name: str) -> None:
    (models / name / "1").mkdir(parents=True)
    (models / name / "config.pbtxt").write_text(ECHO)


def bad(models: Path, name: str, version: int = 1) -> None:
    (models / name / str(version)).mkdir(parents=True)
    (models / name / str(version) / "model.onnx").write_bytes(b"no model")


def fallen_back(models: Path) -> None:
    (models / "m" / "1").mkdir(parents=True)
    (models / "m" / "1" / "model.onnx").write_bytes(zoo.add())
    bad(models, "m", 2)


@dataclass(frozen=True)
class Door:
    """One service, asked in every way whether it is ready."""

    service: Service
    client: hc.Client

    def health(self, name: str) -> bool:
        with grpc.insecure_channel(self.service.address) as channel:
            check = channel.unary_unary(
                HEALTH,
                request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
                response_deserializer=health_pb2.HealthCheckResponse.FromString,
            )
            request = health_pb2.HealthCheckRequest(service=name)
            status = check(request, timeout=PATIENCE_S).status
        return bool(status == health_pb2.HealthCheckResponse.SERVING)

    def page(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection(
            self.service.facts["metrics_address"], timeout=PATIENCE_S
        )
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return answer.status, body

    def all_say(self, *, ready: bool) -> bool:
        said = (
            self.client.ready(),
            self.health(""),
            self.health("readiness"),
            self.page("/health/ready")[0] == http.HTTPStatus.OK,
        )
        # Whether it is ready or not, the process goes on and takes calls.
        assert self.health("liveness")
        assert self.health("inference.GRPCInferenceService")
        assert self.page("/health/live")[0] == http.HTTPStatus.OK
        return set(said) == {ready}


@dataclass(frozen=True)
class Running:
    worker: Door
    router: Door

    def doors_say(self, *, ready: bool) -> None:
        for door in (self.worker, self.router):
            eventually_sync(lambda door=door: door.all_say(ready=ready), PATIENCE_S)


@contextmanager
def running(folder: Path, models: Path, *, control: str = "none", **more: str) -> Iterator[Running]:
    with ExitStack() as stack:

        def door(module: str, environ: Mapping[str, str], name: str) -> Door:
            service = stack.enter_context(
                running_service(module, environ, log_path=folder / f"{name}.log")
            )
            return Door(service, stack.enter_context(hc.Client(service.address)))

        environ = worker_environ("w", models, {"kind": "static"}, poll_interval_s="0.1", **more) | {
            "HASTEN_WORKER_MODEL_CONTROL": control
        }
        worker = door("hasten_worker.main", environ, "worker")
        environ = router_environ(
            {"kind": "static"}, workers=worker.service.address, **NOBODY_FREEZES, **more
        )
        router = door("hasten_router.main", environ, "router")
        yield Running(worker, router)


def nothing(models: Path) -> None:
    models.mkdir(exist_ok=True)


def only_bad(models: Path) -> None:
    bad(models, "m")


def good_and_bad(models: Path) -> None:
    good(models, "g")
    bad(models, "m")


def a_link_that_leads_out(models: Path) -> None:
    good(models, "g")
    (models / "out").symlink_to("/etc")


@pytest.mark.parametrize(
    ("fill", "says"),
    [
        (nothing, "no model is served"),
        (only_bad, "model m version 1 does not serve: model.onnx is not an ONNX file"),
        (good_and_bad, "model m version 1 does not serve"),
        (fallen_back, "model m version 2 does not serve"),
        (a_link_that_leads_out, "model out does not serve: out is a symbolic link that leads out"),
    ],
)
def test_what_should_be_served_and_is_not_is_said_at_every_door(
    tmp_path: Path, fill: Callable[[Path], None], says: str
) -> None:
    models = tmp_path / "models"
    models.mkdir()
    fill(models)
    with running(tmp_path, models) as mesh:
        mesh.doors_say(ready=False)
        assert says in mesh.worker.page("/health/ready")[1]
        expected = "no worker serves a model" if fill is nothing else says
        assert expected in mesh.router.page("/health/ready")[1]
        if fill is fallen_back:
            for door in (mesh.worker, mesh.router):
                eventually_sync(lambda door=door: door.client.ready("m", "1"), PATIENCE_S)
                assert door.client.ready("m")
                assert not door.client.ready("m", "2")


def test_relaxed_readiness_asks_only_for_a_worker(tmp_path: Path) -> None:
    models = tmp_path / "models"
    only_bad(models)
    with running(tmp_path, models, strict_readiness="false") as mesh:
        mesh.doors_say(ready=True)
        for door in (mesh.worker, mesh.router):
            assert not door.client.ready("m")


def test_readiness_follows_the_repository(tmp_path: Path) -> None:
    models = tmp_path / "models"
    good(models, "g")
    with running(tmp_path, models, control="poll") as mesh:
        mesh.doors_say(ready=True)
        bad(models, "m")
        mesh.doors_say(ready=False)
        (models / "m" / "1" / "model.onnx").write_bytes(zoo.add())
        mesh.doors_say(ready=True)
        (models / "m" / "1" / "model.onnx").write_bytes(b"no model")
        eventually_sync(
            lambda: [state for state in mesh.router.client.index() if state.reason], PATIENCE_S
        )
        # The earlier files serve on: nothing that was there is missing.
        mesh.doors_say(ready=True)
        shutil.rmtree(models / "m")
        eventually_sync(lambda: not mesh.router.client.ready("m"), PATIENCE_S)
        mesh.doors_say(ready=True)


def test_an_empty_mount_point_unloads_nothing(tmp_path: Path) -> None:
    models = tmp_path / "models"
    good(models, "g")
    with running(tmp_path, models, control="poll") as mesh:
        mesh.doors_say(ready=True)
        models.rename(tmp_path / "away")
        models.mkdir()
        log = mesh.worker.service.process.log_path
        eventually_sync(lambda: "repository.emptied" in log.read_text(), PATIENCE_S)
        mesh.router.client.infer("g", {"X": X}, deadline_s=PATIENCE_S)
        mesh.doors_say(ready=True)
        good(models, "new")
        eventually_sync(lambda: mesh.router.client.ready("new"), PATIENCE_S)


def test_whatever_lies_in_the_repository_is_served_or_listed(tmp_path: Path) -> None:
    models = tmp_path / "models"
    served = ["my model", "modèle", "c++", "net@2", "_private", "[red]x", "alias", "mounted"]
    for name in served[:-2]:
        good(models, name)
    good(models, ".held")
    (models / "alias").symlink_to("c++")
    (models / "..2026_11_30.1").mkdir()
    (models / "..data").symlink_to("..2026_11_30.1")
    (models / ".held").rename(models / "..2026_11_30.1" / "mounted")
    (models / "mounted").symlink_to("..data/mounted")
    (models / "back\\slash").mkdir()
    (models / os.fsdecode(b"caf\xe9")).mkdir()
    (models / "net.onnx").write_bytes(zoo.add())
    with running(tmp_path, models) as mesh:
        for name in served:
            eventually_sync(lambda name=name: mesh.router.client.ready(name, "1"), PATIENCE_S)
            mesh.router.client.infer(name, {"X": X}, deadline_s=PATIENCE_S)
        index = {state.name: (state.state, state.reason) for state in mesh.router.client.index()}
        assert sorted(name for name, (state, _) in index.items() if state == "READY") == sorted(
            served
        )
        listed = {name: reason for name, (state, reason) in index.items() if state != "READY"}
        assert listed.keys() == {"back\\slash", "caf\\udce9", "net.onnx"}
        assert all(listed.values())
        shown = subprocess.run(
            [*LIST, "--address", mesh.router.service.address],
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE_S,
        ).stdout
        for name, (_, reason) in index.items():
            assert any(name in line and reason in line for line in shown.splitlines())
        status, page = mesh.router.page("/metrics")
        assert (status, 'model="my model"' in page) == (200, True)
