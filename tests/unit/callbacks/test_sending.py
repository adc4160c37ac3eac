"""Events over real HTTP: what arrives, what counts as taken, and where no connection goes."""

import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from hasten_policy.reasons import Reason
from hasten_policy.scheduler.jobs.callbacks import Answer
from hasten_scheduler.callbacks.places import Places, origin_of
from hasten_scheduler.callbacks.sending import Sender
from hasten_scheduler.callbacks.signing import secret_of, signed_headers

SECRET = secret_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
EVENT = json.dumps({"specversion": "1.0"}).encode()


class Receiver:
    """Takes what comes.

    Attributes:
        answers: Responses of the next requests; those without one get 200.
        came: Headers and bodies.
    """

    def __init__(self) -> None:
        self.answers: list[web.Response] = []
        self.came: list[tuple[dict[str, str], bytes]] = []
        self.port = 0

    async def take(self, request: web.Request) -> web.Response:
        self.came.append((dict(request.headers), await request.read()))
        return self.answers.pop(0) if self.answers else web.Response()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    taking = Receiver()
    app = web.Application()
    app.router.add_post("/hook", taking.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    taking.port = runner.addresses[0][1]
    yield taking
    await runner.cleanup()


@pytest.fixture
async def sender(receiver: Receiver) -> AsyncIterator[Sender]:
    origins = [origin_of(f"http://{host}:{receiver.port}") for host in ("127.0.0.1", "localhost")]
    opened = Sender(Places(origins, private=True), SECRET, timeout_s=20.0, at_once=2)
    yield opened
    await opened.close()


async def test_an_event_arrives_signed(receiver: Receiver, sender: Sender) -> None:
    for host in ("127.0.0.1", "localhost"):
        told = await sender.tell(f"http://{host}:{receiver.port}/hook", "e1", EVENT)
        assert told.answer is Answer.TAKEN
    for said, body in receiver.came:
        headers = {name.lower(): value for name, value in said.items()}
        assert body == EVENT
        assert headers["content-type"] == "application/cloudevents+json; charset=utf-8"
        signed = signed_headers(SECRET, "e1", int(headers["webhook-timestamp"]), body)
        assert headers["webhook-signature"] == signed["webhook-signature"]


async def test_what_a_receiver_says_is_heard(receiver: Receiver, sender: Sender) -> None:
    receiver.answers = [
        web.Response(status=503, headers={"retry-after": "7"}),
        web.Response(status=307, headers={"location": "/hook"}),
        web.Response(status=410, headers={"retry-after": "Tomorrow"}),
    ]
    uri = f"http://127.0.0.1:{receiver.port}/hook"
    told = [await sender.tell(uri, "e1", EVENT) for _ in range(3)]
    assert [each.answer for each in told] == [Answer.NOT_NOW, Answer.NOT_NOW, Answer.NEVER]
    assert [each.asked_s for each in told] == [7.0, 0.0, 0.0]
    assert all(each.refusal and each.refusal.reason is Reason.CALLBACK_FAILED for each in told)
    # The redirection was not followed.
    assert len(receiver.came) == 3


async def test_nobody_at_the_address_is_no_answer() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        origins = [origin_of(f"http://127.0.0.1:{port}")]
        alone = Sender(Places(origins, private=True), SECRET, timeout_s=20.0, at_once=1)
        told = await alone.tell(f"http://127.0.0.1:{port}/", "e1", EVENT)
        await alone.close()
    assert told.answer is Answer.NOT_NOW


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"])
async def test_a_name_that_leads_inside_is_not_followed(
    receiver: Receiver, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{receiver.port}")
    origins = [origin_of(f"http://{host}:{receiver.port}")]
    public = Sender(Places(origins, private=False), SECRET, timeout_s=20.0, at_once=1)
    told: Any = await public.tell(f"http://{host}:{receiver.port}/hook", "e1", EVENT)
    await public.close()
    assert told.answer is not Answer.TAKEN
    assert "not public" in told.refusal.message
    assert receiver.came == []
