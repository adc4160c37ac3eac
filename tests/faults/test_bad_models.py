"""A model that cannot or must not be served is refused with a reason; what served goes on."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest

import hasten_client as hc
from tests.support.pacing import PAUSE_S
from tests.support.services import (
    NOBODY_FREEZES,
    Service,
    router_environ,
    running_service,
    worker_environ,
)
from tests.support.waiting import eventually_sync
from tests.unit.worker_engine import zoo

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("bad-models")]

X = np.zeros((1, 1), np.float32)
OLD = zoo.add(dims=("n", 1), amount=1.0)
NEW = zoo.add(dims=("n", 1), amount=10.0)
PATIENT_S = 60.0
TRIES = 6
AGAIN_S = 10.0
RUN_S_MAX = 0.9
ENDLESS = f"""\
parameters {{ key: "hasten.run_timeout_ms" value {{ string_value: "{RUN_S_MAX * 1e3:g}" }} }}
parameters {{ key: "hasten.warm_up" value {{ string_value: "%s" }} }}
"""
Fill = Callable[[Path], object]


def model(content: bytes) -> Fill:
    return lambda folder: (folder / "model.onnx").write_bytes(content)


def outside(link: Callable[[Path, Path], object] | None, location: str) -> Fill:
    """A model whose weights lie above the repository, reached by `location` or through a link."""

    def fill(folder: Path) -> None:
        weights = folder.parents[2] / "weights.bin"
        weights.write_bytes(zoo.EXTERNAL_WEIGHTS)
        if link is not None:
            link(weights, folder / location)
        (folder / "model.onnx").write_bytes(zoo.with_external_data(location))

    return fill


@dataclass(frozen=True)
class Bad:
    """How the folder of a bad version is filled, and what must be said of it."""

    name: str
    fill: Fill
    says: str
    config: str | None = None


BAD = [
    Bad("corrupt", model(b"\xff\x00 no model" * 99), "ONNX"),
    Bad("empty", model(b""), "ONNX"),
    Bad("truncated", model(NEW[:-20]), "ONNX"),
    Bad("absent", lambda folder: (folder / "readme.txt").write_text("none"), "model.onnx"),
    Bad("by-path", outside(None, "../../../weights.bin"), "only files inside"),
    Bad("by-absolute-path", outside(None, "/etc/hostname"), "only files inside"),
    Bad("by-hard-link", outside(os.link, "weights.bin"), "hard link"),
    Bad("by-symlink", outside(os.symlink, "weights.bin"), "symbolic link"),
    Bad("endless", model(zoo.loop()), f"{RUN_S_MAX:g}", config=ENDLESS % "true"),
]


@dataclass(frozen=True)
class Served:
    """A router over one worker that follows a folder."""

    models: Path
    worker: Service
    client: hc.Client

    def add(self, name: str, version: int, fill: Fill) -> None:
        """A version's folder appears in one moment, as a careful operator does it."""
        aside = self.models.parent / "aside" / name / str(version)
        aside.mkdir(parents=True)
        fill(aside)
        (self.models / name).mkdir(exist_ok=True)
        aside.rename(self.models / name / str(version))

    def answer(self, name: str) -> float:
        """Tells the version: what it adds to nothing."""

        def told() -> list[float] | None:
            try:
                return [float(self.client.infer(name, {"X": X}, deadline_s=PATIENT_S)["Y"][0, 0])]
            except hc.HastenError as error:
                # Short limits are for what is endless; who stands still overstays them, too.
                if error.reason != "RUN_OVERSTAYED":
                    raise
            return None

        return eventually_sync(told, PATIENT_S, what=f"{name} answers")[0]

    def begin(self, name: str) -> None:
        """Its first version serves. One that stood still in its warm-up is refused: then again."""
        for _ in range(TRIES):
            with suppress(AssertionError):
                eventually_sync(lambda: self.client.ready(name, "1"), AGAIN_S)
                return
            (self.models / name / "1" / "model.onnx").touch()
        raise AssertionError(f"{name} does not serve: {self.refused(name, 1)}")

    def refused(self, name: str, version: int) -> str:
        """Why that version does not serve; "" while nothing is said."""
        for entry in self.client.index(deadline_s=PATIENT_S):
            if (entry.name, entry.version) == (name, str(version)) and entry.state != "READY":
                return entry.reason
        return ""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("bad-models")
    repository = zoo.Repository(folder / "models")
    for bad in BAD:
        repository.write(bad.name, OLD, config=bad.config)
        repository.write(f"start-{bad.name}", OLD, config=bad.config)
        at_start = repository.path / f"start-{bad.name}" / "2"
        at_start.mkdir()
        bad.fill(at_start)
    for name in ("copied", "overwritten", "honest"):
        repository.write(name, OLD)
    repository.write("spins", zoo.loop(), config=ENDLESS % "false")
    environ = worker_environ("w", repository.path, {"kind": "static"}, poll_interval_s="0.2")
    environ["HASTEN_WORKER_MODEL_CONTROL"] = "poll"
    with (
        running_service("hasten_worker.main", environ, log_path=folder / "worker.log") as worker,
        running_service(
            "hasten_router.main",
            router_environ({"kind": "static"}, workers=worker.address, **NOBODY_FREEZES),
            log_path=folder / "router.log",
        ) as router,
        hc.Client(router.address) as client,
    ):
        eventually_sync(lambda: client.ready("honest"), PATIENT_S, what="the models are ready")
        running = Served(repository.path, worker, client)
        for bad in BAD:
            running.begin(bad.name)
            running.begin(f"start-{bad.name}")
        yield running


