"""Inputs during whose runs worker processes died.

One input that ends its process ends as many as it is sent to. So it is remembered: after the
second death it is not run again. A death proves nothing against what only ran when it came, so one
answer clears an input, and a process that turns out to live clears all that it seemed to die of.
"""

from collections.abc import Collection
from dataclasses import dataclass

from hasten_policy.content import Content

DEATHS_MAX = 2
"""Processes that may die of one input."""


@dataclass(frozen=True, slots=True)
class Input:
    """An input of one model version."""

    model: str
    version: str
    content: Content


@dataclass(slots=True)
class _Record:
    processes: tuple[str, ...]
    until_s: float


class Suspicions:
    """A bounded memory of inputs that ran when processes died.

    Args:
        inputs_max: Most inputs remembered; the one with the oldest death goes first.
        life_s: An input is forgotten this long after its last death.
    """

    __slots__ = ("_inputs_max", "_life_s", "_records", "_sizes")

    def __init__(self, inputs_max: int, life_s: float) -> None:
        self._inputs_max = inputs_max
        self._life_s = life_s
        # In the order of the last death, which is that in which they are forgotten.
        self._records: dict[Input, _Record] = {}
        self._sizes: dict[str, dict[int, int]] = {}

    def __len__(self) -> int:
        return len(self._records)

    def sizes_of(self, model: str) -> Collection[int]:
        """Sizes of the inputs of a model that are remembered: only those need be looked at."""
        return self._sizes.get(model, ())

    def deaths(self, suspect: Input, now_s: float) -> tuple[str, ...]:
        """Processes that died while the input ran."""
        self._forget_old(now_s)
        record = self._records.get(suspect)
        return record.processes if record is not None else ()

    def died(self, suspect: Input, process: str, now_s: float) -> tuple[str, ...]:
        """A process died while the input ran; all those that did."""
        processes = self.deaths(suspect, now_s)
        self._forget(suspect)
        if process not in processes:
            processes = (*processes, process)[-DEATHS_MAX:]
        while self._records and len(self._records) >= self._inputs_max:
            self._forget(next(iter(self._records)))
        if self._inputs_max:
            self._records[suspect] = _Record(processes, now_s + self._life_s)
            sizes = self._sizes.setdefault(suspect.model, {})
            sizes[suspect.content.size_bytes] = sizes.get(suspect.content.size_bytes, 0) + 1
        return processes

    def answered(self, suspect: Input) -> bool:
        """A process ran the input and lives; whether that clears it of anything."""
        return self._forget(suspect)

    def lives(self, process: str) -> None:
        """The process did not die: only the connection to it did."""
        for suspect, record in list(self._records.items()):
            if process in record.processes:
                record.processes = tuple(name for name in record.processes if name != process)
                if not record.processes:
                    self._forget(suspect)

    def _forget_old(self, now_s: float) -> None:
        while self._records:
            suspect, record = next(iter(self._records.items()))
            if record.until_s > now_s:
                return
            self._forget(suspect)

    def _forget(self, suspect: Input) -> bool:
        if self._records.pop(suspect, None) is None:
            return False
        sizes = self._sizes[suspect.model]
        size_bytes = suspect.content.size_bytes
        sizes[size_bytes] -= 1
        if not sizes[size_bytes]:
            del sizes[size_bytes]
        if not sizes:
            del self._sizes[suspect.model]
        return True
