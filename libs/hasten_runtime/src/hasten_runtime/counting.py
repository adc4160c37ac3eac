"""Counting what has ended, after those who waited for it have their answers."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from hasten_runtime import logs

T = TypeVar("T")

_log = logs.logger(__name__)


def count_each(count: Callable[[T], None], ended: Iterable[T]) -> None:
    """Counts each of them; a fault of ours costs the count of one, not of all that come after it.

    The faults of a round make one line in the log, with the traceback of the last.
    """
    failed = 0
    fault: Exception | None = None
    for one in ended:
        try:
            count(one)
        except Exception as error:  # noqa: BLE001  (whatever it is, the others are counted)
            failed += 1
            fault = error
    if fault is not None:
        _log.error("counting.failed", failed=failed, exc_info=fault)
