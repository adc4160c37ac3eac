"""Cores that several processes want, and what others take of them."""

from math import inf, prod
from random import Random
from typing import Any, Final

from hasten_sim.loop import Act, Loop

NEARLY_S: Final = 1e-9
"""Work of which less is left is done: time is a sum of many floats."""


class Work:
    """Something that keeps threads of a process busy until it is done.

    Attributes:
        process: Whose.
        threads: How many it keeps busy.
        left_s: Seconds that it would still take with all the cores that it wants.
        act: What is done when it is done.
        payload: What that is given.
        given_up: Nobody waits for it any more.
    """

    __slots__ = ("act", "given_up", "left_s", "payload", "process", "threads")

    def __init__(
        self,
        process: "Process",
        threads: float,
        left_s: float,
        act: Act,
        payload: Any,  # noqa: ANN401  (whatever the act takes)
    ) -> None:
        self.process = process
        self.threads = threads
        self.left_s = left_s
        self.act = act
        self.payload = payload
        self.given_up = False


class Stolen:
    """Shares that are taken away, each for a while.

    Attributes:
        left: The share that is left.
    """

    __slots__ = ("_shares", "left")

    def __init__(self) -> None:
        self.left = 1.0
        self._shares: list[float] = []

    def take(self, share: float) -> None:
        """From now on `share` of what there is is taken."""
        self._shares.append(share)
        self.left = prod(1.0 - taken for taken in self._shares)

    def give_back(self, share: float) -> None:
        """That ends."""
        self._shares.remove(share)
        self.left = prod(1.0 - taken for taken in self._shares)


class Cpu:
    """The cores of one machine. When its processes want more than there is, all their threads are
    slowed, in proportion to the weights of the processes, as a fair scheduler does it.

    Args:
        loop: Virtual time.
        cores: How many; inf for as many as are wanted.
        slice_s: Others keep a core at most so long once they have it.
        rng: Says how much of that is left when somebody wants a core.
    """

    __slots__ = (
        "_at_s",
        "_cores",
        "_loop",
        "_others",
        "_rng",
        "_slice_s",
        "_stolen",
        "_turn",
        "_works",
    )

    def __init__(
        self, loop: Loop, cores: float = inf, slice_s: float = 0.0, rng: Random | None = None
    ) -> None:
        self._slice_s = slice_s
        self._rng = rng
        self._others = 0.0
        self._stolen = Stolen()
        self._loop = loop
        self._cores = cores
        self._works: list[Work] = []
        self._at_s = loop.now_s
        self._turn = 0

    def start(self, work: Work, *, awake: bool = False) -> Work:
        """Begins a piece of work, now or when there is a core; one that is `awake` has it."""
        wait_s = 0.0 if awake else self._wait_s(work)
        if wait_s > 0.0:
            self._loop.at(self._loop.now_s + wait_s, self._begin, work)
        else:
            self._begin(work)
        return work

    def stop(self, work: Work) -> None:
        """Gives a piece of work up; nothing comes of it."""
        work.given_up = True
        if work in self._works:
            self.settle()
            self._works.remove(work)
            self.plan()

    def _begin(self, work: Work) -> None:
        if not work.given_up:
            self.settle()
            self._works.append(work)
            self.plan()

    def _wait_s(self, work: Work) -> float:
        """Until one of those who have a core has used its slice up, where there are too many."""
        if self._rng is None or not self._slice_s:
            return 0.0
        wanted = self._wanted() + work.threads
        if wanted <= self._cores or self._rng.random() < self._cores / wanted:
            return 0.0
        return self._rng.uniform(0.0, self._slice_s)

    # --- what others take -------------------------------------------------------------------

    def steal(self, share: float) -> None:
        """From now on a share of the time of every core is taken."""
        self.settle()
        self._stolen.take(share)
        self.plan()

    def give_back(self, share: float) -> None:
        """That ends."""
        self.settle()
        self._stolen.give_back(share)
        self.plan()

    def crowd(self, threads: float) -> None:
        """From now on so many more threads of others always want a core; fewer, if negative."""
        self.settle()
        self._others += threads
        self.plan()

    # --- what is done when ------------------------------------------------------------------

    def settle(self) -> None:
        """Takes account of what was done until now; before anything changes."""
        passed_s = self._loop.now_s - self._at_s
        self._at_s = self._loop.now_s
        if passed_s > 0.0:
            level = self._level()
            for work in self._works:
                work.left_s -= passed_s * self._rate(work, level)

    def plan(self) -> None:
        """Asks to be woken when the next piece of work is done; after anything has changed."""
        self._turn += 1
        level = self._level()
        rates = [(work, self._rate(work, level)) for work in self._works]
        ends_s = [work.left_s / rate for work, rate in rates if rate > 0.0]
        if ends_s:
            self._loop.at(self._loop.now_s + max(0.0, min(ends_s)), self._due, self._turn)

    def _rate(self, work: Work, level: float) -> float:
        """The share of a core that each of its threads gets."""
        share = min(1.0, level * work.process.weight)
        return work.process.left * (self._stolen.left * share)

    def _level(self) -> float:
        """The share of a core of a process of weight 1: no thread gets more than one, and what it
        leaves is for the others.
        """
        if self._wanted() <= self._cores:
            return inf
        weighed: dict[float, float] = {1.0: self._others}
        for work in self._works:
            weight = work.process.weight
            threads = work.threads * work.process.left
            weighed[weight] = weighed.get(weight, 0.0) + threads
        left = self._cores
        while True:
            level = left / sum(weight * threads for weight, threads in weighed.items())
            heaviest = max(weighed)
            if level * heaviest <= 1.0 or len(weighed) == 1:
                return level
            left -= weighed.pop(heaviest)

    def _wanted(self) -> float:
        """Threads that want a core."""
        return self._others + sum(work.threads * work.process.left for work in self._works)

    def _due(self, turn: int) -> None:
        if turn != self._turn:
            return
        self.settle()
        done = [work for work in self._works if work.left_s <= NEARLY_S]
        self._works = [work for work in self._works if work.left_s > NEARLY_S]
        self.plan()
        for work in done:
            work.act(work.payload)


class Process:
    """One process of a machine.

    Args:
        cpu: The machine's.
        weight: It gets so many times what one of weight 1 gets where cores are short.
    """

    __slots__ = ("_cpu", "_stolen", "weight")

    def __init__(self, cpu: Cpu, weight: float = 1.0) -> None:
        self.weight = weight
        self._cpu = cpu
        self._stolen = Stolen()

    @property
    def left(self) -> float:
        """The share of its time that is not taken from it alone."""
        return self._stolen.left

    def steal(self, share: float) -> None:
        """From now on a share of its time is taken from it."""
        self._cpu.settle()
        self._stolen.take(share)
        self._cpu.plan()

    def give_back(self, share: float) -> None:
        """That ends."""
        self._cpu.settle()
        self._stolen.give_back(share)
        self._cpu.plan()

    def start(
        self,
        seconds: float,
        threads: float,
        act: Act,
        payload: Any,  # noqa: ANN401  (whatever the act takes)
        *,
        awake: bool = False,
    ) -> Work:
        """Keeps threads busy for so long, or longer when the machine is.

        Args:
            seconds: With all the cores that it wants.
            threads: How many.
            act: What is done then.
            payload: What that is given.
            awake: They go on from something else, and need not wait for a core.

        Returns:
            For `stop`.
        """
        return self._cpu.start(Work(self, threads, seconds, act, payload), awake=awake)

    def stop(self, work: Work) -> None:
        """Gives a piece of work up."""
        self._cpu.stop(work)
