"""Elections by locks in Consul, for owners whose data lies in no Redis."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from hashlib import blake2b
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import consul
from consul.base import Response

from hasten_runtime.consul_client import duration, open_consul, parse
from hasten_runtime.election.epochs import KnownEpochs
from hasten_runtime.election.port import Term
from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.unreadable import UNREADABLE

CALL_TIMEOUT_S: Final = 2.0
"""For all that one call of the port asks of Consul."""
SYNC_POLL_S: Final = 0.02
"""An agent tells its servers of a new check a moment later; so often a session is tried on it."""
LOCK_DELAY_S: Final = 0.5
"""Nobody else gets the lock for so long after its session was lost. It is Consul's answer to
holders that do not know yet; ours stop by their own clock, and epochs fence the rest.
"""
DEREGISTER_AFTER: Final = "1m"
"""The shortest that Consul accepts, for the check of a candidate that is gone."""
SECONDS: Final = 1000
"""In ms."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """What the key holds.

    Attributes:
        index: Of its last change; 0 when there is no such key.
        session: That holds the lock; "" for none.
        term: The newest; owner "" and epoch 0 when there was none.
        now_ms: Time of day of the agent, to the second.
    """

    index: int
    session: str
    term: Term
    now_ms: int


class ConsulElection:
    """The `Election` port over Consul; does no IO before its first call.

    Key `<namespace>/<name>` is a lock whose value has the newest term. The lock's session hangs on
    a TTL check of a service that the candidate registers at its agent, as a session's own TTL is
    ten seconds at least, and on serfHealth, for when the agent dies with its check. The epoch is
    in the value and not the lock's index, which begins anew when Consul is rebuilt.

    What `holder` says is left of a lease is all of it: Consul does not tell.

    Args:
        address: host:port of the agent's HTTP API; https:// in front makes it TLS.
        token: ACL token, None for none; CONSUL_HTTP_TOKEN in the environment wins.
        datacenter: Where the lock is; None for the agent's own.
        namespace: Meshes with different ones do not see each other.
    """

    def __init__(
        self,
        address: str,
        *,
        token: str | None = None,
        datacenter: str | None = None,
        namespace: str = "hasten",
    ) -> None:
        parse(address)  # A bad one is told now, not at the first call.
        self._access = (address, token, datacenter)
        self._namespace = namespace
        self._known = KnownEpochs()
        self._client: Any = None

    async def campaign(self, name: str, candidate: str, *, lease_s: float) -> Term | None:
        """Takes the ownership, or renews it; see the port."""
        async with _answers():
            entry = await self._read(name)
            own = entry.session if entry.term.owner == candidate else ""
            if entry.session and not own:
                return None
            await self._register(name, candidate, lease_s)
            if own and entry.term.epoch >= self._known.newest(name):
                return Term(candidate, entry.term.epoch, lease_s)
            above = 1 + max(entry.term.epoch, self._known.newest(name))
            term = Term(candidate, max(above, entry.now_ms), lease_s)
            session = own or await self._open_session(name, candidate)
            if await self._write(name, entry.index, "lock", session, term):
                self._known.note(name, term.epoch)
                return term
            await self._put(f"/v1/session/destroy/{session}")
            return None

    async def renew(self, name: str, term: Term) -> bool:
        """Prolongs a term; see the port."""
        async with _answers():
            # The pass comes first: what is read after it was still held when the lease began anew.
            service = self._service_id(name, term.owner)
            passed = await self._put(f"/v1/agent/check/pass/service:{service}")
            entry = await self._read(name)
            return passed.code == 200 and _is_newest(entry, term)

    async def resign(self, name: str, term: Term) -> None:
        """Ends a term; see the port."""
        async with _answers():
            entry = await self._read(name)
            if not _is_newest(entry, term):
                return
            # Unlocked before its session ends, so that no lock delay keeps the next one waiting.
            ended = Term("", term.epoch, term.lease_s)
            await self._write(name, entry.index, "unlock", entry.session, ended)
            await self._put(f"/v1/session/destroy/{entry.session}")
            service = self._service_id(name, term.owner)
            await self._put(f"/v1/agent/service/deregister/{service}")

    async def holder(self, name: str) -> Term | None:
        """Whose it is; see the port."""
        async with _answers():
            entry = await self._read(name)
        self._known.note(name, entry.term.epoch)
        return entry.term if entry.session else None

    async def close(self) -> None:
        """Releases connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    def _key(self, name: str) -> str:
        return f"{self._namespace}/{name}"

    def _service_id(self, name: str, candidate: str) -> str:
        # It goes into paths, and not every Consul takes those with escapes.
        digest = blake2b(f"{name}\0{candidate}".encode(), digest_size=8).hexdigest()
        return f"{self._namespace}-election-{digest}"

    async def _register(self, name: str, candidate: str, lease_s: float) -> None:
        """Begins the check's time to live anew, with a check that is made if it is not there."""
        body = {
            "ID": self._service_id(name, candidate),
            "Name": f"{self._namespace}-election",
            "Meta": {"name": name, "candidate": candidate},
            "Check": {
                "TTL": duration(lease_s),
                "Status": "passing",
                "DeregisterCriticalServiceAfter": DEREGISTER_AFTER,
            },
        }
        _want(await self._put("/v1/agent/service/register", body))

    async def _open_session(self, name: str, candidate: str) -> str:
        body = {
            "LockDelay": duration(LOCK_DELAY_S),
            "Behavior": "release",
            "NodeChecks": ["serfHealth"],
            "ServiceChecks": [{"ID": f"service:{self._service_id(name, candidate)}"}],
        }
        while True:
            opened = await self._put("/v1/session/create", body)
            if opened.code == 200:
                return str(json.loads(opened.body)["ID"])
            await asyncio.sleep(SYNC_POLL_S)

    async def _read(self, name: str) -> _Entry:
        """By the leader after it asked the others: a lock is not judged by what was."""
        client = self._opened()
        read: Response = await client.http.get(
            lambda response: response,
            f"/v1/kv/{quote(self._key(name), safe='/:')}",
            params=[("consistent", ""), *self._datacenter()],
            headers=client.prepare_headers(),
        )
        now_ms = round(parsedate_to_datetime(read.headers["Date"]).timestamp()) * SECONDS
        if read.code == 404:
            return _Entry(0, "", Term("", 0, 0.0), now_ms)
        _want(read)
        (found,) = json.loads(read.body)
        value = json.loads(base64.b64decode(found["Value"]))
        term = Term(str(value["owner"]), int(value["epoch"]), float(value["lease_s"]))
        return _Entry(int(found["ModifyIndex"]), found.get("Session", ""), term, now_ms)

    async def _write(self, name: str, index: int, verb: str, session: str, term: Term) -> bool:
        """Locks or unlocks with the term as the value; False when somebody was faster."""
        key = self._key(name)
        value = json.dumps({"owner": term.owner, "epoch": term.epoch, "lease_s": term.lease_s})
        unchanged = (
            {"Verb": "check-index", "Key": key, "Index": index}
            if index
            else {"Verb": "check-not-exists", "Key": key}
        )
        change = {
            "Verb": verb,
            "Key": key,
            "Session": session,
            "Value": base64.b64encode(value.encode()).decode(),
        }
        written = await self._put("/v1/txn", [{"KV": unchanged}, {"KV": change}])
        if written.code == 409:
            return False
        _want(written)
        return True

    async def _put(
        self, path: str, body: Mapping[str, object] | list[dict[str, Any]] | None = None
    ) -> Response:
        client = self._opened()
        response: Response = await client.http.put(
            lambda response: response,
            path,
            params=self._datacenter() if path.startswith(("/v1/txn", "/v1/session")) else [],
            data="" if body is None else json.dumps(body),
            headers=client.prepare_headers(),
        )
        return response

    def _datacenter(self) -> list[tuple[str, str]]:
        return [("dc", self._access[2])] if self._access[2] else []

    def _opened(self) -> Any:  # noqa: ANN401  (py-consul has no types)
        """The HTTP client, made at its first use because it belongs to the running loop."""
        if self._client is None:
            address, token, datacenter = self._access
            self._client = open_consul(
                address, token=token, datacenter=datacenter, timeout_s=CALL_TIMEOUT_S
            )
        return self._client


def _is_newest(entry: _Entry, term: Term) -> bool:
    return bool(entry.session) and (entry.term.owner, entry.term.epoch) == (term.owner, term.epoch)


def _want(response: Response) -> None:
    if response.code != 200:
        raise StoreUnavailable(f"Consul: {response.code} {response.body[:200]}")


@asynccontextmanager
async def _answers() -> AsyncIterator[None]:
    """Everything that Consul can do wrong, lateness included, becomes StoreUnavailable."""
    try:
        async with asyncio.timeout(CALL_TIMEOUT_S):
            yield
    except TimeoutError as error:
        raise StoreUnavailable(f"Consul did not answer within {CALL_TIMEOUT_S:g} s") from error
    except (consul.ConsulException, aiohttp.ClientError, OSError, *UNREADABLE) as error:
        raise StoreUnavailable(f"Consul: {error}") from error
