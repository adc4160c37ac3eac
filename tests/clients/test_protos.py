"""Stubs can be made of protos/ for languages that have no client here."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.clients.languages import CPP, GO, JAVA, ROOT, Language

pytestmark = pytest.mark.xdist_group("clients")

GO_FOLDER = "clients/go"
FILES = [
    "inference/inference.proto",
    "inference/model_config.proto",
    "hasten/common/v1/timing.proto",
]


@pytest.mark.parametrize(
    ("language", "made", "line"),
    [
        ("csharp", "Inference.cs", "namespace Hasten.Inference {"),
        ("objc", "inference/Inference.pbobjc.h", "@interface HSTModelInferRequest "),
        ("php", "Hasten/Inference/ModelInferRequest.php", "namespace Hasten\\Inference;"),
        ("ruby", "inference/inference_pb.rb", "module Hasten"),
        ("kotlin", "dev/hasten/inference/ModelInferRequestKt.kt", "package dev.hasten.inference"),
    ],
)
def test_protoc_makes_stubs_with_names_of_the_language(
    needs: Callable[[Language], None], tmp_path: Path, language: str, made: str, line: str
) -> None:
    needs(CPP)
    command = ["protoc", f"-I{ROOT / 'protos'}", f"--{language}_out={tmp_path}", *FILES]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert line in (tmp_path / made).read_text()


def test_what_go_has_committed_is_current(
    needs: Callable[[Language], None], tmp_path: Path
) -> None:
    """`make clients-protos` writes it again."""
    needs(GO)
    template = YAML(typ="safe").load((ROOT / "buf.gen.yaml").read_text())
    template["plugins"] = [
        plugin for plugin in template["plugins"] if plugin["out"] == "clients/go"
    ]
    assert len(template["plugins"]) == 2
    command = ["buf", "generate", "--template", json.dumps(template), "--output", str(tmp_path)]
    environ = GO.environ()
    done = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    made = {path.relative_to(tmp_path / GO_FOLDER) for path in tmp_path.rglob("*.go")}
    assert made == {path.relative_to(GO.folder) for path in GO.folder.rglob("*.pb.go")}
    for name in made:
        assert (GO.folder / name).read_text() == (tmp_path / GO_FOLDER / name).read_text(), name


def test_the_service_that_java_has_committed_has_all_calls() -> None:
    """Its plugin is not where Maven finds others; the compiler checks it against the messages."""
    proto = (ROOT / "protos" / "inference" / "inference.proto").read_text()
    stub = next(JAVA.folder.rglob("GRPCInferenceServiceGrpc.java")).read_text()
    calls = re.findall(r"rpc (\w+)\(", proto)
    assert len(calls) == 20
    for call in calls:
        assert f"fullMethodName = SERVICE_NAME + '/' + \"{call}\"" in stub, call
