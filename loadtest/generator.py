"""Sends inference calls when they are due and times how they end, at little cost.

A load generator that shares its cores with what it measures must take little of them. This sender
writes HTTP/2 itself, knows one method and reads no answer; it takes a third to a fifth of what a
call costs `grpc.aio` (decision 0031). It behaves as gRPC's clients do: it tells the server how much
time is left, and cancels when that is over.
"""

import gc
import heapq
import random
import select
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from math import inf
from types import TracebackType
from typing import Final, Self

from hasten_runtime.protocol_names import MODEL_INFER
from hasten_sim.workload import processes
from loadtest import frames
from loadtest.call import Outcome
from loadtest.connection import Call, Connection
from loadtest.frames import Ended

CONNECTIONS: Final = 4
"""That the calls are spread over."""
IN_A_ROW: Final = 16
"""Calls that a sender who is late sends before it looks at what has come."""
LEAD_S: Final = 0.05
"""Between making the connections and the first call."""
_LEFT: Final = Ended("DEADLINE_EXCEEDED", "")
_OK: Final = "OK"


@dataclass(frozen=True, slots=True)
class Planned:
    """One call to come.

    Attributes:
        at_s: Seconds from the start.
        payload: The serialised request.
        deadline_s: From its sending; None for none.
    """

    at_s: float
    payload: bytes
    deadline_s: float | None


