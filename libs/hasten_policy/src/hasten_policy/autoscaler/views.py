"""What an autoscaler's machine knows and has decided, for people."""

from dataclasses import dataclass

from hasten_policy.autoscaler.events import LoadTold
from hasten_policy.scaling.limits import Bounds
from hasten_policy.scaling.sight import Sight


@dataclass(frozen=True, slots=True)
class MemberView:
    """One worker of the pool.

    Attributes:
        worker_id: Its name.
        stage: "starting", "ready" or "draining".
        since_s: For so many seconds.
        load: What it told last; None before.
        pool: Where it is; "" where there is one pool.
    """

    worker_id: str
    stage: str
    since_s: float
    load: LoadTold | None
    pool: str = ""


@dataclass(frozen=True, slots=True)
class PoolView:
    """The pool.

    Attributes:
        mode: What the machine may do: see ModeSet.
        rule: Which rule decides.
        desired: What was decided last; None before the first decision.
        bounds: Of the pool.
        sight: As the rule would see it now.
        blind: There is nothing new enough to decide by.
        waits_to_start_s: After a refusal nobody is started for so long.
        members: The workers.
    """

    mode: str
    rule: str
    desired: int | None
    bounds: Bounds
    sight: Sight
    blind: bool
    waits_to_start_s: float
    members: tuple[MemberView, ...]
