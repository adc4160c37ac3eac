"""What a check found."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

FINDINGS_MAX: Final = 20
"""Of one check that looks at many things; the last says how many more there are."""


class Status(StrEnum):
    """How grave it is. Only `fail` makes the command end with 1."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: What was looked at, as "port 8001".
        status: How grave it is.
        what: What was found, in one sentence.
        next_step: What to do about it; "" where nothing is to be done.
    """

    check: str
    status: Status
    what: str
    next_step: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """Something to look at.

    Attributes:
        name: What is said of it when it does not end, or fails itself.
        find: Looks, and blocks meanwhile. A CommandError that it raises is a finding.
    """

    name: str
    find: Callable[[], Iterable[Finding]]


def ok(check: str, what: str) -> Finding:
    """All is well."""
    return Finding(check, Status.OK, what)


def warn(check: str, what: str, next_step: str) -> Finding:
    """It works, but not as well, or not for long."""
    return Finding(check, Status.WARN, what, next_step)


def fail(check: str, what: str, next_step: str) -> Finding:
    """It does not work."""
    return Finding(check, Status.FAIL, what, next_step)


def bounded(findings: Sequence[Finding]) -> list[Finding]:
    """So many that a person reads them, the gravest first."""
    gravest = sorted(findings, key=lambda one: list(Status).index(one.status), reverse=True)
    if len(gravest) <= FINDINGS_MAX:
        return gravest
    kept, rest = gravest[: FINDINGS_MAX - 1], gravest[FINDINGS_MAX - 1 :]
    more = Finding(
        rest[0].check, rest[0].status, f"and {len(rest)} more findings", "mend those above first"
    )
    return [*kept, more]
