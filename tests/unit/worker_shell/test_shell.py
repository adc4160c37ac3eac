"""The shell by itself: lanes that are lost, alarms, what is counted and traced."""

import asyncio

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from hasten.inference.v2.inference_pb2 import ModelStatisticsRequest
from hasten.worker.v1 import worker_service_pb2 as wpb
from hasten_policy.load import ModelSpec
from hasten_runtime import telemetry
from hasten_runtime import telemetry_names as names
from hasten_runtime.clock import SystemClock
from hasten_runtime.deferred import DeferredCounts
from hasten_worker.metrics import WorkerMetrics
from hasten_worker.observing import Meter
from hasten_worker.shell.batch import Batch
from tests.support.waiting import eventually
from tests.unit.worker_shell.fakes import EchoModel, floats, model_spec
from tests.unit.worker_shell.harness import Bench, Router, running_worker, worker_settings

PAYLOAD = floats().SerializeToString()
SAMPLED = "00-11111111111111111111111111111111-2222222222222222-01"


def short_runs(**changes: object) -> ModelSpec:
    return model_spec(run_s_max=0.05, **changes)


async def test_a_run_that_overstays_is_stopped_and_the_lane_comes_back() -> None:
    model = EchoModel(spec=short_runs())
    model.open.clear()
    async with running_worker(model) as bench, Router(bench) as router:
        await router.send(wpb.Call(call_id=1, payload=PAYLOAD))
        reply = await router.reply(1)
        assert (reply.failure.reason, reply.failure.started) == ("RUN_OVERSTAYED", True)
        # The next run may take its time: a lane that waits for a processor overstays too.
        bench.store.put(EchoModel())
        await router.send(wpb.Call(call_id=2, payload=PAYLOAD))
        assert (await router.reply(2)).payload
        assert not bench.shell.broken


async def test_a_batch_whose_lane_comes_too_late_is_not_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = EchoModel()
    patient = worker_settings(policy={"overdue_grace_s": 600.0})
    async with running_worker(model, settings=patient) as bench, Router(bench) as router:
        waiting: list[Batch] = []
        lanes = bench.shell._lanes
        begin = lanes.start
        monkeypatch.setattr(lanes, "start", waiting.append)
        await router.send(wpb.Call(call_id=1, payload=PAYLOAD, time_left_us=1_000_000))
        await eventually(lambda: bool(waiting))
        clock = SystemClock()
        await eventually(lambda: clock.now_s() > waiting[0].begin_by_s)
        begin(waiting[0])
        reply = await router.reply(1)
        assert (reply.failure.reason, reply.failure.started) == ("SHED_BEFORE_START", False)
        assert model.batches_run == []
        assert bench.shell.models.statistics("echo/1").executions == 0
        monkeypatch.undo()
        await router.send(wpb.Call(call_id=2, payload=PAYLOAD))
        assert (await router.reply(2)).payload


async def test_a_lane_that_ignores_its_termination_breaks_the_worker() -> None:
    model = EchoModel(spec=short_runs(), ignores_terminate=True)
    model.open.clear()
    settings = worker_settings(stop_grace_s=0.1)
    async with running_worker(model, settings=settings) as bench, Router(bench) as router:
        broke = asyncio.Event()
        bench.shell.on_broken = broke.set
        await router.send(wpb.Call(call_id=1, payload=PAYLOAD))
        await asyncio.wait_for(broke.wait(), 60)
        assert bench.shell.broken
        # Nobody tries the call elsewhere: it has its answer before the worker ends.
        reply = await router.reply(1)
        assert (reply.failure.reason, reply.failure.started) == ("RUN_OVERSTAYED", True)
        model.open.set()


