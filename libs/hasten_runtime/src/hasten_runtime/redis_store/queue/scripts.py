"""The queue's Lua scripts, and how they are called."""

import functools
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import NoScriptError

from hasten_policy.scheduler.tasks import Lane
from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.redis_store.client import bounded, execute
from hasten_runtime.redis_store.durability import SYNCED_TIMEOUT_S, Syncs
from hasten_runtime.redis_store.queue.lanes import lane_from_bytes, lane_to_bytes
from hasten_runtime.tasks.port import Fenced

if TYPE_CHECKING:
    from redis.asyncio import Redis


Arg = str | bytes | int | float

TRIES_MAX: Final = 16
"""Most repeats for lanes that the caller did not know: tasks seldom change theirs meanwhile."""
# A full server refuses what makes more of it; whatever makes less, or keeps it going, must pass.
_READING: Final = frozenset({"records", "page", "stats", "ahead"})
_GROWING: Final = frozenset({"enqueue", "requeue", "move"})


@dataclass(slots=True)
class Reply:
    """What a script answered.

    Attributes:
        now_ms: The server's time.
        missing: Lanes that it needs and that the call did not name.
        own: The script's own answer.
    """

    now_ms: int
    missing: list[Lane]
    own: Any


class ShardScripts:
    """The scripts of one shard. All its keys share a hash tag, and thus a slot of a cluster.

    Args:
        redis: Not closed here.
        tag: What all keys begin with, in braces.
    """

    def __init__(self, redis: "Redis", tag: str) -> None:
        self._redis = redis
        self._tag = tag
        self._lanes = f"{{{tag}}}:lane:".encode()
        self.channel = f"{{{tag}}}:wakes".encode()
        self.keys = {
            name: f"{{{tag}}}:{name}".encode()
            for name in (
                *("tasks", "counts", "lanes", "changes", "later", "running", "ended", "dead"),
                *("owner", "pauses"),
            )
        }

    async def call(
        self,
        name: str,
        lanes: Sequence[Lane],
        args: Iterable[Arg],
        *,
        syncs: "Syncs | None" = None,
    ) -> Reply:
        """Runs the script `name`.lua once.

        Args:
            name: The script.
            lanes: Those that it may touch; its arguments give them by number from 1.
            args: Its own.
            syncs: Waits until what the script wrote is as safe as that says.

        Raises:
            StoreUnavailable: It was carried out or not.
            Fenced: It says that somebody else owns the shard; it has done nothing.
        """
        names = [lane_to_bytes(lane) for lane in lanes]
        keys = [*self.keys.values(), *(self._lanes + name for name in names)]
        text, digest = _script(name)
        tail = (len(keys), *keys, self.channel, len(names), *names, *args)
        send = execute if syncs is None else syncs.run
        async with bounded() if syncs is None else bounded(SYNCED_TIMEOUT_S):
            try:
                reply = await send(self._redis, "EVALSHA", digest, *tail)
            except NoScriptError:
                reply = await send(self._redis, "EVAL", text, *tail)
        if reply == 0:
            raise Fenced(f"somebody else owns {self._tag}")
        now_ms, missing, own = reply
        return Reply(now_ms, [lane_from_bytes(lane) for lane in missing], own)

    async def call_each(
        self,
        name: str,
        lanes: Iterable[Lane],
        args: Sequence[Arg],
        *,
        syncs: "Syncs | None" = None,
    ) -> list[int]:
        """Runs a script whose arguments are ids of tasks and whose answer is a number for each,
        again for those whose lanes it found missing.

        The lanes of a task that only its id is known of stand in its record.
        """
        known = dict.fromkeys(lanes)
        answers: dict[Arg, int] = {}
        left = args
        for _ in range(TRIES_MAX):
            reply = await self.call(name, list(known), left, syncs=syncs)
            answers.update(zip(left, reply.own, strict=True))
            left = [arg for arg in left if answers[arg] == LANE_MISSING]
            if not left:
                return [answers[arg] for arg in args]
            known.update(dict.fromkeys(reply.missing))
        raise StoreUnavailable("the lanes of tasks change faster than they can be named")


LANE_MISSING: Final = -1
"""A script's answer for a task whose lane the call did not name."""


@functools.cache
def _script(name: str) -> tuple[str, str]:
    """Text and digest of a script."""
    files = resources.files(__package__)
    flags = "no-writes" if name in _READING else "" if name in _GROWING else "allow-oom"
    head = f"#!lua flags={flags}\n" if flags else "#!lua\n"
    common, own = ((files / f"{part}.lua").read_text() for part in ("common", name))
    text = head + common + own
    return text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
