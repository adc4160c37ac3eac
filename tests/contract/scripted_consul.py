"""A server that speaks Consul's health API and says what a test tells it to say."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from aiohttp import web


@dataclass
class Script:
    """What the server answers to the next health query.

    Attributes:
        index: X-Consul-Index; a query that waits for this index is answered after a moment.
        ids: Instance ids that are listed.
        status: HTTP status.
        body: Instead of the list.
        headers: Further headers.
        hangs: Takes requests and answers none.
        queries: What was asked, in order.
    """

    index: int = 10
    ids: list[str] = field(default_factory=list)
    status: int = 200
    body: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    hangs: bool = False
    queries: list[dict[str, str]] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def say(self, **news: object) -> None:
        """Changes the script and wakes the queries that wait."""
        for name, value in news.items():
            setattr(self, name, value)
        self.changed.set()
        self.changed = asyncio.Event()


@asynccontextmanager
async def scripted_consul(script: Script) -> AsyncIterator[str]:
    """Serves the script; yields the address."""

    async def health(request: web.Request) -> web.Response:
        script.queries.append(dict(request.query))
        if request.query.get("index") == str(script.index):
            wait_s = float(request.query["wait"].removesuffix("ms")) / 1000
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await script.changed.wait()
        while script.hangs:
            await script.changed.wait()
        entries = [
            {
                "Node": {"Address": "10.9.9.9"},
                "Service": {
                    "ID": f"hasten-worker-{name}",
                    "Address": "10.0.0.1",
                    "Port": 8001,
                    "Meta": {},
                    "ModifyIndex": 1,
                },
            }
            for name in script.ids
        ]
        return web.Response(
            status=script.status,
            text=json.dumps(entries) if script.body is None else script.body,
            headers={
                "X-Consul-Index": str(script.index),
                "X-Consul-KnownLeader": "true",
                "X-Consul-LastContact": "0",
                **script.headers,
            },
        )

    application = web.Application()
    application.router.add_get("/v1/health/service/{name}", health)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"127.0.0.1:{port}"
    finally:
        script.say(hangs=False)
        await runner.cleanup()
