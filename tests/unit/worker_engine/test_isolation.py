"""A model in a process of its own: how it ends, who is blamed, and that it comes back."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hasten_policy.worker.deaths import DEATHS_MAX
from hasten_worker.engine.isolation.arena import KEPT_BYTES, Arena
from hasten_worker.engine.isolation.host import Host
from hasten_worker.engine.isolation.lane import Lane
from hasten_worker.engine.isolation.runner import GROWN_LOOKS, IsolatedRunner
from hasten_worker.engine.isolation.wire import DONE, read_failure
from hasten_worker.engine.onnx.packing import Packing
from hasten_worker.model import Fate, ModelError, ProcessLostError, Run
from tests.support.processes import lives
from tests.support.waiting import eventually_sync
from tests.unit.worker_engine import killers, zoo
from tests.unit.worker_engine.running import isolated_runner, make_runner, run

NO_BATCHES = "max_batch_size: 0"


class Served:
    """A runner in service, and what was told of it."""

    def __init__(self, runner: IsolatedRunner) -> None:
        self.runner = runner
        self.fates: list[Fate] = []
        runner.serve(self.fates.append)

    @property
    def kinds(self) -> list[str]:
        return [fate.kind for fate in self.fates]

    def back(self, times: int = 1) -> None:
        eventually_sync(lambda: self.kinds == ["lost", "back"] * times)


@contextmanager
def serving(host: Host, folder: Path, content: bytes, config: str = NO_BATCHES) -> Iterator[Served]:
    runner, _ = isolated_runner(host, folder, content, config)
    try:
        yield Served(runner)
    finally:
        runner.close()


def divided(served: Served) -> list[list[int]]:
    found: list[list[int]] = run(served.runner, killers.dividing(6, 3))[0]["OUTPUT"].tolist()
    return found


def test_an_input_that_ends_the_process_is_blamed_and_the_model_is_back(
    host: Host, tmp_path: Path
) -> None:
    with serving(host, tmp_path, killers.division()) as served:
        assert divided(served) == [[2]]
        for time in (1, 2):
            with pytest.raises(ProcessLostError, match="SIGFPE") as lost:
                run(served.runner, killers.POISON)
            assert lost.value.suspects == 1
            assert not lost.value.terminated
            served.back(time)
            assert served.runner.away_s == 0.0
            assert divided(served) == [[2]]
        assert served.fates[0].away_s > 0.0
        assert "SIGFPE" in served.fates[0].reason


def test_a_process_that_is_killed_while_idle_comes_back(host: Host, tmp_path: Path) -> None:
    with serving(host, tmp_path, killers.division()) as served:
        before = served.runner.pid
        os.kill(before, signal.SIGSEGV)
        served.back()
        assert served.runner.pid not in {0, before}
        assert "SIGSEGV" in served.fates[0].reason
        assert divided(served) == [[2]]


class Background:
    """A run on a thread of its own."""

    def __init__(self, one: Run, member: Any) -> None:
        self.error: ModelError | None = None
        self._thread = threading.Thread(target=self._execute, args=(one, member))
        self._thread.start()

    def _execute(self, one: Run, member: Any) -> None:
        try:
            one.execute([member], 1)
        except ModelError as error:
            self.error = error

    def lost(self) -> ProcessLostError:
        self._thread.join(60)
        assert isinstance(self.error, ProcessLostError), self.error
        return self.error


def test_a_run_that_does_not_stop_ends_its_process_and_who_shares_it_is_not_blamed(
    host: Host, tmp_path: Path
) -> None:
    with serving(host, tmp_path, killers.suppression()) as served:
        runs = [served.runner.new_run() for _ in range(2)]
        stubborn, other = [Background(one, killers.boxes(killers.BOXES)) for one in runs]
        process = served.runner._process
        assert process is not None
        eventually_sync(lambda: len(process._running) == 2)
        runs[0].terminate()
        assert runs[0].kill()
        first, second = stubborn.lost(), other.lost()
        assert (first.terminated, first.suspects) == (True, 1)
        assert (second.terminated, second.suspects) == (False, 0)
        served.back()
        assert run(served.runner, killers.boxes(10))[0]["OUTPUT"].shape == (10, 3)


def test_runs_that_went_on_side_by_side_are_all_suspects(host: Host, tmp_path: Path) -> None:
    with serving(host, tmp_path, killers.suppression()) as served:
        runs = [Background(served.runner.new_run(), killers.boxes(killers.BOXES)) for _ in "ab"]
        process = served.runner._process
        assert process is not None
        eventually_sync(lambda: len(process._running) == 2)
        os.kill(process.pid, signal.SIGKILL)
        assert [one.lost().suspects for one in runs] == [2, 2]


def test_a_model_whose_processes_end_too_often_is_not_started_again(
    host: Host, tmp_path: Path
) -> None:
    with serving(host, tmp_path, killers.division()) as served:
        for time in range(1, DEATHS_MAX):
            os.kill(served.runner.pid, signal.SIGKILL)
            served.back(time)
        os.kill(served.runner.pid, signal.SIGKILL)
        eventually_sync(lambda: served.kinds[-2:] == ["lost", "spent"])
        assert f"{DEATHS_MAX} processes of it ended within a minute" in served.fates[-1].reason
        assert served.runner.away_s > 0.0


def test_a_process_that_keeps_what_a_large_run_needed_is_replaced_without_a_gap(
    host: Host, tmp_path: Path
) -> None:
    with serving(host, tmp_path, killers.hoard()) as served:
        run(served.runner, {"X": np.array([1], np.int64)})
        process = served.runner._process
        assert process is not None
        process.uses(2**20)
        for _ in range(GROWN_LOOKS):
            assert served.runner._process is process
            process.uses(2**31)
        eventually_sync(lambda: served.runner._process is not process)
        assert served.kinds == []
        eventually_sync(lambda: not lives(process.pid))
        # The next one grows as much, and soon: it needs it.
        again = served.runner._process
        assert again is not None
        again.uses(2**20)
        for _ in range(2 * GROWN_LOOKS):
            again.uses(2**31)
        assert served.runner._process is again


def test_a_run_may_not_take_more_memory_than_its_process_may(host: Host, tmp_path: Path) -> None:
    from dataclasses import replace

    from hasten_worker.engine.isolation.order import Order

    with serving(host, tmp_path, killers.hoard()) as served:
        path = served.runner._order_path
        replace(Order.read(path), memory_bytes_max=2**30).write(path)
        os.kill(served.runner.pid, signal.SIGKILL)
        served.back()
        with pytest.raises(ModelError) as failed:
            run(served.runner, {"X": np.array([2**29], np.int64)})
        assert not isinstance(failed.value, ProcessLostError)
        assert run(served.runner, {"X": np.array([4], np.int64)})[0]["Y"].tolist() == [4.0]


def test_when_the_nursery_dies_its_children_go_and_come_back_from_another(
    tmp_path: Path,
) -> None:
    host = Host()
    try:
        with serving(host, tmp_path, killers.division()) as served:
            child = served.runner.pid
            assert host._process is not None
            os.kill(host._process.pid, signal.SIGKILL)
            served.back()
            eventually_sync(lambda: not lives(child), what="the child of the dead nursery is gone")
            assert divided(served) == [[2]]
    finally:
        host.close()


def test_nothing_is_left_of_a_host_that_is_closed(tmp_path: Path) -> None:
    handles = len(list(Path("/proc/self/fd").iterdir()))
    host = Host()
    runner, _ = isolated_runner(host, tmp_path, killers.division(), NO_BATCHES)
    run(runner, killers.dividing(6, 3))
    assert host._process is not None
    pids = [runner.pid, host._process.pid]
    runner.close()
    host.close()
    assert not any(map(psutil.pid_exists, pids))
    assert len(list(Path("/proc/self/fd").iterdir())) == handles


# --- what a process in the hands of its model may say ------------------------------------------


def test_shared_memory_grows_shrinks_never_and_gives_back_what_a_large_run_took() -> None:
    arena = Arena.new("t")
    arena.reserve(2 * KEPT_BYTES)
    arena.array(0, (2 * KEPT_BYTES,), np.dtype(np.uint8))[:] = 1
    held = os.fstat(arena.handle)
    with pytest.raises(PermissionError):
        os.ftruncate(arena.handle, 0)
    arena.trim(2 * KEPT_BYTES)
    assert os.fstat(arena.handle).st_blocks * 512 <= KEPT_BYTES < held.st_blocks * 512
    with pytest.raises(ValueError, match="bytes of shared memory"):
        arena.follow(1 << 62)
    arena.close()


def replies() -> st.SearchStrategy[bytes]:
    number = st.integers(-(2**65), 2**65)
    laid = st.tuples(number, st.lists(number, max_size=5), number) | st.lists(number, max_size=4)
    value = st.recursive(laid | st.none() | st.text(max_size=5) | number, st.lists, max_leaves=6)
    return st.binary(max_size=30) | st.lists(value, max_size=3).map(
        lambda said: json.dumps(said).encode()
    )


@settings(max_examples=60)
@given(reply=replies(), text=st.booleans())
def test_whatever_a_process_replies_is_an_answer_or_an_error_of_its_model(
    reply: bytes, text: bool, lanes: dict[bool, Lane]
) -> None:
    with suppress(ValueError, TypeError, OverflowError):
        for output in lanes[text]._read(DONE + reply):
            assert output.nbytes < 2**20
    assert isinstance(read_failure(reply), ModelError)


@pytest.fixture(scope="module")
def lanes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[bool, Lane]]:
    from onnx import TensorProto

    made: dict[bool, Lane] = {}
    for text, kind in ((False, TensorProto.FLOAT), (True, TensorProto.STRING)):
        _, config = make_runner(tmp_path_factory.mktemp("m"), zoo.identity(kind))
        made[text] = Lane(Packing(config))
    yield made
    for lane in made.values():
        lane.close()
