"""hasten.autoscaler.v1.AutoscalerService: messages in, messages out."""

# ruff: noqa: N802 (the methods have the protocol's names)

import asyncio
from collections.abc import AsyncIterator
from typing import Final, NoReturn

from hasten.autoscaler.v1 import autoscaler_service_pb2 as pb
from hasten.autoscaler.v1.autoscaler_service_pb2_grpc import AutoscalerServiceServicer
from hasten_autoscaler import views
from hasten_autoscaler.book import KEPT, Book
from hasten_autoscaler.replica import Replica
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.scaling.whatif import what_if
from hasten_policy.scaling.words import summary
from hasten_runtime.errors import MeshError
from hasten_runtime.handlers import Context

LOOK_S: Final = 1.0
"""Between two looks for whether a caller still listens."""


class AutoscalerServicer(AutoscalerServiceServicer):
    """Answers operators of one replica."""

    def __init__(self, replica: Replica, book: Book) -> None:
        self._replica = replica
        self._book = book

    async def GetPlan(self, _: pb.GetPlanRequest, __: Context) -> pb.GetPlanResponse:
        """What there is and what there should be."""
        return self._replica.plan()

    async def WatchDecisions(
        self, request: pb.WatchDecisionsRequest, _: Context
    ) -> AsyncIterator[pb.WatchDecisionsResponse]:
        """Decisions as they are made."""
        following = request.from_number or self._book.newest + 1
        while True:
            changed = self._book.changed
            for decision in self._book.after(following):
                following = decision.number + 1
                yield pb.WatchDecisionsResponse(decision=decision)
            try:
                async with asyncio.timeout(LOOK_S):
                    await changed.wait()
            except TimeoutError:
                continue

    async def Explain(self, request: pb.ExplainRequest, _: Context) -> pb.ExplainResponse:
        """Why a decision came out as it did."""
        plan = self._replica.plan()
        found = self._book.find(request.number, min(request.decisions, KEPT))
        if not found:
            raise MeshError(
                Refusal(
                    Reason.INVALID_REQUEST,
                    f"number must be that of a decision up to {self._book.newest}, not"
                    f" {request.number}",
                    metadata=(("field", "number"),),
                )
            )
        first = found[0]
        reasons = tuple(views.because_from_wire(each) for each in first.reasons)
        return pb.ExplainResponse(
            decisions=found,
            summary=summary(first.desired, first.before, reasons),
            age_s=plan.age_s,
        )

    async def WhatIf(self, request: pb.WhatIfRequest, _: Context) -> pb.WhatIfResponse:
        """What would be."""
        plan = self._replica.plan()
        try:
            bounds = views.bounds_from_wire(
                request.bounds if request.HasField("bounds") else plan.bounds
            )
            answer = what_if(
                views.standing_from_wire(plan.standing),
                bounds,
                demand_factor=request.demand_factor if request.HasField("demand_factor") else 1.0,
                workers=request.workers if request.HasField("workers") else None,
            )
        except ValueError as error:
            _refuse(str(error))
        return pb.WhatIfResponse(
            needed=answer.needed,
            workers=answer.workers,
            use=answer.use,
            late_share=answer.late_share,
            price_per_h=answer.price_per_h,
            load=answer.load,
            limited_by=answer.limited_by,
            age_s=plan.age_s,
        )

    async def Forecast(self, _: pb.ForecastRequest, __: Context) -> pb.ForecastResponse:
        """What demand will be."""
        plan = self._replica.plan()
        plan.forecast.age_s += plan.age_s
        return plan.forecast

    async def SetPolicy(self, request: pb.SetPolicyRequest, _: Context) -> pb.SetPolicyResponse:
        """Sets rule and parameters."""
        reign = self._replica.reign()
        try:
            before = reign.set_policy(request.policy)
        except ValueError as error:
            _refuse(str(error), "policy")
        return pb.SetPolicyResponse(before=before)

    async def SetBounds(self, request: pb.SetBoundsRequest, _: Context) -> pb.SetBoundsResponse:
        """Sets the bounds."""
        reign = self._replica.reign()
        try:
            bounds = views.bounds_from_wire(request.bounds)
        except ValueError as error:
            _refuse(str(error), "bounds")
        return pb.SetBoundsResponse(before=views.bounds_to_wire(reign.set_bounds(bounds)))

    async def Pause(self, request: pb.PauseRequest, _: Context) -> pb.PauseResponse:
        """Lets the number stay, or change again."""
        mode = self._replica.reign().pause(paused=request.paused)
        return pb.PauseResponse(mode=views.MODES[mode])


def _refuse(why: str, field: str = "") -> NoReturn:
    facts = (("field", field),) if field else ()
    raise MeshError(Refusal(Reason.INVALID_REQUEST, why, metadata=facts))
