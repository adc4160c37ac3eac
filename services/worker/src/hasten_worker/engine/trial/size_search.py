"""Sizes for the free dimensions of a model, found by trying.

No file says which sizes a model takes: a detector wants multiples of 32, a convolution at least
its kernel, a speech model one or two frame lengths. What the file does say is used first: dims
with one name have one size, and the sizes of weights are often those of the inputs before them.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from hasten_worker.engine.facts import Sizes
from hasten_worker.engine.trial.budget import Budget

Attempt = Callable[[Sizes], bool]
"""Runs the model once with these sizes: whether that succeeded."""

COMMON: Final = (
    *(1, 2, 16, 64, 32, 8, 4, 128, 256, 224, 320, 512, 640, 48, 80, 384, 480, 1024, 3, 5, 7, 10),
    *(28, 40, 96, 100, 160, 192, 299, 400, 416, 768, 800, 1536, 2048, 4096, 8000, 16000),
)
"""Sizes to try, the most usual first: powers of two, and what images, spectra and a second of
sound are cut to."""
MIXED: Final = (1, 16, 64, 3, 32, 80, 224, 256, 512, 640)
"""For several free dimensions of sizes that have nothing to do with each other."""
CHANNELS: Final = (3, 1, 80)
NAMES_MAX: Final = 6
"""Of more free dimensions than this, subsets are not tried one by one."""
PROFILE_SIZES: Final = (1, 16, 64, 256)
TRIAL_SIZES: Final = (3, 5, 7)
"""Sizes beside the profile's: no multiples of anything, so that nothing fits by accident."""


def search(
    names: Sequence[str], attempt: Attempt, hints: Sequence[int], budget: Budget
) -> tuple[Sizes | None, int]:
    """The first sizes that the model runs with, and how many were tried.

    Args:
        names: Of the free dimensions.
        attempt: Runs the model.
        hints: Sizes that occur in the file.
        budget: For all attempts.
    """
    tried: set[tuple[int, ...]] = set()
    for chosen in _candidates(len(names), hints):
        if chosen in tried:
            continue
        if tried and not budget.left():
            break
        tried.add(chosen)
        sizes = dict(zip(names, chosen, strict=True))
        if attempt(sizes):
            return sizes, len(tried)
    return None, len(tried)


def widen(base: Sizes, attempt: Attempt, budget: Budget) -> tuple[list[Sizes], list[Sizes]]:
    """More sizes that the model runs with.

    Args:
        base: Sizes that it ran with.
        attempt: Runs the model.
        budget: For all attempts.

    Returns:
        Sizes to measure, `base` the first, then ascending; and those that only show how the
        model treats other sizes.
    """
    if not base:
        return [base], []
    known: dict[tuple[int, ...], bool] = {tuple(base.values()): True}

    def runs(sizes: Sizes) -> bool:
        key = tuple(sizes.values())
        if key not in known:
            known[key] = budget.left() and attempt(sizes)
        return known[key]

    loose: dict[str, Sizes] = {}
    for name, size in base.items():
        changed = ({**base, name: near} for near in _near(size))
        found = next(filter(runs, changed), None)
        if found is not None:
            loose[name] = found
    measured: list[Sizes] = [base]
    others: list[Sizes] = list(loose.values())
    for target, sizes_to_try in ((measured, PROFILE_SIZES), (others, TRIAL_SIZES)):
        for size in sizes_to_try:
            together = dict.fromkeys(base, size)
            apart = {**base, **dict.fromkeys(loose, size)}
            chosen = together if runs(together) else apart
            if runs(chosen) and chosen not in (*measured, *others):
                target.append(chosen)
    return measured, others


def _near(size: int) -> Iterator[int]:
    """Other sizes that a dimension may have if it may have any but this one."""
    yield from (size + 1, 2 * size, size + 16, size + 32)


def _candidates(count: int, hints: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Sizes for `count` dimensions, the most likely first."""
    yield (1,) * count
    if not count:
        return
    sizes = tuple(dict.fromkeys((*COMMON, *hints)))
    # Few of them first: one may be a batch, a number of channels, or of a weight's size.
    subsets = sorted(itertools.product((False, True), repeat=count), key=sum)[1:-1]
    if count > NAMES_MAX:
        subsets = [tuple(place == one for place in range(count)) for one in range(count)]
    for size in sizes:
        for subset in subsets:
            yield tuple(size if chosen else 1 for chosen in subset)
        yield (size,) * count
    for channels in dict.fromkeys((*hints, *CHANNELS)):
        for size in COMMON[1:16]:
            for place in range(count):
                yield tuple(channels if place == at else size for at in range(count))
    if count <= NAMES_MAX:
        yield from itertools.product(tuple(dict.fromkeys((*hints[:4], *MIXED))), repeat=count)