async def test_a_call_whose_run_does_not_stop_is_answered_while_it_still_runs() -> None:
    model = EchoModel(spec=short_runs(), ignores_terminate=True)
    model.open.clear()
    settings = worker_settings(policy={"stop_patience_s": 0.05}, stop_grace_s=600.0)
    async with running_worker(model, settings=settings) as bench, Router(bench) as router:
        await router.send(wpb.Call(call_id=1, payload=PAYLOAD))
        reply = await router.reply(1)
        assert (reply.failure.reason, reply.failure.started) == ("RUN_OVERSTAYED", True)
        assert "does not stop" in reply.failure.message
        # It has been computed for all the time since its batch was formed, and is still.
        assert reply.timing.compute_us >= 50_000
        model.open.set()
        await eventually(lambda: bench.shell._machine.running == 0)
        assert not bench.shell.broken


async def test_a_machine_that_fails_breaks_the_worker_and_loses_no_caller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a fault of ours")

    async with running_worker() as bench:
        await bench.public.ModelInfer(floats())
        machine = bench.shell._machine
        monkeypatch.setattr(bench.shell, "_machine", type("Broken", (), {"on": fail})())
        with pytest.raises(Exception, match="failed unexpectedly"):
            await bench.public.ModelInfer(floats())
        assert bench.shell.broken
        monkeypatch.setattr(bench.shell, "_machine", machine)


async def test_a_model_that_crashes_is_a_failure_of_the_call_and_not_of_the_lane() -> None:
    def crash(_: object) -> bool:
        raise ZeroDivisionError("in the model")

    model = EchoModel(fails_on=crash)
    async with running_worker(model) as bench, Router(bench) as router:
        await router.send(wpb.Call(call_id=1, payload=PAYLOAD))
        reply = await router.reply(1)
        assert (reply.failure.reason, reply.failure.started) == ("MODEL_FAILED", True)
        assert "ZeroDivisionError" in reply.failure.message
        model.fails_on = None
        await router.send(wpb.Call(call_id=2, payload=PAYLOAD))
        assert (await router.reply(2)).payload


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """What the worker records, with tracing on."""
    exporter = InMemorySpanExporter()
    real = telemetry.start

    def start(service_name: str, *, instance: str = "") -> telemetry.Telemetry:
        processor = SimpleSpanProcessor(exporter)
        return real(service_name, instance=instance, environ={}, processors=[processor])

    monkeypatch.setattr(telemetry, "start", start)
    return exporter


async def test_sampled_calls_have_spans_and_their_batch_links_them(
    spans: InMemorySpanExporter,
) -> None:
    async with running_worker() as bench, Router(bench) as router:
        await router.send(
            wpb.Call(call_id=1, payload=PAYLOAD, traceparent=SAMPLED),
            wpb.Call(call_id=2, payload=PAYLOAD, traceparent=SAMPLED),
            wpb.Call(call_id=3, payload=PAYLOAD),
            wpb.Call(call_id=4, payload=b"no", traceparent=SAMPLED),
        )
        for call_id in (1, 2, 3, 4):
            await router.reply(call_id)
        await eventually(lambda: len(spans.get_finished_spans()) == 3)
    found = spans.get_finished_spans()
    calls = [span for span in found if span.name == names.SPAN_WORKER_CALL]
    (batch,) = [span for span in found if span.name == names.SPAN_WORKER_BATCH]
    assert len(calls) == 2
    assert {span.context.trace_id for span in calls} == {int("1" * 32, 16)}
    assert {link.context.span_id for link in batch.links} == {s.context.span_id for s in calls}
    assert batch.attributes is not None
    assert batch.attributes[names.ATTR_ROWS] == 3
    for call in calls:
        assert [event.name for event in call.events] == [names.EVENT_BATCHED]
        assert batch.context.span_id in {link.context.span_id for link in call.links}


