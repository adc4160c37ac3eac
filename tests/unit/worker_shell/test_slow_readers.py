"""Routers that do not take their replies, or take them slowly."""

from dataclasses import replace
from typing import cast

import numpy as np

from hasten.worker.v1 import worker_service_pb2 as wpb
from hasten_policy.reasons import Reason
from hasten_runtime.clock import ManualClock
from hasten_runtime.frames import Frames
from hasten_worker.link import Link
from tests.support.waiting import eventually
from tests.unit.worker_shell.fakes import echo_of, request_of
from tests.unit.worker_shell.harness import SMALL_BUFFER, Router, running_worker


async def test_a_reader_that_does_not_read_is_cut_off() -> None:
    model = echo_of("FP32", (-1,))
    async with running_worker(model) as bench:
        setup = bench.worker.door.links
        object.__setattr__(setup, "limits", SMALL_BUFFER)
        values = np.zeros(60_000, np.float32)
        payload = request_of({"IN0": ("FP32", values)}, model="echo_fp32").SerializeToString()
        router = Router(bench)
        await router.open()
        for call_id in range(1, 80):
            try:
                await router.send(wpb.Call(call_id=call_id, priority=1, payload=payload))
            except ConnectionError:
                break
        await eventually(lambda: bench.worker.door.links_open == 0)
        assert bench.shell.unanswered == 0
        router.cut()


class SlowConnection:
    """A connection whose other end takes what is sent at the pace of the test."""

    clogged = True
    bytes_unsent = 1_000_000
    bytes_received = 0
    half_received = False

    def abort(self, error: Exception | None = None) -> None:
        del error

    def send(self, parts: object) -> None:
        del parts

    def finish(self) -> None:
        """Nothing to do."""


async def test_a_reader_that_reads_slowly_is_not_cut_off_until_it_stops() -> None:
    async with running_worker() as bench:
        clock = ManualClock()
        setup = replace(bench.worker.door.links, clock=clock)
        slow = SlowConnection()
        link = Link(setup, cast("Frames", slow), lambda: None)
        for _ in range(20):
            link._sender._flush()
            link._sender._state_period()
            clock.advance(setup.limits.write_stall_s * 0.9)
            slow.bytes_unsent -= 1000
        assert link.fault is None
        for _ in range(3):
            link._sender._flush()
            link._sender._state_period()
            clock.advance(setup.limits.write_stall_s * 0.9)
        link._sender._state_period()
        assert link.fault is not None
        assert link.fault.reason is Reason.QUEUE_FULL
        link.disconnected(None)


async def test_a_message_that_stops_half_way_costs_its_link_and_a_trickle_does_not() -> None:
    async with running_worker() as bench:
        setup = bench.worker.door.links
        slow = SlowConnection()
        slow.clogged = False
        slow.half_received = True
        link = Link(setup, cast("Frames", slow), lambda: None)
        periods = round(setup.limits.read_stall_s / setup.limits.state_period_s)
        for _ in range(3 * periods):
            link._sender._timer.cancel()
            link._sender._state_period()
            slow.bytes_received += 1
        assert link.fault is None
        for _ in range(periods + 2):
            link._sender._timer.cancel()
            link._sender._state_period()
        assert link.fault is not None
        assert "half way" in link.fault.message
        link.disconnected(None)
