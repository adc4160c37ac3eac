"""The real services, traced and scraped: every edge is in the trace, every metric is served."""

import urllib.request
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import grpc
import numpy as np
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client.parser import text_string_to_metric_families

from hasten.inference.v2 import inference_pb2 as pb
from hasten_runtime import telemetry_names as names
from loadtest.collector import Collector, attributes, collecting
from loadtest.repository import write_synthetic
from tests.support.services import (
    NOBODY_FREEZES,
    Service,
    router_environ,
    running_service,
    worker_environ,
)
from tests.support.waiting import eventually_sync

pytestmark = pytest.mark.integration

RPC = "inference.GRPCInferenceService/ModelInfer"
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
CLIENT_SPAN = "b7ad6b7169203331"
PATIENCE_S = 60.0


class Mesh(NamedTuple):
    """A router and a worker that send their spans to a collector."""

    router: Service
    worker: Service
    collector: Collector


class Seen(NamedTuple):
    """A span as the collector got it."""

    service: str
    span: Any
    attributes: dict[str, str]


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    folder = tmp_path_factory.mktemp("mesh")
    write_synthetic(folder / "models", "step", alpha_ms=1, beta_ms=0, batch_max=4)
    with collecting() as collector:
        tracing = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{collector.address}",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "OTEL_TRACES_SAMPLER_ARG": "0",  # Only what the client samples.
        }
        static = {"kind": "static"}
        worker_variables = worker_environ("w1", folder / "models", static) | tracing
        with running_service(
            "hasten_worker.main", worker_variables, log_path=folder / "worker.log"
        ) as worker:
            router_variables = (
                router_environ(static, workers=worker.address, **NOBODY_FREEZES) | tracing
            )
            with running_service(
                "hasten_router.main", router_variables, log_path=folder / "router.log"
            ) as router:
                eventually_sync(lambda: is_ready(router), PATIENCE_S, what="the model is ready")
                yield Mesh(router, worker, collector)


def is_ready(router: Service) -> bool:
    with grpc.insecure_channel(router.address) as channel:
        ask = channel.unary_unary("/inference.GRPCInferenceService/ModelReady")
        answer = ask(pb.ModelReadyRequest(name="step").SerializeToString(), timeout=60)
    return pb.ModelReadyResponse.FromString(answer).ready


def infer(address: str, *, flags: str, model: str = "step") -> None:
    message = pb.ModelInferRequest(model_name=model)
    message.inputs.add(name="INPUT", datatype="FP32", shape=[1, 2])
    message.raw_input_contents.append(np.ones(2, "<f4").tobytes())
    header = f"00-{TRACE_ID}-{CLIENT_SPAN}-{flags}"
    with grpc.insecure_channel(address) as channel:
        channel.unary_unary(f"/{RPC}")(
            message.SerializeToString(), timeout=60, metadata=(("traceparent", header),)
        )


def spans_named(collector: Collector, name: str) -> list[Seen]:
    return [
        Seen(facts["service.name"], span, attributes(span.attributes))
        for facts, span in collector.spans()
        if span.name == name
    ]


def only(collector: Collector, name: str) -> Seen:
    seen = eventually_sync(lambda: spans_named(collector, name), PATIENCE_S, what=name)
    assert len(seen) == 1, [span.name for _, span in collector.spans()]
    return seen[0]


def scraped(service: Service) -> tuple[set[str], int]:
    """Names of the metrics that a service has, and the number of its series."""
    url = f"http://{service.facts['metrics_address']}/metrics"
    with urllib.request.urlopen(url, timeout=60) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    found = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in families
        if family.name.startswith("hasten_")
    }
    return found, sum(len(family.samples) for family in families)


