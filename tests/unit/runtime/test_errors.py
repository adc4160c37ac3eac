"""Refusals survive the way over gRPC, for our client and for stock ones."""

import math
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st

from hasten_policy.reasons import DOMAIN, Reason, Refusal
from hasten_runtime import error_docs, errors, wire
from hasten_runtime.protocol_names import RETRY_PUSHBACK, STATUS_DETAILS

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)
REFUSALS = st.builds(
    Refusal,
    reason=st.sampled_from(Reason),
    message=TEXT,
    retry_after_s=st.none() | st.floats(errors.RETRY_AFTER_S_MIN, 3600.0),
    metadata=st.dictionaries(
        TEXT.filter(lambda key: key != errors.STARTED_KEY), TEXT, max_size=5
    ).map(lambda facts: tuple(sorted(facts.items()))),
    started=st.booleans(),
)


def rpc_error(
    code: grpc.StatusCode, message: str = "", trailers: errors.Trailers = ()
) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(
        code, grpc.aio.Metadata(), grpc.aio.Metadata(*trailers), details=message
    )


def sent(refusal: Refusal) -> grpc.aio.AioRpcError:
    """What a client's call raises for the refusal."""
    return rpc_error(errors.status_code(refusal.reason), refusal.message, errors.trailers(refusal))


def unpacked(refusal: Refusal) -> dict[str, Any]:
    """The details as any client of google.rpc sees them."""
    trailer = dict(errors.trailers(refusal))[STATUS_DETAILS]
    assert isinstance(trailer, bytes)
    status = status_pb2.Status.FromString(trailer)
    kinds: tuple[Callable[[], Any], ...] = (
        error_details_pb2.ErrorInfo,
        error_details_pb2.RetryInfo,
        error_details_pb2.QuotaFailure,
    )
    found: dict[str, Any] = {"code": status.code, "message": status.message}
    for detail in status.details:
        assert isinstance(detail, AnyMessage)
        for kind in kinds:
            message = kind()
            if detail.Unpack(message):
                found[message.DESCRIPTOR.name] = message
    return found


@given(REFUSALS)
def test_a_refusal_comes_back_as_it_was_sent(refusal: Refusal) -> None:
    heard = errors.refusal_from_rpc_error(sent(refusal))
    assert heard.reason is refusal.reason
    assert heard.metadata == refusal.metadata
    assert heard.started == refusal.started
    if refusal.retry_after_s is None:
        assert heard.retry_after_s is None
    else:
        assert heard.retry_after_s == pytest.approx(refusal.retry_after_s, abs=1e-8)
    if refusal.message:
        assert heard.message == refusal.message


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_details_that_any_client_can_unpack(reason: Reason) -> None:
    found = unpacked(Refusal(reason, "a sentence", metadata=(("tenant", "a"),)))
    assert found["code"] == errors.status_code(reason).value[0]
    assert found["message"] == "a sentence"
    info = found["ErrorInfo"]
    assert (info.reason, info.domain, dict(info.metadata)) == (reason.name, DOMAIN, {"tenant": "a"})
    assert ("QuotaFailure" in found) == (reason is Reason.TENANT_QUOTA)
    assert "RetryInfo" not in found


def test_a_quota_names_the_tenant() -> None:
    found = unpacked(Refusal(Reason.TENANT_QUOTA, "wait", 0.5, (("tenant", "blue"),)))
    (violation,) = found["QuotaFailure"].violations
    assert (violation.subject, violation.description) == ("tenant:blue", "wait")


@pytest.mark.parametrize(
    ("reason", "retry_after_s", "pushback"),
    [
        (Reason.OVERLOADED, 0.1201, "121"),
        (Reason.OVERLOADED, 0.0, "1"),
        (Reason.OVERLOADED, None, "-1"),
        (Reason.DEADLINE_INFEASIBLE, None, "-1"),
        (Reason.MESSAGE_TOO_LARGE, None, "-1"),
        (Reason.NO_WORKER, 2.0, "5"),
        (Reason.NO_WORKER, None, "5"),
        (Reason.DRAINING, 0.0, "5"),
        (Reason.INVALID_REQUEST, None, "-1"),
        (Reason.MODEL_LOADING, 2.0, "2000"),
        (Reason.MODEL_LOADING, None, None),
        (Reason.MODEL_LOADING, math.inf, None),
        (Reason.MODEL_LOADING, math.nan, None),
        (Reason.MODEL_LOADING, -1.0, "1"),
        (Reason.MODEL_LOADING, 1e12, "3600000"),
    ],
)
def test_the_pushback_trailer_says_when_to_come_back(
    reason: Reason, retry_after_s: float | None, pushback: str | None
) -> None:
    found = dict(errors.trailers(Refusal(reason, "no", retry_after_s)))
    assert found.get(RETRY_PUSHBACK) == pushback


