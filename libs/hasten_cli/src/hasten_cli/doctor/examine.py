"""Carries out checks side by side, within one bound of time."""

import threading
import time
from collections.abc import Sequence
from typing import Final

from hasten_cli.doctor.finding import Check, Finding, fail
from hasten_cli.failures import CommandError

CHECKS_S_MAX: Final = 10.0
"""Longest wait for all checks together."""


def examine(checks: Sequence[Check], *, within_s: float = CHECKS_S_MAX) -> list[Finding]:
    """What the checks found, in their order.

    A check that fails itself, or does not end in time, is a finding too.
    """
    found: dict[int, list[Finding]] = {}

    def look(place: int, check: Check) -> None:
        found[place] = _looked(check)

    # Threads that nobody waits for at the end: what a check waits for may never come.
    threads = [
        threading.Thread(target=look, args=(place, check), name=check.name, daemon=True)
        for place, check in enumerate(checks)
    ]
    for thread in threads:
        thread.start()
    end_s = time.monotonic() + within_s
    for thread in threads:
        thread.join(max(0.0, end_s - time.monotonic()))
    told: list[Finding] = []
    for place, check in enumerate(checks):
        told += found.get(place, [_late(check.name, within_s)])
    return told


def _looked(check: Check) -> list[Finding]:
    try:
        return list(check.find())
    except CommandError as error:
        return [fail(check.name, error.message, error.next_step)]
    except Exception as error:  # noqa: BLE001  (whatever it is, the other checks go on)
        said = " ".join(str(error).split())
        return [
            fail(
                check.name,
                f"the check itself failed: {type(error).__name__}{f': {said}' if said else ''}",
                "report it, with the output of `hasten version`; the other findings stand",
            )
        ]


def _late(name: str, within_s: float) -> Finding:
    return fail(
        name,
        f"the check did not end within {within_s:g} s",
        "see whether the disk or the network hangs, then run it again",
    )