def test_one_request_is_one_trace_through_the_mesh(mesh: Mesh) -> None:
    infer(mesh.router.address, flags="00")  # Not sampled: nothing of it may appear.
    infer(mesh.router.address, flags="01")
    rpc = only(mesh.collector, RPC)
    attempt = only(mesh.collector, names.SPAN_ROUTER_ATTEMPT)
    call = only(mesh.collector, names.SPAN_WORKER_CALL)
    batch = only(mesh.collector, names.SPAN_WORKER_BATCH)

    assert [seen.service for seen in (rpc, attempt, call, batch)] == [
        "hasten-router",
        "hasten-router",
        "hasten-worker",
        "hasten-worker",
    ]
    assert rpc.span.parent_span_id.hex() == CLIENT_SPAN
    assert attempt.span.parent_span_id == rpc.span.span_id
    assert call.span.parent_span_id == attempt.span.span_id
    assert {seen.span.trace_id.hex() for seen in (rpc, attempt, call)} == {TRACE_ID}
    assert batch.span.trace_id.hex() != TRACE_ID
    assert [link.span_id for link in batch.span.links] == [call.span.span_id]
    assert [link.span_id for link in call.span.links] == [batch.span.span_id]

    for outer, inner in ((rpc, attempt), (attempt, call)):
        assert outer.span.start_time_unix_nano <= inner.span.start_time_unix_nano
        assert inner.span.end_time_unix_nano <= outer.span.end_time_unix_nano

    assert [event.name for event in rpc.span.events] == [names.EVENT_ADMITTED]
    assert [event.name for event in call.span.events] == [names.EVENT_BATCHED]
    assert rpc.attributes[names.ATTR_RPC_STATUS] == "OK"
    assert attempt.attributes[names.ATTR_ATTEMPT] == "1"
    for seen in (attempt, call, batch):
        assert seen.attributes[names.ATTR_MODEL] == "step"
    assert batch.attributes[names.ATTR_ROWS] == "1"


def test_what_every_worker_is_asked_is_in_the_trace_of_the_question(mesh: Mesh) -> None:
    name = "inference.GRPCInferenceService/ModelMetadata"
    header = f"00-{TRACE_ID}-{CLIENT_SPAN}-01"
    with grpc.insecure_channel(mesh.router.address) as channel:
        channel.unary_unary(f"/{name}")(
            pb.ModelMetadataRequest(name="step").SerializeToString(),
            timeout=60,
            metadata=(("traceparent", header),),
        )
    seen = eventually_sync(
        lambda: found if len(found := spans_named(mesh.collector, name)) == 3 else None,
        PATIENCE_S,
        what="three spans",
    )
    kinds = {(one.service, one.span.kind): one.span for one in seen}
    asked = kinds["hasten-router", Span.SPAN_KIND_SERVER]
    asking = kinds["hasten-router", Span.SPAN_KIND_CLIENT]
    answered = kinds["hasten-worker", Span.SPAN_KIND_SERVER]
    assert asked.parent_span_id.hex() == CLIENT_SPAN
    assert asking.parent_span_id == asked.span_id
    assert answered.parent_span_id == asking.span_id


def test_every_metric_is_served_by_the_service_that_it_is_of(mesh: Mesh) -> None:
    infer(mesh.router.address, flags="00")
    listed = {value for name, value in vars(names).items() if name.startswith("METRIC_")}
    of_router = {name for name in listed if name.startswith("hasten_router_")}
    of_worker = {name for name in listed if name.startswith("hasten_worker_")}
    of_scheduler = {name for name in listed if name.startswith("hasten_scheduler_")}
    # Of which its own tests look at those of the last two.
    of_autoscaler = {
        name for name in listed if name.startswith(("hasten_autoscaler_", "hasten_desired_"))
    }
    shared = listed - of_router - of_worker - of_scheduler - of_autoscaler
    for service, own in ((mesh.router, of_router), (mesh.worker, of_worker)):
        eventually_sync(partial(serves_all, service, own | shared), what="every metric is served")


def serves_all(service: Service, wanted: set[str]) -> bool:
    """A call is counted after its answer was handed out."""
    found, series = scraped(service)
    assert found == wanted
    assert series < 500
    return True
