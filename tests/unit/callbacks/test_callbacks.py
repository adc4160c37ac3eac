"""Callbacks: whom they may tell, how they are signed, when they are told again."""

import base64
import hashlib
import hmac
import json
from random import Random

import pytest

from hasten_policy.reasons import Reason
from hasten_policy.scheduler.jobs.callbacks import Answer, CallbackPolicy, answer_of, pause_s
from hasten_runtime.errors import MeshError
from hasten_scheduler.callbacks.events import TASK_ENDED, event_id_of, event_of
from hasten_scheduler.callbacks.places import Places, origin_of
from hasten_scheduler.callbacks.signing import secret_of, signed_headers

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105  (of the specification's example)


@pytest.mark.parametrize(
    ("allowed", "uri"),
    [
        ("a.example", "https://a.example/x?y=1"),
        ("a.example", "https://a.example:443/"),
        ("https://a.example:8443", "https://A.example:8443/"),
        ("http://10.0.0.7:80", "http://10.0.0.7/"),
        ("*.example", "https://b.a.example/"),
        ("https://[2001:db8::1]:9", "https://[2001:db8::1]:9/"),
    ],
)
def test_who_is_named_is_told(allowed: str, uri: str) -> None:
    Places([origin_of(allowed)], private=False).check(uri)


@pytest.mark.parametrize(
    ("allowed", "uri", "reason"),
    [
        ("", "https://a.example/", Reason.CALLBACK_NOT_ALLOWED),
        ("a.example", "http://a.example/", Reason.CALLBACK_NOT_ALLOWED),
        ("a.example", "https://a.example:8443/", Reason.CALLBACK_NOT_ALLOWED),
        ("a.example", "https://b.a.example/", Reason.CALLBACK_NOT_ALLOWED),
        ("a.example", "https://a.example.evil/", Reason.CALLBACK_NOT_ALLOWED),
        ("*.a.example", "https://a.example/", Reason.CALLBACK_NOT_ALLOWED),
        ("*.a.example", "https://b\u0430.example/", Reason.INVALID_REQUEST),
        ("*.a.example", "https://evila.example/", Reason.CALLBACK_NOT_ALLOWED),
        ("a.example", "https://a.example@evil/", Reason.INVALID_REQUEST),
        ("a.example", "https://u:p@a.example/", Reason.INVALID_REQUEST),
        ("a.example", "file:///etc/passwd", Reason.CALLBACK_NOT_ALLOWED),
        ("a.example", "https://a.example:port/", Reason.INVALID_REQUEST),
        ("a.example", "https://[a.example/", Reason.INVALID_REQUEST),
        ("a.example", "https://a.example/a b", Reason.INVALID_REQUEST),
        ("a.example", "https://a.example/\r\nx: y", Reason.INVALID_REQUEST),
        ("a.example", "https://a.example/" + "x" * 2000, Reason.INVALID_REQUEST),
        ("a.example", "", Reason.CALLBACK_NOT_ALLOWED),
    ],
)
def test_nobody_else_is_told(allowed: str, uri: str, reason: Reason) -> None:
    origins = [origin_of(allowed)] if allowed else []
    with pytest.raises(MeshError) as refused:
        Places(origins, private=True).check(uri)
    assert refused.value.refusal.reason is reason


@pytest.mark.parametrize("text", ["ftp://a", "https://", "a/b", "https://u@a", "https://a?b"])
def test_what_is_no_origin_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no host|has more"):
        origin_of(text)


@pytest.mark.parametrize(
    ("address", "public", "private"),
    [
        ("93.184.216.34", True, True),
        ("2606:2800:220:1::1", True, True),
        ("127.0.0.1", False, True),
        ("::1", False, True),
        ("10.1.2.3", False, True),
        ("fd00::1", False, True),
        ("169.254.169.254", False, False),
        ("fe80::1%eth0", False, False),
        ("0.0.0.0", False, False),  # noqa: S104  (is refused)
        ("::", False, False),
        ("224.0.0.1", False, False),
        ("::ffff:127.0.0.1", False, True),
        ("::ffff:169.254.169.254", False, False),
        ("64:ff9b::7f00:1", False, True),
        ("64:ff9b::a9fe:a9fe", False, False),
        ("2002:7f00:1::", False, True),
    ],
)
def test_addresses_are_public_unless_others_are_allowed(
    address: str, public: bool, private: bool
) -> None:
    assert Places([], private=False).reaches(address) is public
    assert Places([], private=True).reaches(address) is private


def test_a_receiver_checks_a_signature_in_five_lines() -> None:
    body = b'{"a": 1}'
    headers = signed_headers(secret_of(SECRET), "e1", 1_700_000_000, body)
    # The receiver's:
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    said = [each.partition(",")[2] for each in headers["webhook-signature"].split(" ")]
    assert any(hmac.compare_digest(each, expected) for each in said)


def test_signatures_are_those_of_standard_webhooks() -> None:
    # The example of the specification's own libraries.
    headers = signed_headers(
        secret_of(SECRET), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}'
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("text", ["", "secret", "whsec_", "whsec_!", "whsec_c2hvcnQ="])
def test_a_secret_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"secret|base 64"):
        secret_of(text)


def test_an_event_is_a_cloud_event() -> None:
    event_id = event_id_of("task", "acme", "n1")
    said = json.loads(event_of(TASK_ENDED, event_id, "n1", 1_700_000_000.5, {"state": "done"}))
    assert said == {
        "specversion": "1.0",
        "id": event_id,
        "source": "/hasten",
        "type": "dev.hasten.task.ended",
        "subject": "n1",
        "time": "2023-11-14T22:13:20.500Z",
        "datacontenttype": "application/json",
        "data": {"state": "done"},
    }
    assert (
        len({event_id, event_id_of("task", "acm", "en1"), event_id_of("batch", "acme", "n1")}) == 3
    )


def test_pauses_double_up_to_the_longest_and_end() -> None:
    policy = CallbackPolicy(attempts_max=6, first_s=1.0, pause_s_max=5.0)
    rng = Random(1)
    for attempts, bound_s in [(1, 1.0), (2, 2.0), (3, 4.0), (4, 5.0), (5, 5.0)]:
        drawn = [pause_s(policy, attempts, 0.0, rng) for _ in range(300)]
        pauses = [each for each in drawn if each is not None]
        assert len(pauses) == 300
        assert 0.0 <= min(pauses) < 0.1 * bound_s
        assert 0.9 * bound_s < max(pauses) <= bound_s
    assert pause_s(policy, 6, 0.0, rng) is None
    assert pause_s(policy, 1, 3.0, rng) == 3.0
    assert pause_s(policy, 1, 1e9, rng) == 5.0


def test_what_statuses_mean() -> None:
    said = {status: answer_of(status) for status in (200, 204, 301, 400, 404, 410, 429, 503)}
    assert said[200] is said[204] is Answer.TAKEN
    assert said[410] is Answer.NEVER
    assert {said[each] for each in (301, 400, 404, 429, 503)} == {Answer.NOT_NOW}
