"""A run that nothing stops is answered as such, and is not begun again elsewhere."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

import hasten_client as hc
from tests.faults.test_poison import DEADLINE_S, Mesh, all_back, once, running
from tests.support.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("poison")]

BOXES = 300_000
"""Compared with each other, in one operator that looks for no sign to stop: a minute."""
CONFIG = """\
max_batch_size: 0
parameters { key: "hasten.run_timeout_ms" value { string_value: "2000" } }
"""
ENDED = "ended with status 70"
BACK_S_MAX = 60.0


def write_suppression(models: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("NonMaxSuppression", ["BOXES", "SCORES", "MOST"], ["OUTPUT"])],
        "boxes",
        [
            helper.make_tensor_value_info("BOXES", TensorProto.FLOAT, [1, "boxes", 4]),
            helper.make_tensor_value_info("SCORES", TensorProto.FLOAT, [1, 1, "boxes"]),
        ],
        [helper.make_tensor_value_info("OUTPUT", TensorProto.INT64, ["kept", 3])],
        [helper.make_tensor("MOST", TensorProto.INT64, [1], [10**9])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    folder = models / "boxes" / "1"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    (models / "boxes" / "config.pbtxt").write_text(CONFIG)


def apart(count: int) -> dict[str, Any]:
    """Boxes of which none overlaps another."""
    boxes = np.zeros((1, count, 4), np.float32)
    boxes[0, :, 0] = 2 * np.arange(count)
    boxes[0, :, 2] = boxes[0, :, 0] + 1
    boxes[0, :, 3] = 1
    return {"BOXES": boxes, "SCORES": np.linspace(1, 2, count, dtype=np.float32).reshape(1, 1, -1)}


async def test_a_run_that_does_not_stop_is_answered_so_and_not_begun_on_a_third_worker(
    tmp_path: Path,
) -> None:
    write_suppression(tmp_path / "models")
    with running(tmp_path, 2, HASTEN_WORKER_POLICY__STOP_PATIENCE_S="0.2") as mesh:
        async with once(mesh) as client:
            for ended in (1, 2):
                with pytest.raises(hc.HastenError) as raised:
                    await client.infer("boxes", apart(BOXES))
                assert raised.value.reason == "RUN_OVERSTAYED", raised.value
                found = await client.infer("boxes", apart(10), deadline_s=DEADLINE_S)
                assert found["OUTPUT"].shape == (10, 3)
                await eventually(partial(ends, mesh, ended), BACK_S_MAX)
                await all_back(client, 2)
                assert ends(mesh, ended)
            with pytest.raises(hc.HastenError) as raised:
                await client.infer("boxes", apart(BOXES))
            assert raised.value.reason == "POISONOUS", raised.value
        assert ends(mesh, 2)


def ends(mesh: Mesh, count: int) -> bool:
    return mesh.process.stderr.count(ENDED) == count
