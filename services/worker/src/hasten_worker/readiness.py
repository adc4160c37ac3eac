"""What stands against sending the worker traffic."""

from collections.abc import Callable, Sequence
from typing import Protocol

from hasten_runtime.readiness import gap_sentence
from hasten_worker.engine.store.entries import Gap

NO_MODEL = "no model is served"


class Models(Protocol):
    """The model store, as far as readiness goes."""

    def gaps(self) -> Sequence[Gap]:
        """What should serve and does not."""
        ...

    @property
    def serves(self) -> bool:
        """Some model serves."""
        ...


def faults_of(models: Models, *, strict: bool) -> Callable[[], list[str]]:
    """For `Readiness.begin`: one sentence for each thing that should serve and does not, and one
    when nothing does; none where readiness is not strict.
    """

    def faults() -> list[str]:
        if not strict:
            return []
        found = [gap_sentence(gap.name, gap.version, gap.reason) for gap in models.gaps()]
        return found if found or models.serves else [NO_MODEL]

    return faults
