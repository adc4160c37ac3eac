"""What `hasten plan`, `hasten explain scale` and `hasten what-if` do."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast

import grpc

from hasten.autoscaler.v1 import autoscaler_service_pb2 as pb
from hasten.autoscaler.v1.autoscaler_service_pb2_grpc import AutoscalerServiceStub
from hasten_cli.calls import ANSWER_S_MAX, PLAN_VARIABLE, command_error
from hasten_cli.durations import format_duration
from hasten_cli.failures import USAGE, CommandError
from hasten_cli.output import print_json, print_table
from hasten_client import InvalidArgument, channel
from hasten_client.errors import from_rpc

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from hasten_client.errors import FailedCall

REVIEWED: Final = 512
"""Decisions that are looked at in a review."""
OLD_S: Final = 3.0
"""A plan that is older is said to be."""
_MODES: Final = {
    pb.MODE_ADVISE: "advises: it starts and stops nobody",
    pb.MODE_ACT: "acts",
    pb.MODE_HOLD: "holds: the number stays",
}
_WORKERS: Final = ("worker", "stage", "for>", "busy>", "calls>")
_REVIEW: Final = (
    "decision>",
    "at",
    "workers>",
    "because",
    "ready>",
    "enough>",
    "off>",
    "refused>",
    "late>",
)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of `what-if`.

    Attributes:
        demand: Demand is multiplied by this.
        workers: So many there would be; None for as many as are needed.
        workers_max: Bound instead of the one in effect; None for that.
        budget: Budget an hour instead of the one in effect; None for that.
    """

    demand: float
    workers: int | None
    workers_max: int | None
    budget: float | None


@contextmanager
def _asked(address: str) -> Iterator[AutoscalerServiceStub]:
    """A stub for the autoscaler at the address; what it raises becomes a CommandError."""
    try:
        checked = channel.check_address(address)
    except InvalidArgument as error:
        raise CommandError(error.message, code=USAGE) from None
    with grpc.insecure_channel(checked, options=channel.options(address)) as opened:
        try:
            yield AutoscalerServiceStub(opened)
        except grpc.RpcError as error:
            failed = from_rpc(cast("FailedCall", error))
            raise command_error(failed, address, variable=PLAN_VARIABLE) from error


def plan(address: str, *, as_json: bool) -> None:
    """Prints the plan."""
    with _asked(address) as stub:
        found = stub.GetPlan(pb.GetPlanRequest(), timeout=ANSWER_S_MAX)
    if as_json:
        print_json(_plain(found))
        return
    for line in plan_lines(found):
        print(line)
    print()
    several = any(worker.pool for worker in found.workers)
    print_table(
        _WORKERS if not several else (_WORKERS[0], "pool", *_WORKERS[1:]),
        [
            (
                worker.worker_id,
                *((worker.pool,) if several else ()),
                worker.stage,
                format_duration(worker.since_s),
                f"{worker.busy:.0%}",
                str(worker.calls),
            )
            for worker in found.workers
        ],
        empty="no worker",
    )


def plan_lines(found: pb.GetPlanResponse) -> Iterator[str]:
    """A plan in sentences."""
    bounds = found.bounds
    yield (
        f"pool {found.pool}: {found.desired} workers wanted, {found.ready} ready, {found.starting} "
        f"starting, {found.draining} leaving (bounds {bounds.workers_min} to {bounds.workers_max})"
    )
    yield f"rule {found.policy}; {found.leader or 'nobody'} leads and {_MODES.get(found.mode, '?')}"
    yield (
        f"demand: {found.calls_per_s:.1f} calls/s keep {found.load:.2f} workers busy, tasks need "
        f"{found.queued:.2f}; refused {found.refused_share:.2%}, late {found.late_share:.2%}; a "
        f"start takes {format_duration(found.lead_s)}"
    )
    if found.forecast.known:
        yield (
            f"forecast: {found.forecast.typical:.2f} busy workers in "
            f"{format_duration(found.forecast.ahead_s)}, at most {found.forecast.upper:.2f} "
            f"({found.forecast.method})"
        )
    else:
        yield f"forecast: none yet, {found.forecast.periods} periods seen"
    if found.mode == pb.MODE_ADVISE:
        more = found.desired - found.ready - found.starting
        if more:
            yield f"its advice: {abs(more)} workers {'more' if more > 0 else 'fewer'}"
    elif found.short:
        yield f"short of {found.short}: {found.shortage or 'they are asked for'}"
    if found.starts_failed:
        yield f"{found.starts_failed} starts never became ready"
    for why, count in sorted(found.ignored.items()):
        yield f"left out {count} times: {why}"
    if found.HasField("last"):
        yield f"decision {found.last.number}, {_at(found.last)}:"
        yield from (f"  {because.sentence}" for because in found.last.reasons)
    if found.age_s > OLD_S:
        yield f"all this is {format_duration(found.age_s)} old: nobody leads"


def explain(address: str, number: int, last: int, *, as_json: bool) -> None:
    """Prints decisions with their reasons."""
    with _asked(address) as stub:
        found = stub.Explain(pb.ExplainRequest(number=number, decisions=last), timeout=ANSWER_S_MAX)
    if as_json:
        print_json(_plain(found))
        return
    print(found.summary)
    for decision in found.decisions:
        for line in decision_lines(decision):
            print(line)


