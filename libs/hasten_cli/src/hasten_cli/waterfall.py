"""Where the time of one request went, drawn as a waterfall."""

from typing import TYPE_CHECKING, Final

from hasten_cli.durations import format_duration

if TYPE_CHECKING:
    from hasten_client import TimingBreakdown

WIDTH: Final = 40


def waterfall(timing: "TimingBreakdown", *, fill: str = "█") -> list[str]:
    """One line a part, each bar beginning where the one before it ends.

    The client's own part and the network are drawn first, although half of them lies at the
    end: nobody can tell the halves apart.
    """
    total_us = max(timing.total_us, sum(spent for _, spent in timing.parts), 1)
    lines = []
    before_us = 0
    for name, spent_us in timing.parts:
        start = round(before_us / total_us * WIDTH)
        end = round((before_us + spent_us) / total_us * WIDTH)
        bar = fill * max(end - start, 1 if spent_us else 0)
        lines.append(
            f"  {name:<18} {format_duration(spent_us / 1e6):>8}  {' ' * min(start, WIDTH - 1)}{bar}"
        )
        before_us += spent_us
    lines.append(
        f"  {'total':<18} {format_duration(timing.total_us / 1e6):>8}  "
        f"worker {timing.worker_id or 'unknown'}, batch of {timing.batch_rows}"
    )
    return [line.rstrip() for line in lines]
