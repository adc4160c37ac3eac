"""How long pretended runs take."""

from math import exp, inf, log1p, sqrt
from random import Random
from typing import Final

from hasten_policy.load import ModelSpec
from hasten_sim.scenario import MeshShape, ModelShape, Noise

PROFILE_RUNS: Final = 10
"""Load-time runs of each batch size, as many as a real worker measures."""
PROFILE_LENGTHS: Final = 4
"""Of so many lengths, where requests differ in that."""
QUEUE_MAX: Final = 1_000_000
RUN_S_MAX: Final = 3600.0


class RunTimes:
    """Seconds of runs of one model on one worker, noise included.

    Args:
        shape: The model.
        speed: Of the worker.
        rng: Of the noise from run to run.
        course: Of the noise that has a course: drift and stalls.
    """

    __slots__ = ("_drift", "_mu", "_rng", "_sigma", "_speed", "_stalls", "shape")

    def __init__(
        self, shape: ModelShape, speed: float, rng: Random, course: Random | None = None
    ) -> None:
        self.shape = shape
        self._speed = speed
        self._rng = rng
        variance = log1p(shape.noise.cv**2)
        self._sigma = sqrt(variance)
        self._mu = -variance / 2.0
        noise = shape.noise
        self._drift = _Drift(noise, course) if course and noise.drift_cv else None
        self._stalls = _Stalls(noise, course) if course and noise.stall_every_s else None

    def seconds(self, rows: int, length: int = 1, now_s: float = 0.0) -> float:
        """Seconds of the next run.

        Args:
            rows: Rows of the batch.
            length: Of each of them.
            now_s: When it begins; not before the one before.
        """
        noise = self.shape.noise
        seconds = self.shape.times.seconds(rows, length) / self._speed
        if self._sigma:
            seconds *= self._rng.lognormvariate(self._mu, self._sigma)
        if noise.tail_share and self._rng.random() < noise.tail_share:
            seconds *= noise.tail_factor
        if self._drift is not None:
            seconds *= self._drift.factor(now_s)
        if self._stalls is not None:
            seconds += self._stalls.met_s(now_s, seconds)
        return seconds

    def profile(self) -> tuple[tuple[int, int, float], ...]:
        """What a measurement at load time finds, for each power of two and the full batch:
        (rows, elements, seconds), one a run.
        """
        shape = self.shape
        if shape.profiled_at == "never":
            return ()
        lengths = (1,) if shape.profiled_at == "length_1" else shape.lengths.some(PROFILE_LENGTHS)
        most = shape.batch_max
        sizes = [1 << power for power in range((most - 1).bit_length())]
        return tuple(
            (size, size * length, shape.profiled_factor * self.seconds(size, length, -inf))
            for length in lengths
            for size in [*sizes, most]
            for _ in range(PROFILE_RUNS)
        )


class _Drift:
    """A log-normal factor of mean 1 that forgets its past exponentially (Ornstein-Uhlenbeck)."""

    __slots__ = ("_at_s", "_rng", "_sigma", "_span_s", "_value")

    def __init__(self, noise: Noise, rng: Random) -> None:
        self._rng = rng
        self._sigma = sqrt(log1p(noise.drift_cv**2))
        self._span_s = noise.drift_s
        self._at_s = -inf
        self._value = rng.gauss(0.0, self._sigma)

    def factor(self, now_s: float) -> float:
        """Its value at a time not before the last one."""
        if now_s > self._at_s:
            # Exact for any step: what is left of the old value, and as much new as was lost.
            kept = exp((self._at_s - now_s) / self._span_s)
            new = self._sigma * sqrt(1.0 - kept * kept)
            self._value = kept * self._value + self._rng.gauss(0.0, new)
            self._at_s = now_s
        return exp(self._value - self._sigma * self._sigma / 2.0)


class _Stalls:
    """Moments, Poisson in time, at which whatever runs takes longer."""

    __slots__ = ("_next_s", "_noise", "_rng")

    def __init__(self, noise: Noise, rng: Random) -> None:
        self._noise = noise
        self._rng = rng
        self._next_s = rng.expovariate(1.0 / noise.stall_every_s)

    def met_s(self, now_s: float, seconds: float) -> float:
        """How much longer a run takes that begins now and would take so many seconds."""
        found_s = 0.0
        while self._next_s < now_s + seconds + found_s:
            # One that met an idle worker is over.
            found_s += self._noise.stall_s if self._next_s >= now_s else 0.0
            self._next_s += self._rng.expovariate(1.0 / self._noise.stall_every_s)
        return found_s


def spec_of(times: RunTimes, mesh: MeshShape) -> ModelSpec:
    """The model as a worker's machine is told of it."""
    shape = times.shape
    return ModelSpec(
        key=f"{shape.name}/1",
        name=shape.name,
        version="1",
        serves_unversioned=True,
        batch_max=shape.batch_max,
        batch_sizes=(),
        preferred_sizes=(),
        queue_delay_max_s=0.0,
        instances=mesh.lanes,
        queue_max=QUEUE_MAX,
        default_timeout_s=0.0,
        run_s_max=RUN_S_MAX,
        profile=times.profile(),
    )
