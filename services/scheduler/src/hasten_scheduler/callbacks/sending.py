"""Tells one receiver by HTTP, and connects to nobody else."""

import errno
import math
import socket
import time
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from hasten_policy.reasons import Reason, Refusal
from hasten_policy.scheduler.jobs.callbacks import Answer, answer_of
from hasten_runtime.errors import MeshError
from hasten_scheduler.callbacks.places import Places
from hasten_scheduler.callbacks.signing import signed_headers

CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Told:
    """What came of telling.

    Attributes:
        answer: What the receiver said.
        asked_s: Seconds for which it asked to be left alone; 0 for nothing.
        refusal: Why it did not take it; None when it did.
    """

    answer: Answer
    asked_s: float = 0.0
    refusal: Refusal | None = None


class Sender:
    """Posts events. Its connections are closed with `close`.

    Args:
        places: Where it may go.
        secret: Signs what it says.
        timeout_s: Longest time for one attempt, from the name to the answer.
        at_once: Attempts at once at most.
    """

    def __init__(self, places: Places, secret: bytes, *, timeout_s: float, at_once: int) -> None:
        self._places = places
        self._secret = secret
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._at_once = at_once
        self._session: aiohttp.ClientSession | None = None

    async def tell(self, uri: str, event_id: str, event: bytes) -> Told:
        """Tells once. Never raises: whatever happens is an answer."""
        try:
            self._check(uri)
            headers = signed_headers(self._secret, event_id, int(time.time()), event)
            headers["content-type"] = CONTENT_TYPE
            async with self._open().post(
                uri, data=event, headers=headers, allow_redirects=False
            ) as response:
                return _told(response)
        except MeshError as error:
            # The settings may have changed since it was accepted.
            return Told(Answer.NEVER, refusal=error.refusal)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            said = str(error) or type(error).__name__
            return Told(Answer.NOT_NOW, refusal=_failed(f"the receiver was not reached: {said}"))

    async def close(self) -> None:
        """Closes connections."""
        if self._session is not None:
            await self._session.close()

    def _check(self, uri: str) -> None:
        """By the name; the resolver checks by the addresses. A name that is an address is not
        resolved.
        """
        self._places.check(uri)
        host = urlsplit(uri).hostname or ""
        try:
            reaches = self._places.reaches(host)
        except ValueError:
            return
        if not reaches:
            raise MeshError(_not_reached(host))

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                resolver=_GuardedResolver(self._places), use_dns_cache=False, limit=self._at_once
            )
            # No proxy of the environment: it would go where we may not.
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=self._timeout,
                trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"user-agent": "hasten-callbacks"},
            )
        return self._session


class _GuardedResolver(AbstractResolver):
    """Finds the addresses behind a name, and only those that may be reached: the connection goes
    to what was checked, whatever the name means a moment later.
    """

    def __init__(self, places: Places) -> None:
        self._places = places
        self._names = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Addresses of a name. Raises OSError when none may be reached."""
        found = await self._names.resolve(host, port, family)
        allowed = [each for each in found if self._places.reaches(each["host"])]
        if not allowed:
            raise OSError(errno.EACCES, _not_reached(host).message)
        return allowed

    async def close(self) -> None:
        """Nothing is held."""


def _told(response: aiohttp.ClientResponse) -> Told:
    answer = answer_of(response.status)
    if answer is Answer.TAKEN:
        return Told(answer)
    return Told(
        answer,
        _asked_s(response.headers.get("retry-after", "")),
        _failed(f"the receiver answered with status {response.status}"),
    )


def _asked_s(text: str) -> float:
    """Seconds of a Retry-After header; dates are not read."""
    try:
        asked_s = float(text)
    except ValueError:
        return 0.0
    return asked_s if math.isfinite(asked_s) and asked_s > 0 else 0.0


def _failed(message: str) -> Refusal:
    return Refusal(Reason.CALLBACK_FAILED, message)


def _not_reached(host: str) -> Refusal:
    return Refusal(
        Reason.CALLBACK_NOT_ALLOWED,
        f"the address of {host} is not public, and the setting callbacks.private_addresses is off",
    )
