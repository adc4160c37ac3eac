"""What came of a workload that was offered to a real mesh, and how people read it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import mean
from typing import Final

from loadtest.calibrate import Overhead
from loadtest.summary import Summary

DISTURBED_MS: Final = 20.0
"""When the sender itself was late by more than this (p99), the machine was busy with other things,
and the figures are about those."""


@dataclass(frozen=True, slots=True)
class Found:
    """What came of one load. Requests before the end of the warm-up do not count.

    Attributes:
        load: Offered, as a multiple of the capacity.
        measured_s: Length of what counts.
        summary: Outcomes.
        answer_ms: Quantiles of the answers.
        refusal_ms: Quantiles of all else.
        sender_late_ms: p99 of how much too late this process sent: what it adds by itself.
        overhead: Measured before the run, with --compare.
        simulated: Attainment in each run of the simulator, with --compare.
    """

    load: float
    measured_s: float
    summary: Summary
    answer_ms: dict[str, float]
    refusal_ms: dict[str, float]
    sender_late_ms: float
    overhead: Overhead | None
    simulated: tuple[float, ...]

    @property
    def attainment(self) -> float:
        """Share of the offered requests that were answered in time."""
        return self.summary.answered / self.summary.offered if self.summary.offered else 1.0

    @property
    def gap_pp(self) -> float | None:
        """Simulated, on average, less real; in percentage points."""
        return (mean(self.simulated) - self.attainment) * 100 if self.simulated else None

    @property
    def disturbed(self) -> bool:
        """The machine was too busy with other things for the figures to say much."""
        return self.sender_late_ms > DISTURBED_MS

    def as_json(self) -> dict[str, object]:
        """All of it."""
        return {
            **asdict(self),
            "attainment": self.attainment,
            "goodput_per_s": self.summary.answered / self.measured_s,
            "gap_pp": self.gap_pp,
            "disturbed": self.disturbed,
        }


def table(found: Sequence[Found]) -> str:
    """All loads as text."""
    compare = bool(found[0].simulated)
    lines = [
        "load   offered/s  in time/s  attainment  answer p50/p99   refusal p99  sent late p99"
        + ("   simulated (least - most)    gap" if compare else "")
    ]
    lines += [_row(one) for one in found]
    for one in found:
        ended = {**one.summary.refused, **one.summary.missed}
        refused = ", ".join(f"{count} {reason}" for reason, count in ended.items())
        lines.append(f"{one.load:>4.2f}x not in time: {refused or 'none'}")
    lines += [
        f"{one.load:>4.2f}x measured before it: a call {one.overhead.call_s * 1e3:.2f} + "
        f"{one.overhead.jitter_s * 1e3:.2f} ms, a batch {one.overhead.batch_s * 1e3:.2f} ms"
        for one in found
        if one.overhead is not None
    ]
    if compare:
        lines.append(f"gap: {_gaps(found)}")
    if any(one.disturbed for one in found):
        calm = [one for one in found if not one.disturbed]
        lines.append(
            "! the sender itself was late: this machine was busy with something else, "
            "and the row says little"
        )
        if compare and calm:
            lines.append(f"gap without these rows: {_gaps(calm)}")
    return "\n".join(lines)


def _row(one: Found) -> str:
    line = (
        f"{one.load:>4.2f}x{'!' if one.disturbed else ' '}"
        f"{one.summary.offered / one.measured_s:>10.0f}"
        f" {one.summary.answered / one.measured_s:>10.0f} {one.attainment:>11.2%}"
        f" {one.answer_ms['p50']:>7.1f}/{one.answer_ms['p99']:>5.1f} ms"
        f" {one.refusal_ms['p99']:>10.1f} ms {one.sender_late_ms:>11.1f} ms"
    )
    if not one.simulated:
        return line
    least, most = min(one.simulated), max(one.simulated)
    return f"{line} {mean(one.simulated):>8.2%} ({least:.2%} - {most:.2%}) {one.gap_pp:>+5.1f}pp"


def _gaps(found: Sequence[Found]) -> str:
    gaps = [abs(one.gap_pp) for one in found if one.gap_pp is not None]
    return f"mean {mean(gaps):.2f} pp, max {max(gaps):.2f} pp"
