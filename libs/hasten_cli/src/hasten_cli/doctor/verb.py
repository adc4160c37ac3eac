"""What `hasten doctor` does."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from hasten_cli.doctor.checks import DoctorOptions, checks
from hasten_cli.doctor.examine import examine
from hasten_cli.doctor.finding import Finding, Status
from hasten_cli.failures import FAILED
from hasten_cli.output import console, print_json

_STYLES: Final = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "bold red"}


def doctor(options: DoctorOptions, *, as_json: bool) -> int:
    """Looks at everything and tells it; returns the exit code."""
    found = examine(list(checks(options)))
    counts = Counter(one.status for one in found)
    if as_json:
        print_json(
            {
                **{status.value: counts[status] for status in Status},
                "findings": [asdict(one) for one in found],
            }
        )
    else:
        _show(found)
        print(summary(counts))
    return FAILED if counts[Status.FAIL] else 0


def summary(counts: Counter[Status]) -> str:
    """One line on all findings."""
    if not counts[Status.FAIL] and not counts[Status.WARN]:
        return f"all {counts[Status.OK]} findings are ok"
    return ", ".join(f"{counts[status]} {status}" for status in Status)


def _show(found: Sequence[Finding]) -> None:
    width = max((len(one.check) for one in found), default=0)
    target = console()
    for one in found:
        rest = f"  {one.check.ljust(width)}  {one.what}"
        if target.is_terminal:
            from rich.text import Text

            target.print(Text.assemble((f"{one.status:<4}", _STYLES[one.status]), rest))
        else:
            print(f"{one.status:<4}{rest}")
        if one.next_step:
            print(f"{' ' * (width + 8)}next: {one.next_step}")
