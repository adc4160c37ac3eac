"""The images: built from the lock alone, not root, stopped in order, asked how they are."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from tests.support.compose import ROOT

SERVICES = ("router", "scheduler", "worker")
Instruction = tuple[str, str]


def instructions(service: str) -> list[Instruction]:
    text = (ROOT / "services" / service / "Dockerfile").read_text()
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    lines = re.sub(r"\\\n\s*", "", code).splitlines()
    return [
        (word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines) if word
    ]


def values(parts: list[Instruction], word: str) -> list[str]:
    return [value for name, value in parts if name == word]


def last_stage(parts: list[Instruction]) -> list[Instruction]:
    start = max(index for index, (word, _) in enumerate(parts) if word == "FROM")
    return parts[start:]


def each_service() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("service", SERVICES)


@each_service()
def test_it_runs_as_nobody_special_and_stops_in_order(service: str) -> None:
    final = last_stage(instructions(service))
    assert values(final, "USER") == ["1000:1000"]
    assert values(final, "STOPSIGNAL") == ["SIGTERM"]


@each_service()
def test_no_shell_stands_between_the_engine_and_the_service(service: str) -> None:
    final = last_stage(instructions(service))
    assert [json.loads(value) for value in values(final, "ENTRYPOINT")] == [[f"hasten-{service}"]]
    (check,) = values(final, "HEALTHCHECK")
    command = json.loads(check.partition("CMD ")[2])
    assert command == ["python", "-m", "hasten_runtime.healthcheck", "127.0.0.1:8001"]


@each_service()
def test_only_the_lock_decides_what_is_installed(service: str) -> None:
    parts = instructions(service)
    syncs = [value for value in values(parts, "RUN") if value.startswith("uv sync")]
    assert len(syncs) == 2
    for sync in syncs:
        assert {"--frozen", "--no-dev", f"--package hasten-{service}"} <= set(
            re.findall(r"--package \S+|--\S+", sync)
        )
    assert "--no-editable" in syncs[-1]
    assert not values(parts, "ADD")


@each_service()
def test_base_and_tools_are_pinned_and_can_be_changed(service: str) -> None:
    parts = instructions(service)
    defaults = dict(value.split("=") for value in values(parts, "ARG") if "=" in value)
    assert defaults["BASE_IMAGE"] == "python:3.11-slim-bookworm"
    setup = (ROOT / "tools" / "setup.sh").read_text()
    assert f"UV_VERSION={defaults['UV_VERSION']}\n" in setup
    names = {value.partition(" AS ")[2] for value in values(parts, "FROM")} - {""}
    for value in values(parts, "FROM"):
        source = value.partition(" AS ")[0]
        assert source == "${BASE_IMAGE}" or source.partition("$")[0].rstrip("-") in names


def test_each_accelerator_is_an_extra_of_the_worker_and_a_stage_of_its_image() -> None:
    project = tomllib.loads((ROOT / "services" / "worker" / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"].keys()
    stages = {value.partition(" AS ")[2] for value in values(instructions("worker"), "FROM")}
    assert {f"runtime-{extra}" for extra in extras} == {
        stage for stage in stages if stage.startswith("runtime-")
    }


def test_onnxruntime_tells_nobody_what_it_runs() -> None:
    assert "ORT_DISABLE_TELEMETRY=1" in " ".join(values(instructions("worker"), "ENV"))


def allowed() -> set[str]:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines, "what is not named must not enter an image"
    return {line.removeprefix("!") for line in lines if line.startswith("!")}


@each_service()
def test_what_is_copied_exists_and_is_let_into_the_build(service: str) -> None:
    sources = [
        source
        for value in values(instructions(service), "COPY")
        if not value.startswith("--from")
        for source in value.split()[:-1]
    ]
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert any(
            Path(name).is_relative_to(source) or Path(source).is_relative_to(name)
            for name in allowed()
        ), source


@each_service()
def test_every_package_that_it_needs_is_let_into_the_build(service: str) -> None:
    lock = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    local = {
        package["name"]: package
        for package in lock
        if package["source"].keys() & {"editable", "virtual", "directory"}
    }
    needed = {f"hasten-{service}"}
    for _ in local:
        needed |= {
            dependency["name"]
            for name in needed
            for dependency in local[name].get("dependencies", ())
            if dependency["name"] in local
        }
    folders = {local[name]["source"]["editable"] for name in needed}
    assert folders <= allowed()
    text = (ROOT / "services" / service / "Dockerfile").read_text()
    assert all(f"COPY {folder}/pyproject.toml {folder}/" in text for folder in folders)
