"""How long pretended runs take."""

from math import log1p, sqrt
from random import Random
from typing import Final

from hasten_policy.machines.worker_events import ModelSpec
from hasten_sim.scenario import MeshShape, ModelShape

PROFILE_RUNS: Final = 10
"""Load-time runs of each batch size, as many as a real worker measures."""
QUEUE_MAX: Final = 1_000_000
RUN_S_MAX: Final = 3600.0


class RunTimes:
    """Seconds of runs of one model on one worker, noise included.

    Args:
        shape: The model.
        speed: Of the worker.
        rng: Of the noise.
    """

    __slots__ = ("_alpha_s", "_beta_s", "_mu", "_rng", "_sigma", "_speed", "shape")

    def __init__(self, shape: ModelShape, speed: float, rng: Random) -> None:
        self.shape = shape
        self._speed = speed
        self._rng = rng
        variance = log1p(shape.noise.cv**2)
        self._sigma = sqrt(variance)
        self._mu = -variance / 2.0

    def seconds(self, rows: int) -> float:
        """Seconds of the next run of `rows` rows."""
        noise = self.shape.noise
        seconds = self.shape.times.seconds(rows) / self._speed
        if self._sigma:
            seconds *= self._rng.lognormvariate(self._mu, self._sigma)
        if noise.tail_share and self._rng.random() < noise.tail_share:
            seconds *= noise.tail_factor
        return seconds

    def profile(self) -> tuple[tuple[int, int, float], ...]:
        """What a measurement at load time finds, for each power of two and the full batch."""
        most = self.shape.batch_max
        sizes = [1 << power for power in range((most - 1).bit_length())]
        factor = self.shape.profiled_factor
        return tuple(
            (size, size, factor * self.seconds(size))
            for size in [*sizes, most]
            for _ in range(PROFILE_RUNS)
        )


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
