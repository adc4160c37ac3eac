"""Which shard a task lies in. Every process and every version says the same."""

from hashlib import blake2b
from typing import Final

DIGEST_BYTES: Final = 8


def shard_of(tenant: str, request_id: str, key: str, count: int) -> int:
    """The shard, 0 to count - 1, so that a repeat of a request finds the first one.

    Tasks of a tenant with the same non-empty concurrency key lie in one shard, whatever their ids:
    only there can they be counted.

    Args:
        tenant: Of the task.
        request_id: Of the task; distinguishes it from the tenant's others.
        key: Its concurrency key; "" for none.
        count: Of the shards; above 0.
    """
    # A tenant's length in front, so that no two pairs of names run together into one text.
    kind, name = ("k", key) if key else ("r", request_id)
    text = f"{len(tenant)}:{tenant}{kind}{name}".encode()
    digest = blake2b(text, digest_size=DIGEST_BYTES).digest()
    return int.from_bytes(digest) % count