def test_a_long_story_stays_below_what_metadata_may_take() -> None:
    facts = tuple((f"key{number}", "v" * 10_000) for number in range(100))
    assert_fits(Refusal(Reason.TENANT_QUOTA, "m" * 100_000, 1.0, facts))


def assert_fits(refusal: Refusal) -> None:
    """As gRPC counts: percent-encoded text, base 64 of what is binary, 32 bytes a header."""
    trailers = (("grpc-status", "8"), ("content-type", "application/grpc"))
    sizes = [len(key) + len(value) + 32 for key, value in trailers]
    sizes += [len("grpc-message") + len(quote(refusal.message)) + 32]
    sizes += [
        len(key) + (-(-len(value) // 3) * 4 if isinstance(value, bytes) else len(value)) + 32
        for key, value in errors.trailers(refusal)
    ]
    assert sum(sizes) < 8 * 1024


ODD = st.text(max_size=40).map(lambda text: text * 200) | st.text(
    st.sampled_from("a\0\n%\u00e9\u20ac\U0001f600\ud800"), max_size=3000
)


@given(
    reason=st.sampled_from(Reason),
    message=ODD,
    facts=st.lists(st.tuples(ODD, ODD), max_size=30),
)
def test_no_refusal_whatever_it_repeats_is_too_large_for_its_way(
    reason: Reason, message: str, facts: list[tuple[str, str]]
) -> None:
    refusal = Refusal(reason, message, 1.0, tuple(facts), started=True)
    assert_fits(refusal)
    assert len(wire.failure_to_wire(refusal).SerializeToString()) < 4096
    heard = errors.refusal_from_rpc_error(sent(refusal))
    assert heard.message == (refusal.message or heard.message)


@pytest.mark.parametrize(
    ("retry_after_s", "left_s", "pushback", "hinted"),
    [
        (0.1, None, "100", True),
        (0.1, 0.2, "100", True),
        (0.1, 0.1, "-1", False),
        (1.0, 0.5, "-1", False),
        (0.0995, 0.09999, "-1", False),  # gRPC waits whole milliseconds
        (0.0, 0.0005, "-1", False),
        (0.0, 0.01, "1", True),
        (3600.0, 0.0, "-1", False),
    ],
)
@pytest.mark.parametrize("reason", [Reason.OVERLOADED, Reason.MODEL_LOADING])
def test_nobody_is_told_to_come_back_at_once_or_after_its_deadline(
    reason: Reason, retry_after_s: float, left_s: float | None, pushback: str, *, hinted: bool
) -> None:
    found = dict(errors.trailers(Refusal(reason, "no", retry_after_s), left_s))
    assert found[RETRY_PUSHBACK] == pushback
    details = status_pb2.Status.FromString(bytes(found[STATUS_DETAILS])).details
    assert any("RetryInfo" in detail.type_url for detail in details) == hinted


def test_equal_refusals_are_made_once() -> None:
    first, again = (Refusal(Reason.OVERLOADED, "busy", 0.1, (("a", "b"),)) for _ in range(2))
    assert errors.trailers(first) is errors.trailers(again)
    assert errors.trailers(first, 0.05) is errors.trailers(again, 0.04), "both too late"
    assert errors.trailers(first, 0.05) != errors.trailers(first)


def test_half_of_a_surrogate_pair_keeps_nobody_from_being_told() -> None:
    odd = Refusal(Reason.TENANT_QUOTA, "no \ud800", 1.0, (("tenant", "\udfff"), ("\ud800", "x")))
    found = unpacked(odd)
    assert found["message"] == "no ?"
    assert dict(found["ErrorInfo"].metadata) == {"tenant": "?", "?": "x"}


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code.value[0] != 0])
def test_every_foreign_status_has_a_meaning(code: grpc.StatusCode) -> None:
    refusal = errors.refusal_from_rpc_error(rpc_error(code, "their words"))
    assert refusal.message == "their words"
    assert refusal.metadata == (("grpc_status", code.name),)


