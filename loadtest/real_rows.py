"""What was found of real models, and how people read it."""

from dataclasses import dataclass, field
from typing import Final

MULTIPLES: Final = (8, 3, 20)
"""Of a model's cost; the first is met by a model that has not been called yet."""
AIM_MULTIPLE: Final = 8
AIM: Final = 0.99


@dataclass
class Row:
    """What was found of one model.

    Attributes:
        name: Of the model.
        package: Where it comes from.
        what: It does.
        served: The mesh serves it.
        why: What index or this command say of it; "" for nothing.
        batched: It is run in batches.
        sizes: Sets of sizes that it was asked with.
        asked: Calls of all callers at once.
        equal: How many of them were answered as onnxruntime alone does.
        wrong: What was wrong with the first that was not.
        cost_ms: Of onnxruntime alone, median over the sizes.
        in_time: Share answered, by multiple of the cost.
        able: Share of calls without a deadline that ended within 8 times the cost: as much as this
            machine, with all that runs on it, let an idle worker do.
        refused: Reasons why calls were not answered in time, by multiple.
    """

    name: str
    package: str
    what: str
    served: bool = False
    why: str = ""
    batched: bool = False
    sizes: int = 0
    asked: int = 0
    equal: int = 0
    wrong: str = ""
    cost_ms: float = 0.0
    in_time: dict[int, float] = field(default_factory=dict)
    able: float = 0.0
    refused: dict[int, dict[str, int]] = field(default_factory=dict)


def table(rows: list[Row], missing: list[str]) -> str:
    """The rows as text, and what they come to."""
    heads = "".join(f"{f'{multiple}x':>7}" for multiple in MULTIPLES)
    lines = [
        (
            f"{'model':<15} {'package':<23} {'batched':<10} {'equal':>6} {'cost ms':>9} {heads}"
            f" {'able':>7} {'sizes':>5}"
        )
    ]
    for row in rows:
        shares = "".join(f"{row.in_time.get(multiple, 0.0):>7.1%}" for multiple in MULTIPLES)
        batched = ("yes" if row.batched else "no") if row.served else "not served"
        lines.append(
            f"{row.name:<15} {row.package:<23} {batched:<10} {row.equal:>2}/{row.asked:<3}"
            f" {row.cost_ms:>9.2f} {shares} {row.able:>7.1%} {row.sizes:>5}"
        )
        lines += [f"    {said}" for said in (row.why, row.wrong) if said]
        first = row.refused.get(AIM_MULTIPLE)
        if first:
            lines.append(f"    at {AIM_MULTIPLE}x: {_counted(first)}")
    served = [row for row in rows if row.served]
    right = sum(row.equal == row.asked > 0 for row in served)
    timely = sum(row.in_time.get(AIM_MULTIPLE, 0.0) >= AIM for row in served)
    lines.append(
        f"{len(served)} of {len(rows)} served; all answers right for {right}; "
        f"{AIM:.0%} and more in time at {AIM_MULTIPLE} times their cost for {timely}"
    )
    return "\n".join([*lines, *missing])


def _counted(reasons: dict[str, int]) -> str:
    return ", ".join(f"{count} {why}" for why, count in reasons.items())
