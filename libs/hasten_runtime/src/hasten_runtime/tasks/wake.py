"""What the owner of a shard hears at once."""

from dataclasses import dataclass

from hasten_policy.scheduler.tasks import Lane


@dataclass(frozen=True, slots=True)
class Wake:
    """Something changed in a shard that its owner wants to know at once.

    Attributes:
        shard: The shard.
        grew: Lanes that got tasks, each with the least new place as in TaskHead.
        revoked: Running tasks that were cancelled.
        left: Waiting tasks that left their lanes.
        paused: The set of paused scopes changed.
        jobs: Jobs that somebody else created or changed.
        later: Tasks were accepted that may not start yet.
    """

    shard: int
    grew: tuple[tuple[Lane, float], ...] = ()
    revoked: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    paused: bool = False
    jobs: tuple[str, ...] = ()
    later: bool = False