@dataclass(frozen=True, slots=True)
class Offer:
    """What is offered where all calls have one deadline.

    Attributes:
        rate_per_s: Mean arrivals a second, Poisson.
        duration_s: How long.
        deadline_s: Deadline of each call; None for none.
        seed: Of the arrival times.
    """

    rate_per_s: float
    duration_s: float
    deadline_s: float | None
    seed: int = 1

    def planned(self, payloads: Sequence[bytes]) -> Iterator[Planned]:
        """The calls, the payloads in turn; the same for the same seed."""
        times = processes.poisson(random.Random(self.seed), self.rate_per_s, self.duration_s)
        for index, at_s in enumerate(times):
            yield Planned(at_s, payloads[index % len(payloads)], self.deadline_s)


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of calls.

    Attributes:
        outcomes: In the order of the calls.
        wall_s: From the first call to the end of the last.
        cpu_s: Of this process meanwhile: what the sender itself took.
    """

    outcomes: tuple[Outcome, ...]
    wall_s: float
    cpu_s: float


class Sender:
    """Calls ModelInfer of one server over several connections.

    Args:
        address: "host:port".
        connections: How many.

    Raises:
        ConnectionError: There is no gRPC server, or it went away (from any method).
    """

    def __init__(self, address: str, connections: int = CONNECTIONS) -> None:
        self._connections = [Connection(address, MODEL_INFER) for _ in range(connections)]
        self._by_fd = {connection.fileno(): connection for connection in self._connections}
        self._next = 0
        self._expiries: list[tuple[float, int, Call]] = []
        self._order = count()
        self.under_way = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for connection in self._connections:
            connection.close()

    def begin(self, body: bytes, due_s: float, deadline_s: float | None) -> Call:
        """Sends a call with the next turn; `body` is wrapped by `frames.message`."""
        now_s = time.monotonic()
        expires_s = inf if deadline_s is None else due_s + deadline_s
        call = Call(body, due_s, now_s, expires_s)
        self.under_way += 1
        if expires_s < inf:
            heapq.heappush(self._expiries, (expires_s, next(self._order), call))
        if expires_s > now_s:
            self._connections[self._next].begin(call)
            self._next = (self._next + 1) % len(self._connections)
        return call

    def ask(self, body: bytes, deadline_s: float | None) -> Outcome:
        """Sends a call now and waits for its end; no other may be under way."""
        call = self.begin(body, time.monotonic(), deadline_s)
        while call.ended is None:
            self.turn(inf)
        return _outcome(call, call.ended)

    def turn(self, until_s: float) -> list[Call]:
        """Sends, waits for answers until then at most, and returns the calls that ended."""
        for connection in self._connections:
            connection.flush()
        while self._expiries and self._expiries[0][2].ended is not None:
            heapq.heappop(self._expiries)
        if self._expiries:
            until_s = min(until_s, self._expiries[0][0])
        wait_s = None if until_s == inf else max(0.0, until_s - time.monotonic())
        full = [fd for fd, one in self._by_fd.items() if one.pending]
        readable, _, _ = select.select(self._by_fd, full, (), wait_s)
        ended: list[Call] = []
        for fd in readable:
            ended += self._by_fd[fd].read()
        now_s = time.monotonic()
        for call in ended:
            call.done_s = now_s
            if now_s > call.expires_s and call.ended is not None and call.ended.status == _OK:
                call.ended = _LEFT  # Too late for a caller who looks at the clock.
        self._expire(now_s, ended)
        self.under_way -= len(ended)
        return ended

    def _expire(self, now_s: float, ended: list[Call]) -> None:
        while self._expiries and self._expiries[0][0] <= now_s:
            _, _, call = heapq.heappop(self._expiries)
            if call.ended is None:
                if call.connection is not None:
                    call.connection.leave(call)
                call.ended, call.done_s = _LEFT, now_s
                ended.append(call)


def offer(address: str, calls: Iterable[Planned], *, connections: int = CONNECTIONS) -> Sent:
    """Sends each call when it is due, however the server fares: an open loop.

    A closed loop (send, wait, send) slows down with the server and so hides an overload; see
    "coordinated omission".

    Args:
        address: "host:port".
        calls: In order of time.
        connections: That they are spread over.
    """
    sent: list[Call] = []
    wrapped: dict[bytes, bytes] = {}
    with _undisturbed(), Sender(address, connections) as sender:
        begin_s, cpu_s = time.monotonic() + LEAD_S, time.process_time()
        late = 0
        for planned in calls:
            due_s = begin_s + planned.at_s
            late = late + 1 if time.monotonic() > due_s else 0
            while time.monotonic() < due_s:
                sender.turn(due_s)
            if late and not late % IN_A_ROW:
                sender.turn(0.0)
            body = wrapped.get(planned.payload)
            if body is None:
                body = wrapped[planned.payload] = frames.message(planned.payload)
            sent.append(sender.begin(body, due_s, planned.deadline_s))
        while sender.under_way:
            sender.turn(inf)
        return _sent(sent, begin_s, cpu_s)


def keep_busy(
    address: str,
    payloads: Sequence[bytes],
    *,
    callers: int,
    seconds: float,
    connections: int = CONNECTIONS,
) -> Sent:
    """Has `callers` calls under way for so long: a closed loop. The payloads come in turn.

    Args:
        address: "host:port".
        payloads: Serialised requests.
        callers: How many.
        seconds: For how long new calls are made; each caller makes one at least.
        connections: That they are spread over.
    """
    bodies = [frames.message(payload) for payload in payloads]
    sent: list[Call] = []
    with _undisturbed(), Sender(address, connections) as sender:
        begin_s, cpu_s = time.monotonic(), time.process_time()
        end_s = begin_s + seconds
        for _ in range(callers):
            sent.append(sender.begin(bodies[len(sent) % len(bodies)], time.monotonic(), None))
        while sender.under_way:
            for call in sender.turn(inf):
                if call.done_s < end_s:
                    sent.append(sender.begin(bodies[len(sent) % len(bodies)], call.done_s, None))
        return _sent(sent, begin_s, cpu_s)


def one_by_one(address: str, calls: Iterable[tuple[bytes, float | None]]) -> Sent:
    """Sends each call when the one before has ended: a single caller.

    Args:
        address: "host:port".
        calls: Serialised requests with the seconds that each may take, None for any.
    """
    with _undisturbed(), Sender(address, 1) as sender:
        begin_s, cpu_s = time.monotonic(), time.process_time()
        outcomes = tuple(
            sender.ask(frames.message(payload), deadline_s) for payload, deadline_s in calls
        )
        return Sent(outcomes, time.monotonic() - begin_s, time.process_time() - cpu_s)


def _outcome(call: Call, ended: Ended) -> Outcome:
    return Outcome(call.due_s, call.sent_s - call.due_s, call.done_s - call.due_s, *ended)


def _sent(calls: list[Call], begin_s: float, cpu_s: float) -> Sent:
    wall_s, cpu_s = time.monotonic() - begin_s, time.process_time() - cpu_s
    outcomes = tuple(_outcome(call, call.ended) for call in calls if call.ended is not None)
    return Sent(outcomes, wall_s, cpu_s)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Without the pauses of a garbage collection."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
