"""Twelve callers at once, each with data of its own, at a real worker process."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

from loadtest.row_models import MIXING, ROW_WISE
from loadtest.row_wise import CALLERS, table, write
from tests.integration.worker.conftest import Start

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("worker")]

CALLS = 4


def test_every_caller_gets_the_answer_to_its_own_data(start: Start, tmp_path: Path) -> None:
    chosen = (*ROW_WISE, *MIXING)
    models = tmp_path / "models"
    write(models, chosen)
    worker = start(models, {"kind": "memory"})
    rows = asyncio.run(table(worker.address, chosen, CALLS))
    assert [row.model for row in rows if not row.good] == []
    assert all(row.calls == CALLERS * CALLS for row in rows)
    for row in rows:
        assert ("served one call at a time" in row.reason) != row.row_wise
        assert row.row_wise or row.rows_a_batch == 1


def test_a_size_that_the_model_does_not_take_is_named_and_harms_nobody(
    start: Start, tmp_path: Path
) -> None:
    model = next(one for one in ROW_WISE if one.name == "convolution")
    models = tmp_path / "models"
    write(models, [model])
    worker = start(models, {"kind": "memory"})
    with triton.InferenceServerClient(worker.address) as client:
        for sides in ((2, 2), (1, 300), (0, 8)):
            odd = np.zeros((1, 3, *sides), np.float32)
            with pytest.raises(InferenceServerException, match="Conv") as raised:
                client.infer(model.name, given(odd))
            assert "INTERNAL" in raised.value.status() or "INVALID" in raised.value.status()
            sides_text = ",".join(str(side) for side in sides)
            assert sides_text in raised.value.message().replace(" ", "")
        answer = client.infer(model.name, given(np.ones((2, 3, 9, 31), np.float32)))
        assert answer.as_numpy("Y").shape == (2, 8)


def given(value: np.ndarray[Any, Any]) -> list[triton.InferInput]:
    tensor = triton.InferInput("X", list(value.shape), "FP32")
    tensor.set_data_from_numpy(value)
    return [tensor]