async def test_spans_end_before_the_answer_is_on_its_way(
    spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_worker() as bench, Router(bench) as router:
        # Counting comes later than that: here never.
        monkeypatch.setattr(DeferredCounts, "settle", lambda _: None)
        await router.send(wpb.Call(call_id=1, payload=PAYLOAD, traceparent=SAMPLED))
        await router.reply(1)
        found = {span.name for span in spans.get_finished_spans()}
        counted = await bench.public.ModelStatistics(ModelStatisticsRequest(name="echo"))
    assert found == {names.SPAN_WORKER_CALL, names.SPAN_WORKER_BATCH}
    assert counted.model_stats[0].inference_count == 0


async def test_a_refused_call_ends_its_span_with_the_reason(spans: InMemorySpanExporter) -> None:
    wrong = floats()
    wrong.inputs[0].datatype = "INT8"
    async with running_worker() as bench, Router(bench) as router:
        await router.send(
            wpb.Call(call_id=1, payload=wrong.SerializeToString(), traceparent=SAMPLED)
        )
        await router.reply(1)
    (span,) = spans.get_finished_spans()
    assert span.attributes is not None
    assert span.attributes[names.ATTR_REASON] == "DTYPE_MISMATCH"


async def test_a_call_served_directly_belongs_to_the_span_of_its_rpc(
    spans: InMemorySpanExporter,
) -> None:
    async with running_worker() as bench:
        metadata = (("traceparent", SAMPLED),)
        await bench.public.ModelInfer(floats(), metadata=metadata)
        await eventually(lambda: len(spans.get_finished_spans()) == 2)
    rpc, batch = sorted(spans.get_finished_spans(), key=lambda span: span.name, reverse=True)
    assert rpc.name == "inference.GRPCInferenceService/ModelInfer"
    assert batch.name == names.SPAN_WORKER_BATCH
    assert [link.context.span_id for link in batch.links] == [rpc.context.span_id]


def sample(registry: CollectorRegistry, name: str, **labels: str) -> float:
    return registry.get_sample_value(name, labels) or 0.0


async def test_what_happens_is_counted() -> None:
    model = EchoModel()
    async with running_worker(model) as bench:
        registry = CollectorRegistry()
        meter = Meter(WorkerMetrics(registry), telemetry.Telemetry())
        bench.shell._observer = meter
        await infer_all_ways(bench, model)
        await eventually(lambda: all_is_counted(registry))


def all_is_counted(registry: CollectorRegistry) -> bool:
    """A batch is counted in the loop's next round after its end."""
    answered = {"model": "echo", "outcome": "answered"}
    assert sample(registry, "hasten_requests_total", **answered) == 2
    assert sample(registry, "hasten_refusals_total", reason="model_not_found") == 1
    assert sample(registry, "hasten_refusals_total", reason="cancelled") == 1
    assert sample(registry, "hasten_worker_batch_rows_sum", model="echo") == 4
    assert sample(registry, "hasten_worker_queue_seconds_count") == 2
    assert sample(registry, "hasten_admission_slack_seconds_count") == 1
    assert sample(registry, "hasten_completion_lateness_seconds_count") == 1
    assert sample(registry, "hasten_worker_wasted_seconds_total") > 0
    return True


async def test_an_answer_in_time_is_no_waste() -> None:
    async with running_worker() as bench:
        registry = CollectorRegistry()
        bench.shell._observer = Meter(WorkerMetrics(registry), telemetry.Telemetry())
        await bench.public.ModelInfer(floats())
        await eventually(
            lambda: sample(registry, "hasten_worker_batch_rows_sum", model="echo") == 1
        )
        assert sample(registry, "hasten_worker_wasted_seconds_total") == 0


async def infer_all_ways(bench: Bench, model: EchoModel) -> None:
    """Two answers, one with a deadline; a refusal; a call that leaves while it runs."""
    await bench.public.ModelInfer(floats(rows=2))
    await bench.public.ModelInfer(floats(), timeout=30)
    unknown = floats()
    unknown.model_name = "nobody"
    with pytest.raises(Exception, match="nobody"):
        await bench.public.ModelInfer(unknown)
    model.open.clear()
    model.entered.clear()
    call = bench.public.ModelInfer(floats())
    await asyncio.to_thread(model.entered.wait)
    call.cancel()
    await eventually(lambda: bench.shell.unanswered == 0)
    model.open.set()
    await eventually(lambda: bench.shell._machine.running == 0)
