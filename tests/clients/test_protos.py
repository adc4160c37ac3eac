"""Stubs can be made of protos/ for languages that have no client here."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients.languages import CPP, ROOT, Language

pytestmark = pytest.mark.xdist_group("clients")

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
