"""Feeding a real scheduler from iterators."""

import pickle
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from hasten_client import InvalidArgument, ModelFailed, NotFound, TaskClient
from hasten_client.bulk import Bulk
from tests.integration.scheduler.conftest import TaskMesh

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("tasks mesh")]


@pytest.fixture
def address(tasks_mesh: TaskMesh) -> str:
    return tasks_mesh.schedulers[0].address


@pytest.fixture
def echo(address: str) -> Bulk:
    return Bulk("echo", address, run=uuid4().hex, window=64)


def row(number: float) -> dict[str, Any]:
    return {"INPUT": np.array([[number, 0, 0, 0]], np.float32)}


def test_answers_come_in_order_and_a_part_done_again_finds_them(echo: Bulk) -> None:
    values = [float(number) for number in range(150)]
    for _ in range(2):
        answers = list(echo.answers(map(row, values)))
        assert [float(task.result["OUTPUT"][0][0]) for task in answers if task.result] == values
        assert {task.runs for task in answers} == {1}


def test_no_more_is_read_than_the_window(echo: Bulk, address: str) -> None:
    read = 0

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal read
        for number in range(10_000):
            read += 1
            yield row(number)

    answers = echo.answers(rows())
    for taken in range(1, 200):
        next(answers)
        assert read <= taken + echo.window
    answers.close()
    with TaskClient(address) as client:
        assert client.stats().states  # The scheduler is well.


def test_a_batch_of_arrays_gives_arrays_also_after_a_pickle(echo: Bulk) -> None:
    batch = {"INPUT": np.arange(40, dtype=np.float32).reshape(10, 4)}
    for bulk in (echo, pickle.loads(pickle.dumps(echo))):  # noqa: S301  (made here)
        np.testing.assert_array_equal(bulk(batch)["OUTPUT"], batch["INPUT"])
    assert echo({}) == {}


def test_errors_are_told(address: str) -> None:
    picky = Bulk("picky", address, run=uuid4().hex)
    rows = [{"INPUT": np.array([number], np.int64)} for number in (0, 9, 1)]
    assert [task.state for task in picky.answers(rows)] == ["done", "dead", "done"]
    with pytest.raises(ModelFailed):
        list(picky.partition(rows))
    with pytest.raises(NotFound):
        list(Bulk("nobody", address).answers(rows))
    with pytest.raises(InvalidArgument):
        list(picky.answers([{"INPUT": [[1], [1, 2]]}]))
