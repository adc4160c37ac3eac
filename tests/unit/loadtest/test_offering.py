"""What the load generator makes of a workload."""

from pathlib import Path

import pytest
from google.protobuf import text_format

from hasten.inference.v2.inference_pb2 import ModelInferRequest
from hasten.inference.v2.model_config_pb2 import ModelConfig
from hasten_sim.workload import load, parse
from loadtest.calibrate import Overhead, calibrated, with_arrivals_of
from loadtest.offering import Payloads, busiest, impossible, planned, write_models
from tests.unit.sim_workload.texts import WORKLOADS

TEXT = """
name = "test"
duration_s = 5
[mesh]
lanes = 2
[arrivals]
process = "poisson"
rate_per_s = 50
[payload]
kind = "fixed"
bytes = 800
[rows]
kind = "mixed"
choices = [{ rows = 1, share = 1 }, { rows = 2, share = 1 }]
[deadlines]
kind = "mixed"
choices = [{ ms = 100, share = 1 }, { share = 1 }]
[priorities]
shares = [1, 1]
[[tenants]]
name = "shop"
[[tenants]]
name = ""
[[models]]
name = "rare"
alpha_ms = 10
beta_ms = 1
batch_max = 8
[[models]]
name = "often"
share = 3
alpha_ms = 20
batch_max = 4
noise = { cv = 0.1 }
"""


def test_what_is_offered_is_what_the_simulator_would_be_given() -> None:
    workload = parse(TEXT, "test.toml")
    scenario = workload.scenario()
    calls = list(planned(scenario, Payloads(workload, scenario), 3))
    arrivals = list(scenario.arrivals(3))
    assert len(calls) == len(arrivals) > 100
    for call, arrival in zip(calls, arrivals, strict=True):
        request = ModelInferRequest.FromString(call.payload)
        assert call.at_s == arrival.at_s
        assert call.deadline_s == (0.1 if arrival.slack_s == 0.1 else None)
        assert request.model_name == scenario.models[arrival.model].name
        # On the wire the most urgent class is 1.
        assert request.parameters["priority"].int64_param == arrival.priority + 1
        tenant = request.parameters["tenant"].string_param if arrival.tenant == 0 else ""
        assert tenant == scenario.tenants[arrival.tenant]
        assert ("tenant" in request.parameters) == (arrival.tenant == 0)
        # The largest request has the payload's size, and all rows are of one width.
        assert list(request.inputs[0].shape) == [arrival.rows, 100]
        assert len(request.raw_input_contents[0]) == arrival.rows * 400


def test_models_are_written_with_their_timing(tmp_path: Path) -> None:
    scenario = parse(TEXT, "test.toml").scenario()
    write_models(scenario, tmp_path)
    config = text_format.Parse((tmp_path / "often" / "config.pbtxt").read_text(), ModelConfig())
    said = {key: float(value.string_value) for key, value in config.parameters.items()}
    assert said == {"alpha_ms": 20, "beta_ms": 0, "noise": 0.1}
    assert (config.name, config.max_batch_size) == ("often", 4)
    assert config.instance_group[0].count == 2
    assert scenario.models[busiest(scenario)].name == "often"


@pytest.mark.parametrize("name", ["local", "small", "overload", "promise_noise", "tenants"])
def test_plain_workloads_can_be_offered(name: str) -> None:
    assert impossible(load(WORKLOADS / f"{name}.toml")) == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("balancing", "mesh.speeds: "),
        ("crash", "faults: "),
        ("promise_biased", "models 'model': profiled_factor: "),
        ("scale", "models '"),
        ("scale", "mesh.memory_mb: "),
        ("perceptron", "mesh.host: "),
        ("encoder_24", "mesh.lag_ms: "),
        ("seven_lengths", "models 'encoder': lengths: "),
        ("seven_lengths", "models 'encoder': element_us: "),
        ("wrong_profile", "models 'encoder': profiled_at: "),
        ("drifting", "models 'encoder': noise.drift_cv: "),
        ("drifting", "models 'encoder': noise.stall_every_s: "),
    ],
)
def test_what_a_local_mesh_cannot_do_is_said(name: str, reason: str) -> None:
    found = impossible(load(WORKLOADS / f"{name}.toml"))
    assert any(one.startswith(reason) for one in found)


def test_everything_that_it_cannot_do_is_said_by_key() -> None:
    mesh = "lanes = 2\nmemory_mb = 100\nweights_known = true"
    written = TEXT.replace("lanes = 2", mesh).replace(
        '"mixed"\nchoices = [{ ms', '"mixed"\ncallers_leave = false\nchoices = [{ ms'
    )
    keys = [reason.partition(":")[0] for reason in impossible(parse(written, "test.toml"))]
    assert keys == ["mesh.weights_known", "mesh.memory_mb", "deadlines.callers_leave"]


def test_what_was_measured_is_added_to_the_times_and_to_nothing_else() -> None:
    scenario = parse(TEXT, "test.toml").scenario()
    found = calibrated(scenario, Overhead(batch_s=0.002, call_s=0.003, jitter_s=0.001))
    network = found.mesh.network
    assert (network.latency_s, network.jitter_s) == (0.0015, 0.0005)
    assert [model.times.seconds(4) for model in found.models] == pytest.approx([0.016, 0.022])
    assert [model.profiled_factor for model in found.models] == pytest.approx([18 / 20, 20 / 22])
    assert list(found.arrivals(1)) == list(scenario.arrivals(1))


def test_the_requests_can_be_kept_while_the_seed_decides_the_rest() -> None:
    scenario = parse(TEXT, "test.toml").scenario()
    kept = with_arrivals_of(scenario, 3)
    assert list(kept.arrivals(1)) == list(kept.arrivals(2)) == list(scenario.arrivals(3))