def lives(served: Served) -> None:
    assert served.answer("honest") == 1.0
    assert served.worker.process.exit_status is None


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_a_bad_version_at_the_start_leaves_the_one_before_serving(served: Served, bad: Bad) -> None:
    name = f"start-{bad.name}"
    assert bad.says in served.refused(name, 2)
    assert served.answer(name) == 1.0
    with pytest.raises(hc.NotFound):
        served.client.infer(name, {"X": X}, version="2", deadline_s=PATIENT_S)
    lives(served)


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_a_bad_version_that_appears_leaves_the_one_before_serving(served: Served, bad: Bad) -> None:
    answers = set()

    def told() -> str:
        answers.add(served.answer(bad.name))  # all the time that it is examined
        return served.refused(bad.name, 2)

    served.add(bad.name, 2, bad.fill)
    assert bad.says in eventually_sync(told, PATIENT_S, what=f"{bad.name} is refused")
    assert served.answer(bad.name) == 1.0
    assert answers == {1.0}
    lives(served)


def test_a_version_that_is_copied_bit_by_bit_serves_when_it_is_whole(served: Served) -> None:
    folder = served.models / "copied" / "2"
    folder.mkdir()
    assert eventually_sync(lambda: served.refused("copied", 2), PATIENT_S)
    assert served.answer("copied") == 1.0
    with (folder / "model.onnx").open("wb", buffering=0) as file:
        file.write(NEW[: len(NEW) // 2])
        eventually_sync(
            lambda: "ONNX" in served.refused("copied", 2), PATIENT_S, what="half a model is refused"
        )
        assert served.answer("copied") == 1.0
        file.write(NEW[len(NEW) // 2 :])
    eventually_sync(lambda: served.answer("copied") == 10.0, PATIENT_S, what="the new one serves")
    lives(served)


def test_a_file_overwritten_by_half_a_model_leaves_the_old_one_serving(served: Served) -> None:
    file = served.models / "overwritten" / "1" / "model.onnx"
    log = served.worker.process.log_path
    file.write_bytes(NEW[: len(NEW) // 2])
    eventually_sync(
        lambda: any(
            "refused" in line and "overwritten" in line for line in log.read_text().splitlines()
        ),
        PATIENT_S,
        what="the worker says that it refused the file",
    )
    assert served.answer("overwritten") == 1.0
    file.write_bytes(NEW)
    eventually_sync(lambda: served.answer("overwritten") == 10.0, PATIENT_S, what="the mended one")
    lives(served)


def test_a_run_without_end_is_terminated_and_others_go_on(served: Served) -> None:
    over = Event()
    answers: list[float] = []

    def honest() -> None:
        while not over.wait(PAUSE_S):
            answers.append(served.answer("honest"))

    def answered(enough: int) -> bool:
        return len(answers) >= enough

    caller = Thread(target=honest)
    caller.start()
    try:
        for _ in range(3):
            enough = len(answers) + 2
            with pytest.raises(hc.HastenError) as raised:
                served.client.infer("spins", {"X": X}, deadline_s=PATIENT_S)
            assert raised.value.reason == "RUN_OVERSTAYED"
            eventually_sync(partial(answered, enough), what="others are answered")
    finally:
        over.set()
        caller.join()
    assert set(answers) == {1.0}
    lives(served)
