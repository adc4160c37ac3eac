"""Redis: the server at a URL, or the one that `hasten up` would start."""

import asyncio
import os
import re
import subprocess
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from redis.exceptions import ResponseError

from hasten_cli.doctor.finding import Finding, fail, ok, warn
from hasten_cli.local.redis import find_redis
from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.redis_store.advice import CANNOT_ASK, EVICTION, advice_on, read_settings
from hasten_runtime.redis_store.client import bounded, execute, open_redis

VERSION_MIN: Final = (7, 0)
CLOCKS_APART_S_MAX: Final = 1.0
ANSWER_S_MAX: Final = 2.0
PROBE: Final = "hasten:probe"
_NUMBERS: Final = re.compile(r"\bv=(\d+(?:\.\d+)+)")


@dataclass(frozen=True, slots=True)
class RedisSeen:
    """What a server says of itself.

    Attributes:
        version: As it says it.
        settings: Those that keep data; None where it does not let itself be asked.
        apart_s: How far its clock is ahead of ours.
        unsure_s: How far off that may be.
    """

    version: str
    settings: Mapping[str, str] | None
    apart_s: float
    unsure_s: float


def redis_findings(
    url: str, ask: Callable[[str], Coroutine[Any, Any, RedisSeen]]
) -> Iterator[Finding]:
    """The server, what it keeps, and its clock.

    Args:
        url: Where it is; its password is never told.
        ask: Asks it. Raises StoreUnavailable, and ValueError for a URL that is none.
    """
    place = _shown(url)
    try:
        seen = asyncio.run(ask(url))
    except ValueError as error:
        yield fail(
            "redis", f"{place} is no address of a Redis: {error}", "see hasten doctor --help"
        )
        return
    except StoreUnavailable as error:
        yield fail(
            "redis",
            f"no Redis answers at {place}: {error}",
            "start it, or name another with --redis; see its password, and its firewall",
        )
        return
    yield _version("redis", seen.version, f"at {place}")
    yield from _kept(seen.settings)
    yield _clock(seen)


async def ask_redis(url: str) -> RedisSeen:
    """Asks the server. Raises StoreUnavailable and ValueError."""
    redis = open_redis(url, PROBE, connections_max=1)
    try:
        async with bounded(ANSWER_S_MAX):
            version = str((await redis.info("server")).get("redis_version", ""))
            before_s = time.time()
            seconds, microseconds = await execute(redis, "TIME")
            after_s = time.time()
            try:
                settings = await read_settings(redis)
            except ResponseError:
                settings = None
    finally:
        await redis.aclose()
    theirs_s = int(seconds) + int(microseconds) / 1e6
    half_s = (after_s - before_s) / 2
    return RedisSeen(version, settings, theirs_s - before_s - half_s, half_s)


def program_findings(
    find: Callable[[], str], version_of: Callable[[str], str]
) -> Iterator[Finding]:
    """The program that `hasten up` would start.

    Args:
        find: Its path. Raises CommandError where there is none.
        version_of: What it prints for --version.
    """
    program = find()
    told = _NUMBERS.search(version_of(program))
    yield _version("redis", told[1] if told else "", f"that `hasten up` starts: {program}")


def find_program() -> str:
    """The program's path. Raises CommandError."""
    return find_redis(os.environ.get("PATH"))


def program_version(program: str) -> str:
    """What it prints for --version."""
    asked = subprocess.run(
        [program, "--version"], capture_output=True, text=True, timeout=ANSWER_S_MAX, check=False
    )
    return asked.stdout


def _version(check: str, version: str, where: str) -> Finding:
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    least = ".".join(map(str, VERSION_MIN))
    if not numbers:
        return warn(
            check, f"the Redis {where} does not say its version", f"make sure that it has {least}"
        )
    if numbers < VERSION_MIN:
        return fail(
            check,
            f"the Redis {where} has version {version}: Hasten needs {least}",
            f"install Redis {least} or newer, or any Valkey",
        )
    return ok(check, f"version {version} {where}")


def _kept(settings: Mapping[str, str] | None) -> Iterator[Finding]:
    if settings is None:
        what, _, next_step = CANNOT_ASK.rstrip(".").partition(": ")
        yield warn("redis persistence", what, next_step)
        return
    advice = advice_on(settings)
    losing = [one for one in advice if one.setting != EVICTION]
    for one in losing:
        yield warn("redis persistence", one.what, one.next_step)
    if not losing:
        yield ok(
            "redis persistence",
            f"append-only file, appendfsync {settings.get('appendfsync', 'everysec')}",
        )
    evicting = [one for one in advice if one.setting == EVICTION]
    for one in evicting:
        # Without a limit of memory nothing is evicted, yet.
        finding = warn if settings.get("maxmemory") == "0" else fail
        yield finding("redis eviction", one.what, one.next_step)
    if not evicting:
        yield ok("redis eviction", "maxmemory-policy noeviction")


def _clock(seen: RedisSeen) -> Finding:
    apart_s = abs(seen.apart_s)
    if apart_s - seen.unsure_s <= CLOCKS_APART_S_MAX:
        return ok("clock", f"{apart_s * 1000:.0f} ms from that of Redis")
    way = "behind" if seen.apart_s > 0 else "ahead of"
    return warn(
        "clock",
        f"this machine's clock is {apart_s:.1f} s {way} that of Redis: schedules and the times in "
        "logs go by different clocks (deadlines do not)",
        "let both machines keep time by NTP, for example with chrony",
    )


def _shown(url: str) -> str:
    """The URL without user and password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
