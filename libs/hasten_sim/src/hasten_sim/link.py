"""The stream between one router and one worker: in order, late, and sometimes cut."""

from dataclasses import dataclass, field
from random import Random
from typing import Final, Protocol

from hasten_policy.load import LoadSample, WorkerReport
from hasten_policy.reasons import Refusal
from hasten_sim.ask import Ask
from hasten_sim.loop import Loop
from hasten_sim.scenario import Network

BREAKS_S: Final = 2.0
"""A stream over which nothing comes through for this long is given up, as keepalive does."""


@dataclass(slots=True)
class ToWorker:
    """Calls and cancels in one message: (ask, seconds left), call ids."""

    calls: list[tuple[Ask, float]] = field(default_factory=list)
    cancels: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Reply:
    """The end of one attempt at a worker.

    Attributes:
        call_id: At the router.
        refusal: Why not; None for an answer.
        service_s: Busy seconds charged.
        server_s: Seconds in the worker.
    """

    call_id: int
    refusal: Refusal | None
    service_s: float
    server_s: float


@dataclass(slots=True)
class ToRouter:
    """Replies that ended together with the load after them, or a full report."""

    replies: list[Reply] = field(default_factory=list)
    load: LoadSample | None = None
    report: WorkerReport | None = None


@dataclass(frozen=True, slots=True)
class Air:
    """What all links share."""

    loop: Loop
    network: Network
    discovery: "Discovery"


class Discovery:
    """Who is there. While its store is lost, what was found stays, and nothing new is found."""

    __slots__ = ("_unseen", "_up")

    def __init__(self) -> None:
        self._up = True
        self._unseen: list[Link] = []

    def found(self, link: "Link") -> bool:
        """Whether both ends find each other now; if not, they will when the store is back."""
        if not self._up:
            self._unseen.append(link)
        return self._up

    def lose(self) -> None:
        """The store is gone."""
        self._up = False

    def come_back(self) -> None:
        """The store is back: all that was registered meanwhile is found."""
        self._up = True
        unseen, self._unseen = self._unseen, []
        for link in unseen:
            if link.worker.serving:
                link.open()


class RouterEnd(Protocol):
    """What a link asks of its router: `SimRouter` in a simulation."""

    index: int

    def joined(self, link: "Link") -> None:
        """The stream is open."""
        ...

    def receive(self, link: "Link", message: ToRouter) -> None:
        """A message came through."""
        ...

    def lost(self, link: "Link") -> None:
        """The stream is closed or broke."""
        ...


class WorkerEnd(Protocol):
    """What a link asks of its worker, and what the router asks by way of it."""

    index: int
    worker_id: str
    serving: bool

    def link_opened(self, link: "Link") -> None:
        """The stream is open."""
        ...

    def receive(self, link: "Link", message: ToWorker) -> None:
        """A message came through."""
        ...

    def link_closed(self, link: "Link") -> None:
        """The stream is closed or broke."""
        ...


class Link:
    """One stream. Messages of a stream that broke are lost.

    Attributes:
        link_id: Its number at the worker.
        router: One end.
        worker: The other.
        up: The stream is open, as both ends see it.
    """

    __slots__ = (
        "_cut",
        "_cuts",
        "_discovery",
        "_epoch",
        "_kept",
        "_loop",
        "_network",
        "_rng",
        "_to_router_s",
        "_to_worker_s",
        "link_id",
        "router",
        "up",
        "worker",
    )

    def __init__(self, air: "Air", rng: Random, router: RouterEnd, worker: WorkerEnd) -> None:
        self._loop = air.loop
        self._network = air.network
        self._discovery = air.discovery
        self._rng = rng
        self._to_worker_s = self._to_router_s = 0.0
        self._epoch = 0
        self._cut = False
        self._cuts = 0
        self._kept: list[tuple[bool, object]] = []
        self.router = router
        self.worker = worker
        self.link_id = router.index + 1
        self.up = False

    # --- messages -----------------------------------------------------------------------

    def to_worker(self, message: ToWorker) -> None:
        """Sends to the worker."""
        if self._cut:
            self._kept.append((True, message))
        elif self.up:
            self._to_worker_s = max(self._to_worker_s, self._loop.now_s + self._delay_s())
            self._loop.at(self._to_worker_s, self._at_worker, (self._epoch, message))

    def to_router(self, message: ToRouter) -> None:
        """Sends to the router."""
        if self._cut:
            self._kept.append((False, message))
        elif self.up:
            self._to_router_s = max(self._to_router_s, self._loop.now_s + self._delay_s())
            self._loop.at(self._to_router_s, self._at_router, (self._epoch, message))

    def report(self, report: WorkerReport | None) -> None:
        """Sends a periodic full report, which may be lost."""
        lost = self._network.report_loss
        if not (lost and self._rng.random() < lost):
            self.to_router(ToRouter(report=report))

    def _delay_s(self) -> float:
        jitter_s = self._network.jitter_s
        return self._network.latency_s + (
            self._rng.expovariate(1.0 / jitter_s) if jitter_s else 0.0
        )

    def _at_worker(self, sent: tuple[int, ToWorker]) -> None:
        if sent[0] == self._epoch:
            self.worker.receive(self, sent[1])

    def _at_router(self, sent: tuple[int, ToRouter]) -> None:
        if sent[0] == self._epoch:
            self.router.receive(self, sent[1])

    # --- its life -------------------------------------------------------------------------

    def open(self) -> None:
        """Both ends find each other."""
        if not self.up and not self._cut and self._discovery.found(self):
            self.up = True
            self.worker.link_opened(self)
            self.router.joined(self)

    def breaks(self) -> None:
        """Both ends give the stream up; what was on its way is lost."""
        if self.up:
            self.up = False
            self._epoch += 1
            self._kept.clear()
            self.worker.link_closed(self)
            self.router.lost(self)

    def cut(self) -> None:
        """From now on nothing comes through; what is sent is kept for later."""
        self._cut = True
        self._cuts += 1
        self._loop.at(self._loop.now_s + BREAKS_S, self._give_up, self._cuts)

    def heal(self) -> None:
        """Messages come through again; a stream that was given up is opened anew."""
        self._cut = False
        kept, self._kept = self._kept, []
        for to_worker, message in kept:
            if to_worker:
                self.to_worker(message)  # type: ignore[arg-type]  # kept by direction
            else:
                self.to_router(message)  # type: ignore[arg-type]  # as above
        if self.worker.serving:
            self.open()

    def _give_up(self, cut: int) -> None:
        if self._cut and cut == self._cuts:
            self.breaks()
