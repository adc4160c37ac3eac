"""Typical seconds of a batch of any rows and size, as one fit of the runs sees them."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from math import exp, log, log2

from hasten_policy.prediction.memory import Memory
from hasten_policy.prediction.plane import Plane, Point, fit
from hasten_policy.prediction.policy import PredictionPolicy
from hasten_policy.prediction.run import SECONDS_MIN, Run, band_of, median

SCALE_RUNS = 16
"""Newest runs in service that say how far the load-time profile is off as a whole."""


class Fit:
    """A plane over rows and elements, bent where the runs of a band of work lie off it.

    Args:
        plane: The plane.
        bends: (work, factor on the plane) of each band that is known, by ascending work.
        drift: Factor on all of it: how much slower the newest runs were.
    """

    __slots__ = ("_drift", "_logs", "_places", "plane")

    def __init__(self, plane: Plane, bends: Sequence[tuple[float, float]], drift: float) -> None:
        self.plane = plane
        self._places = [log2(work) for work, _ in bends]
        self._logs = [log(factor) for _, factor in bends]
        self._drift = drift

    def at(self, rows: float, size: float) -> float:
        """Typical seconds of a batch of `rows` rows of `size` elements each."""
        seconds = self.plane.at(rows, size) * self._bend(rows * size) * self._drift
        return max(SECONDS_MIN, seconds)

    def drifted(self, drift: float) -> "Fit":
        """The same, all of it `drift` times as long."""
        other = Fit(self.plane, (), drift)
        other._places, other._logs = self._places, self._logs
        return other

    def _bend(self, work: float) -> float:
        """The factor at the place: that of a known one up to half an octave around it, straight (in
        logarithms) between two and level beyond them.
        """
        places = self._places
        if not places:
            return 1.0
        place = log2(work)
        at = bisect_left(places, place)
        if at == 0:
            return exp(self._logs[0])
        if at == len(places):
            return exp(self._logs[-1])
        gap = places[at] - places[at - 1]
        level = max(0.0, min(0.5 * (gap - 0.5), 0.5))
        share = (place - places[at - 1] - level) / (gap - 2.0 * level)
        share = max(0.0, min(share, 1.0))
        return exp(self._logs[at - 1] + share * (self._logs[at] - self._logs[at - 1]))


class Profile:
    """The load-time measurements, as a prior for what no run in service has shown yet.

    Args:
        runs: Measured runs, several of a size or none at all.
        policy: What they are worth.
    """

    __slots__ = ("_fit", "_points", "_policy", "usual_size", "work_max")

    def __init__(self, runs: Sequence[Run], policy: PredictionPolicy) -> None:
        self._policy = policy
        groups: dict[tuple[int, float], list[float]] = {}
        for run in runs:
            groups.setdefault((run.rows, run.size), []).append(run.seconds)
        self._points = [
            Point(rows, size, median(seconds), policy.profile_runs)
            for (rows, size), seconds in sorted(groups.items())
        ]
        sizes = [point.size for point in self._points]
        self.usual_size = median(sizes) if sizes else 1.0
        self.work_max = max((point.rows * point.size for point in self._points), default=0.0)
        self._fit = _bent(fit(self._points), {}, self._points, policy) if self._points else None

    def points(self, memory: Memory) -> list[Point]:
        """Those that no runs in service have replaced, at the speed that these show.

        A profile that was made with other inputs, on a quiet machine or with a wrong clock is
        wrong as a whole: what it says of the proportions outlives what it says of the seconds.
        """
        if self._fit is None:
            return []
        fitted = self._fit
        policy = self._policy
        scale = 1.0
        newest = list(memory.recent)[-SCALE_RUNS:]
        if len(newest) >= policy.profile_near_runs:
            scale = median([run.seconds / fitted.at(run.rows, run.size) for run in newest])
        return [
            point._replace(seconds=scale * point.seconds)
            for point in self._points
            if memory.near(band_of(point.rows * point.size)) < policy.profile_near_runs
        ]


def fitted(memory: Memory, profile: Profile, policy: PredictionPolicy) -> Fit:
    """The fit of what is remembered; of the policy's guess when that is nothing."""
    prior = profile.points(memory)
    points = [*prior, *_medians(memory)]
    if not points:
        return Fit(Plane(0.5 * policy.unknown_s, 0.5 * policy.unknown_s, 0.0, 1.0), (), 1.0)
    found = _bent(fit(points), memory.bands, prior, policy)
    newest = list(memory.recent)[-policy.drift_runs :]
    if len(newest) < policy.profile_near_runs:
        return found
    drift = median([run.seconds / found.at(run.rows, run.size) for run in newest])
    if 1.0 / policy.drift_factor < drift < policy.drift_factor:
        return found
    return found.drifted(drift)


def _medians(memory: Memory) -> list[Point]:
    """One point for each number of rows (to half an octave) in each band."""
    points: list[Point] = []
    for runs in memory.bands.values():
        groups: dict[int, list[Run]] = {}
        for run in runs:
            groups.setdefault(band_of(run.rows), []).append(run)
        points += [_typical(group) for group in groups.values()]
    return points


def _typical(runs: Sequence[Run]) -> Point:
    return Point(
        median([float(run.rows) for run in runs]),
        median([run.size for run in runs]),
        median([run.seconds for run in runs]),
        float(len(runs)),
    )


def _bent(
    plane: Plane,
    bands: Mapping[int, Sequence[Run]],
    prior: Sequence[Point],
    policy: PredictionPolicy,
) -> Fit:
    """The plane with the factor of each band: that of its runs, shrunk to what was known before
    as long as they are few.
    """
    known: dict[int, tuple[float, float]] = {}
    for point in prior:
        work = point.rows * point.size
        known[band_of(work)] = work, point.seconds / plane.at(point.rows, point.size)
    for band, runs in bands.items():
        work = median([run.work for run in runs])
        factor = median([run.seconds / plane.at(run.rows, run.size) for run in runs])
        count = len(runs)
        if count < policy.band_runs_sure:
            # The plane alone, far from all that it was fitted to, is worth one run.
            before, worth = (known[band][1], policy.profile_runs) if band in known else (1.0, 1.0)
            share = count / (count + worth)
            factor = exp(share * log(factor) + (1.0 - share) * log(before))
        known[band] = work, factor
    return Fit(plane, sorted(known.values()), 1.0)
