"""grpcurl, which knows nothing of Hasten, calls it and shows a refusal in full."""

import fcntl
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients.languages import BUILDS, GO, ROOT, Language
from tests.clients.world import World

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(1800),
    pytest.mark.xdist_group("clients"),
]

GRPCURL = "github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4"
INFER = "inference.GRPCInferenceService/ModelInfer"
OWN_PROTOS = ["-import-path", str(ROOT / "protos"), "-proto", "inference/inference.proto"]


@pytest.fixture(scope="module")
def grpcurl(needs: Callable[[Language], None]) -> Path:
    """Made by the Go toolchain, once."""
    needs(GO)
    folder = BUILDS / "grpcurl"
    folder.mkdir(parents=True, exist_ok=True)
    with (BUILDS / "grpcurl.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "grpcurl").exists():
            environ = {**os.environ, "GOBIN": str(folder)}
            done = subprocess.run(
                ["go", "install", GRPCURL], env=environ, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
    return folder / "grpcurl"


def said(grpcurl: Path, *words: str) -> tuple[int, str]:
    """Its exit status and all that it prints."""
    done = subprocess.run(
        [str(grpcurl), "-plaintext", *words], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_it_calls_by_the_files_of_the_repository(grpcurl: Path, world: World) -> None:
    asked = [*OWN_PROTOS, "-d", '{"name": "digits"}', world.addresses["good"]]
    status, text = said(grpcurl, *asked, "inference.GRPCInferenceService/ModelMetadata")
    assert status == 0, text
    assert '"probabilities"' in text


def test_it_finds_the_services_and_decodes_a_refusal_by_reflection(
    grpcurl: Path, world: World
) -> None:
    status, text = said(grpcurl, world.addresses["good"], "list")
    assert status == 0, text
    assert "inference.GRPCInferenceService" in text
    refused = ["-d", '{"model_name": "nobody"}', world.addresses["good"], INFER]
    status, text = said(grpcurl, *refused)
    assert status != 0
    assert "NotFound" in text
    assert '"@type": "type.googleapis.com/google.rpc.ErrorInfo"' in text
    assert '"reason": "MODEL_NOT_FOUND"' in text


def test_a_router_without_workers_says_so(grpcurl: Path, world: World) -> None:
    status, text = said(grpcurl, "-d", '{"model_name": "echo"}', world.addresses["bare"], INFER)
    assert status != 0
    assert '"reason": "NO_WORKER"' in text
    assert '"retry_delay": "1s"' in text
    health = "grpc.health.v1.Health/Check"
    status, text = said(grpcurl, "-d", '{"service": "readiness"}', world.addresses["bare"], health)
    assert status == 0, text
    assert "NOT_SERVING" in text