@pytest.mark.parametrize(
    ("code", "message", "reason", "started"),
    [
        (grpc.StatusCode.UNAVAILABLE, "", Reason.WORKER_LOST, True),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "", Reason.DEADLINE_PASSED, True),
        (grpc.StatusCode.CANCELLED, "", Reason.OVERLOADED, True),
        (grpc.StatusCode.NOT_FOUND, "", Reason.MODEL_NOT_FOUND, False),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "busy", Reason.OVERLOADED, False),
        (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "CLIENT: Received message larger than max (5 vs. 4)",
            Reason.MESSAGE_TOO_LARGE,
            False,
        ),
        (grpc.StatusCode.DATA_LOSS, "", Reason.INTERNAL, True),
    ],
)
def test_a_foreign_error_is_read_by_its_status(
    code: grpc.StatusCode, message: str, reason: Reason, *, started: bool
) -> None:
    refusal = errors.refusal_from_rpc_error(rpc_error(code, message))
    assert (refusal.reason, refusal.started) == (reason, started)


def test_a_reason_of_a_newer_server_is_kept_as_a_fact() -> None:
    info = error_details_pb2.ErrorInfo(reason="SOMETHING_NEW", domain=DOMAIN)
    detail = AnyMessage()
    detail.Pack(info)
    status = status_pb2.Status(code=14, message="new", details=[detail])
    trailers = ((STATUS_DETAILS, status.SerializeToString()),)
    refusal = errors.refusal_from_rpc_error(rpc_error(grpc.StatusCode.UNAVAILABLE, "new", trailers))
    assert refusal.reason is Reason.WORKER_LOST
    assert refusal.metadata == (("reason", "SOMETHING_NEW"),)
    assert not refusal.started


@pytest.mark.parametrize("data", [b"", b"\xff\xff\xff", b"\x1a\x02ab"])
def test_details_that_are_not_ours_are_ignored(data: bytes) -> None:
    error = rpc_error(grpc.StatusCode.INTERNAL, "x", ((STATUS_DETAILS, data),))
    assert errors.refusal_from_rpc_error(error).reason is Reason.INTERNAL


def test_the_page_of_errors_has_a_row_for_each_reason() -> None:
    rows = [line for line in error_docs.page().splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == [reason.name for reason in Reason]


def test_a_stale_page_of_errors_is_found(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "errors.md"
    assert error_docs.main(["--check", str(file)]) == 1
    assert "stale" in capsys.readouterr().err
    file.write_text(error_docs.page())
    assert error_docs.main(["--check", str(file)]) == 0
    assert error_docs.main([]) == 0
    assert capsys.readouterr().out == error_docs.page()


def said_of(reason: Reason) -> str:
    """What the page says of retries: the fourth column of the reason's row."""
    (row,) = (
        line for line in error_docs.page().splitlines() if line.startswith(f"| `{reason.name}`")
    )
    return row.split("|")[4].strip()


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("left_s", [None, 60.0, 0.5, 0.0005])
@pytest.mark.parametrize("hint_s", [None, 1.0])
def test_every_reason_sends_what_the_page_says(
    reason: Reason, left_s: float | None, hint_s: float | None
) -> None:
    said = said_of(reason)
    if said == "no":
        hint_s = None  # Nobody gives a hint to what cannot help.
    refusal = Refusal(reason, "a sentence", hint_s)
    pushback = dict(errors.trailers(refusal, left_s)).get(RETRY_PUSHBACK)
    comes_in_time = hint_s is not None and (left_s is None or hint_s < left_s)
    if said == "no" or left_s == 0.0005:
        assert pushback == (
            "-1" if said != "yes" or hint_s or "EXHAUSTED" in reason.status else None
        )
    elif said == "elsewhere":
        assert pushback == str(errors.ELSEWHERE_MS)
    elif hint_s is None:
        assert pushback == ("-1" if reason.status == "RESOURCE_EXHAUSTED" else None)
    else:
        assert pushback == ("1000" if comes_in_time else "-1")
    details = dict(errors.trailers(refusal, left_s))[STATUS_DETAILS]
    assert isinstance(details, bytes)
    assert (b"google.rpc.RetryInfo" in details) == comes_in_time
