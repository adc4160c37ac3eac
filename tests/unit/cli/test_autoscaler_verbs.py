"""What `hasten plan`, `explain scale` and `what-if` print of what an autoscaler says."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from hasten.autoscaler.v1 import autoscaler_service_pb2 as pb
from hasten.autoscaler.v1.autoscaler_service_pb2_grpc import (
    AutoscalerServiceServicer,
    add_AutoscalerServiceServicer_to_server,
)
from hasten_cli import autoscaler_verbs
from hasten_cli.autoscaler_verbs import Question
from hasten_cli.failures import UNREACHABLE, USAGE, CommandError

BECAUSE = pb.Because(kind="growth", workers=3, facts={"load": 2.5}, sentence="demand grows")
VERDICT = pb.Verdict(after_s=20.0, load=2.0, enough=3, ready=2, calls=60, refused=6, late=1)
JUDGED = pb.Decision(
    number=7, at_s=1.0, desired=3, before=2, rule="hasten", reasons=[BECAUSE], verdict=VERDICT
)
PLAN = pb.GetPlanResponse(
    pool="default",
    mode=pb.MODE_ACT,
    policy="hasten",
    bounds=pb.Bounds(workers_min=1, workers_max=4, price_per_h=1.0),
    desired=3,
    ready=2,
    short=1,
    shortage="the quota is 2 workers",
    workers=[pb.PoolWorker(worker_id="worker-1", stage="ready", since_s=9.0, busy=0.5, calls=4)],
    last=JUDGED,
    leader="a1",
    epoch=1_800_000_000_000,
    age_s=7.0,
    ignored={"r: absurd counts": 2},
)


class Fake(AutoscalerServiceServicer):
    """Says always the same, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def GetPlan(self, _: Any, __: Any) -> pb.GetPlanResponse:  # noqa: N802
        return PLAN

    def Explain(self, request: Any, _: Any) -> pb.ExplainResponse:  # noqa: N802
        self.asked.append(request)
        return pb.ExplainResponse(decisions=[JUDGED], summary="3 workers, 1 more: demand grows")

    def WhatIf(self, request: Any, _: Any) -> pb.WhatIfResponse:  # noqa: N802
        self.asked.append(request)
        return pb.WhatIfResponse(needed=4, workers=4, use=0.9, limited_by="workers_max", load=5.0)


@pytest.fixture
def fake() -> Iterator[tuple[Fake, str]]:
    server = grpc.server(ThreadPoolExecutor(1))
    said = Fake()
    add_AutoscalerServiceServicer_to_server(said, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield said, f"127.0.0.1:{port}"
    server.stop(0).wait()


def test_a_plan_is_told_in_sentences(
    fake: tuple[Fake, str], capsys: pytest.CaptureFixture[str]
) -> None:
    autoscaler_verbs.plan(fake[1], as_json=False)
    text = capsys.readouterr().out
    for part in (
        "3 workers wanted, 2 ready",
        "a1 leads and acts",
        "short of 1: the quota is 2 workers",
        "left out 2 times: r: absurd counts",
        "demand grows",
        "7.00 s old",
        "worker-1",
    ):
        assert part in text
    autoscaler_verbs.plan(fake[1], as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert (said["epoch"], said["mode"], said["forecast"]) == (PLAN.epoch, "MODE_ACT", None)
    assert said["last"]["reasons"][0]["facts"] == {"load": 2.5}


def test_advice_is_told_as_such() -> None:
    plan = pb.GetPlanResponse()
    plan.CopyFrom(PLAN)
    plan.mode = pb.MODE_ADVISE
    assert "its advice: 1 workers more" in list(autoscaler_verbs.plan_lines(plan))
    plan.ready = 5
    assert "its advice: 2 workers fewer" in list(autoscaler_verbs.plan_lines(plan))


def test_decisions_are_explained_and_reviewed(
    fake: tuple[Fake, str], capsys: pytest.CaptureFixture[str]
) -> None:
    said, address = fake
    autoscaler_verbs.explain(address, 7, 2, as_json=False)
    assert said.asked[-1] == pb.ExplainRequest(number=7, decisions=2)
    text = capsys.readouterr().out
    assert "3 workers, 1 more: demand grows" in text
    assert "2 were ready, 3 would have done; 6 of 60 calls refused, 1 late" in text
    autoscaler_verbs.review(address, as_json=True)
    score = json.loads(capsys.readouterr().out)["score"]
    assert (score["decisions"], score["short"], score["spare"], score["refused"]) == (1, 1, 0, 6)
    autoscaler_verbs.review(address, as_json=False)
    assert "1 decisions judged: 1 too few" in capsys.readouterr().out


def test_a_question_takes_the_bounds_in_effect_but_for_those_that_it_names(
    fake: tuple[Fake, str], capsys: pytest.CaptureFixture[str]
) -> None:
    said, address = fake
    autoscaler_verbs.what_if(address, Question(0.0, None, None, None), as_json=False)
    assert said.asked[-1].HasField("demand_factor")
    assert not said.asked[-1].HasField("bounds")
    autoscaler_verbs.what_if(address, Question(2.0, 3, 8, 5.0), as_json=False)
    asked = said.asked[-1]
    assert (asked.demand_factor, asked.workers) == (2.0, 3)
    assert asked.bounds == pb.Bounds(
        workers_min=1, workers_max=8, price_per_h=1.0, budget_per_h=5.0
    )
    assert "4 workers would keep the deadlines (workers_max allows no more)" in (
        capsys.readouterr().out
    )


def test_whoever_cannot_be_asked_is_an_error_with_a_next_step() -> None:
    with pytest.raises(CommandError, match="nobody answers") as caught:
        autoscaler_verbs.plan("127.0.0.1:1", as_json=False)
    assert caught.value.code == UNREACHABLE
    assert "HASTEN_PLAN_ADDRESS" in caught.value.next_step
    with pytest.raises(CommandError) as caught:
        autoscaler_verbs.plan("nowhere", as_json=False)
    assert caught.value.code == USAGE
