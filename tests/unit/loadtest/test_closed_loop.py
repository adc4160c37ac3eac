"""A closed loop whose time is over before it has begun has a result all the same."""

import asyncio
from pathlib import Path

import numpy as np

from loadtest import closed_loop
from loadtest.call import serialised
from loadtest.hop import in_process
from loadtest.repository import write_mean
from tests.unit.client.scripted_server import ScriptedServer


def test_every_caller_makes_a_call_however_short_the_time() -> None:
    payload = serialised("m", "INPUT", np.ones((1, 4), np.float32))
    with ScriptedServer() as server:
        run = asyncio.run(closed_loop.run(server.address, payload, callers=3, seconds=0.0))
    assert len(run.latencies_s) >= 3
    assert 0 < run.quantile_s(0.5) <= run.quantile_s(0.99)


def test_a_model_is_run_in_this_process_however_short_the_time(tmp_path: Path) -> None:
    write_mean(tmp_path, "mean4", width=4)
    p50_ms, p99_ms, per_s, _ = in_process(tmp_path / "mean4" / "1" / "model.onnx", 4, 0.0)
    assert 0 < p50_ms <= p99_ms
    assert per_s > 0
