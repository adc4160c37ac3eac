"""Refusals as HTTP says them."""

import json

import pytest

from hasten_policy.reasons import Reason, Refusal
from hasten_runtime.problem import http_status, problem


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_a_status_and_a_body(reason: Reason) -> None:
    told = problem(Refusal(reason, "sentence", metadata=(("a", "b"),)))
    assert told.status == http_status(reason)
    assert 400 <= told.status < 600
    said = json.loads(told.body)
    assert (said["reason"], said["grpc_status"]) == (reason.name, reason.status)
    assert said["detail"] == said["error"] == "sentence"
    assert said["metadata"] == {"a": "b"}
    assert said["type"].endswith(reason.name)


def test_faults_of_the_caller_are_not_faults_of_the_server() -> None:
    for reason in Reason:
        callers = reason.status in {
            "INVALID_ARGUMENT",
            "NOT_FOUND",
            "ALREADY_EXISTS",
            "FAILED_PRECONDITION",
            "PERMISSION_DENIED",
            "RESOURCE_EXHAUSTED",
            "CANCELLED",
        }
        assert (http_status(reason) < 500) == callers
    assert http_status(Reason.MESSAGE_TOO_LARGE) == 413


@pytest.mark.parametrize(
    ("hint_s", "header", "ms"), [(0.0, "1", 1), (1.0, "1", 1000), (1.2, "2", 1200)]
)
def test_a_hint_is_whole_seconds_in_the_header(hint_s: float, header: str, ms: int) -> None:
    told = problem(Refusal(Reason.OVERLOADED, "x", retry_after_s=hint_s))
    assert told.headers == {"Retry-After": header}
    assert json.loads(told.body)["retry_after_ms"] == ms


def test_no_hint_no_header_and_odd_text_is_still_json() -> None:
    told = problem(Refusal(Reason.OVERLOADED, "half \ud800"), status=503)
    assert told.headers == {}
    assert json.loads(told.body)["status"] == told.status == 503