def decision_lines(decision: pb.Decision) -> Iterator[str]:
    """A decision in lines."""
    yield (
        f"{_at(decision)} decision {decision.number}: {decision.before} -> {decision.desired} "
        f"({decision.ready} ready, {decision.starting} starting, {decision.draining} leaving; "
        f"rule {decision.rule})"
    )
    for because in decision.reasons:
        yield f"  {because.workers:>3}  {because.sentence}"
    if decision.HasField("verdict"):
        verdict = decision.verdict
        yield (
            f"  after {format_duration(verdict.after_s)}: {verdict.ready} were ready, "
            f"{verdict.enough} would have done; {verdict.refused} of {verdict.calls} calls refused,"
            f" {verdict.late} late"
        )


def review(address: str, *, as_json: bool) -> None:
    """Prints past decisions with what came of them."""
    with _asked(address) as stub:
        found = stub.Explain(pb.ExplainRequest(decisions=REVIEWED), timeout=ANSWER_S_MAX)
    judged = [each for each in found.decisions if each.HasField("verdict")]
    score = score_of(judged)
    if as_json:
        print_json({"score": score, "decisions": [_plain(each) for each in judged]})
        return
    print_table(
        _REVIEW,
        [
            (
                str(each.number),
                _at(each),
                f"{each.before} -> {each.desired}",
                each.reasons[0].kind if each.reasons else "",
                str(each.verdict.ready),
                str(each.verdict.enough),
                f"{each.verdict.ready - each.verdict.enough:+d}",
                str(each.verdict.refused),
                str(each.verdict.late),
            )
            for each in judged
        ],
        empty="no decision has been judged yet",
    )
    if judged:
        print(
            f"{score['decisions']} decisions judged: {score['short']} too few, {score['spare']} "
            f"more than enough by more than one; {score['refused']} of {score['calls']} calls "
            f"refused, {score['late']} late"
        )
        error = score["forecast_error_share"]
        forecast = "no forecast yet" if error is None else f"the forecast was {error:.0%} off"
        print(
            f"workers were {score['use']:.0%} busy and cost {score['cost_over_best']:.2f} times "
            f"the best in hindsight; {forecast}"
        )


def score_of(judged: Sequence[pb.Decision]) -> dict[str, Any]:
    """What came of decisions, added up."""
    verdicts = [each.verdict for each in judged]
    foreseen = [verdict for verdict in verdicts if verdict.HasField("forecast")]
    error = sum(abs(verdict.forecast - verdict.load) for verdict in foreseen)
    load, ready = sum(each.load for each in verdicts), sum(each.ready for each in verdicts)
    # One worker at least, in hindsight too: that is what stays for the first call.
    best = sum(max(1, each.enough) for each in verdicts)
    calls = sum(verdict.calls for verdict in verdicts)
    missed = sum(verdict.refused + verdict.late for verdict in verdicts)
    return {
        "decisions": len(verdicts),
        "short": sum(verdict.ready < verdict.enough for verdict in verdicts),
        "spare": sum(verdict.ready > verdict.enough + 1 for verdict in verdicts),
        "calls": calls,
        "refused": sum(verdict.refused for verdict in verdicts),
        "late": sum(verdict.late for verdict in verdicts),
        "missed_share": missed / calls if calls else 0.0,
        "use": min(1.0, load / ready) if ready else 0.0,
        "cost_over_best": ready / best if best else 1.0,
        "forecast_error_workers": error / len(foreseen) if foreseen else None,
        "forecast_error_share": error / max(1e-9, sum(each.load for each in foreseen))
        if foreseen
        else None,
    }


def what_if(address: str, question: Question, *, as_json: bool) -> None:
    """Prints what would be."""
    request = pb.WhatIfRequest(demand_factor=question.demand)
    if question.workers is not None:
        request.workers = question.workers
    with _asked(address) as stub:
        if question.workers_max is not None or question.budget is not None:
            bounds = stub.GetPlan(pb.GetPlanRequest(), timeout=ANSWER_S_MAX).bounds
            if question.workers_max is not None:
                bounds.workers_max = question.workers_max
                bounds.workers_min = min(bounds.workers_min, question.workers_max)
            if question.budget is not None:
                bounds.budget_per_h = question.budget
            request.bounds.CopyFrom(bounds)
        found = stub.WhatIf(request, timeout=ANSWER_S_MAX)
    if as_json:
        print_json(_plain(found))
        return
    limited = f" ({found.limited_by} allows no more)" if found.limited_by else ""
    print(f"{question.demand:g} times the demand keeps {found.load:.2f} workers busy")
    print(f"{found.needed} workers would keep the deadlines{limited}")
    print(
        f"{found.workers} workers would be {found.use:.0%} busy, {found.late_share:.2%} of the "
        f"calls would wait too long, for {found.price_per_h:g} an hour"
    )


def _at(decision: pb.Decision) -> str:
    return datetime.fromtimestamp(decision.at_s).astimezone().strftime("%H:%M:%S")


def _plain(message: "Message") -> dict[str, Any]:
    """A message for programs. (protobuf's own JSON writes whole numbers as text.)"""
    found: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.has_presence and not message.HasField(field.name):
            found[field.name] = None
        elif field.message_type is not None and field.message_type.GetOptions().map_entry:
            found[field.name] = dict(value)
        elif field.is_repeated:
            found[field.name] = [_plain(each) if field.message_type else each for each in value]
        elif field.message_type is not None:
            found[field.name] = _plain(value)
        elif field.enum_type is not None:
            found[field.name] = field.enum_type.values_by_number[value].name
        else:
            found[field.name] = value
    return found
