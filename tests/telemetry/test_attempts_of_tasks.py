"""A task's attempts are spans below the one that submitted the task, and are counted."""

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from hasten_policy.reasons import Reason, Refusal
from hasten_policy.scheduler.tasks import Lane
from hasten_runtime import telemetry_names as names
from hasten_runtime.clock import ManualClock
from hasten_runtime.telemetry.propagation import text_of
from hasten_scheduler.attempts import Attempt
from hasten_scheduler.metrics import SchedulerMetrics
from hasten_scheduler.observing import Meter
from tests.telemetry.chain import traced

LOST = Refusal(Reason.WORKER_LOST, "it died", started=True)


async def test_every_attempt_is_a_span_below_the_submit() -> None:
    exporter = InMemorySpanExporter()
    tracing = traced(exporter)
    registry = CollectorRegistry()
    meter = Meter(SchedulerMetrics(registry), tracing, ManualClock())
    submit = tracing.tracer.start_span("submit")
    submit.end()
    for number, refusal in ((1, LOST), (2, None)):
        attempt = Attempt(number, 0, Lane("", "m", 1), "/t1", f"7.me.{number}")
        attempt.submitted_traceparent = text_of(submit.get_span_context())
        attempt.number = number
        meter.attempt_sent(attempt, "w1")
        assert attempt.traceparent not in {"", attempt.submitted_traceparent}
        meter.attempt_ended(attempt, refusal, ends_task=refusal is None)
    await tracing.stop()
    spans = [
        span for span in exporter.get_finished_spans() if span.name == names.SPAN_SCHEDULER_ATTEMPT
    ]
    assert [span.parent and span.parent.span_id for span in spans] == [
        submit.get_span_context().span_id
    ] * 2
    assert [span.attributes and span.attributes[names.ATTR_ATTEMPT] for span in spans] == [1, 2]
    assert spans[0].attributes is not None
    assert spans[0].attributes[names.ATTR_TASK] == "/t1"
    assert spans[0].attributes[names.ATTR_REASON] == "WORKER_LOST"

    def counted(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, labels)

    assert counted("hasten_scheduler_attempts_total", kind="first") == 1
    assert counted("hasten_scheduler_attempts_total", kind="again") == 1
    assert counted("hasten_requests_total", model="m", outcome="answered") == 1
    assert counted("hasten_requests_total", model="m", outcome="failed") == 0
