"""Which of the live schedulers should own which shard."""

from collections.abc import Collection

from hasten_policy.fleet.subset import affinity_score


def spread(shards: int, live: Collection[str]) -> list[str]:
    """The owner that each shard should have, by number; empty when nobody lives.

    By rendezvous: whoever knows the same live ones says the same, in whatever order they came; of
    the shards only those move whose owner left, or whose new owner came. The shares are as even as
    chance makes them, see decision 0051.
    """
    if not live:
        return []
    return [
        max(live, key=lambda name: (affinity_score(f"shard {shard}", name), name))
        for shard in range(shards)
    ]
