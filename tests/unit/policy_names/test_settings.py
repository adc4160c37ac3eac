"""Every policy is reachable from the settings of the services, and a wrong name stops the start."""

from dataclasses import fields, replace
from pathlib import Path
from random import Random

import pytest

from hasten_autoscaler.settings import AutoscalerSettings
from hasten_policy.autoscaler.machine import AutoscalerMachine
from hasten_policy.machines import choices
from hasten_policy.registry import BUNDLES, names, resolve
from hasten_policy.router.machine import RouterMachine
from hasten_policy.scheduler.machine import SchedulerMachine
from hasten_policy.worker.machine import WorkerMachine
from hasten_policy.worker.policy import WorkerPolicy
from hasten_router.settings import RouterSettings
from hasten_runtime.settings import ServiceSettings, SettingsFault, read
from hasten_scheduler.settings import SchedulerSettings
from hasten_worker.settings import PolicySettings as WorkerPolicySettings
from hasten_worker.settings import WorkerSettings

CHOICES = choices()
EVERY_NAME = [(path, name) for path, table in CHOICES.items() for name in table.names]
SETTINGS: dict[str, type[ServiceSettings]] = {
    "autoscaler": AutoscalerSettings,
    "router": RouterSettings,
    "scheduler": SchedulerSettings,
    "worker": WorkerSettings,
}
FLAT = {"lanes", "waiting_max", "waiting_bytes_max"}


@pytest.fixture(autouse=True)
def models_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HASTEN_WORKER_MODELS_DIR", str(tmp_path))


def variable(path: str) -> str:
    """The environment variable of a field of `CHOICES`."""
    side, _, field = path.partition(".")
    return f"HASTEN_{side.upper()}_POLICY__{field.replace('.', '__').upper()}"


@pytest.mark.parametrize(("path", "name"), EVERY_NAME)
def test_every_name_is_one_variable_away(
    monkeypatch: pytest.MonkeyPatch, path: str, name: str
) -> None:
    monkeypatch.setenv(variable(path), name)
    router = read(RouterSettings).router_policy()
    worker = read(WorkerSettings).worker_policy()
    scheduler = read(SchedulerSettings).scheduler_policy()
    autoscaler = read(AutoscalerSettings).autoscaler_policy()
    said = {
        "autoscaler.rule": autoscaler.rule,
        "router.balancer": router.fleet.balancer,
        "router.admission": router.plan.admission,
        "router.order": router.hold.order,
        "scheduler.balancer": scheduler.fleet.balancer,
        "scheduler.order": scheduler.ordering.order,
        "worker.batching.rule": worker.batching.rule,
        "worker.batching.order": worker.batching.order,
    }
    assert said[path] == name
    AutoscalerMachine(autoscaler)
    RouterMachine(router, rng=Random(1))
    SchedulerMachine(scheduler, rng=Random(1))
    WorkerMachine(worker)


@pytest.mark.parametrize("name", names("bundle"))
def test_a_bundle_gives_the_defaults_of_both_services(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("HASTEN_ROUTER_BUNDLE", name)
    monkeypatch.setenv("HASTEN_WORKER_BUNDLE", name)
    found = resolve(name)
    assert read(RouterSettings).router_policy() == found.router.but({"router_id": "router"})
    assert read(WorkerSettings, ["--lanes=1"]).worker_policy() == found.worker


def test_what_is_set_wins_over_the_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "router.toml"
    file.write_text('bundle = "fifo"\n[policy]\nbalancer = "p2c"\n')
    monkeypatch.setenv("HASTEN_ROUTER_POLICY__ORDER", "lifo")
    flags = ["--config", str(file), "--policy.hold-calls-max", "9"]
    policy = read(RouterSettings, flags).router_policy()
    assert policy == resolve("fifo,balancer=p2c").router.but(
        {"order": "lifo", "hold_calls_max": 9, "router_id": "router"}
    )
    monkeypatch.setenv("HASTEN_WORKER_BUNDLE", "window")
    monkeypatch.setenv("HASTEN_WORKER_POLICY__BATCHING__OVER_FRACTION", "0.4")
    monkeypatch.setenv("HASTEN_WORKER_POLICY__REFUSE_HOPELESS", "true")
    worker = read(WorkerSettings, ["--waiting-max=7", "--policy.prediction.band-runs-max", "9"])
    made = worker.worker_policy()
    assert (made.batching.rule, made.batching.over_fraction) == ("window", 0.4)
    assert (made.refuse_hopeless, made.waiting_max, made.prediction.band_runs_max) == (True, 7, 9)


def test_what_code_sets_wins_over_the_bundle_too() -> None:
    made = RouterSettings(bundle="fifo", policy={"order": "edf"}).router_policy()
    assert made.hold.order == "edf"
    assert made.fleet == replace(BUNDLES.get("fifo").router.fleet, router_id="router")


def test_every_parameter_of_the_worker_can_be_set_and_is_described() -> None:
    known = WorkerPolicySettings.model_fields
    assert set(known) == {field.name for field in fields(WorkerPolicy)} - FLAT
    assert all(field.description and field.description != name for name, field in known.items())


@pytest.mark.parametrize("path", CHOICES)
def test_a_name_that_does_not_exist_stops_the_start_with_one_sentence(
    monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setenv(variable(path), "nonsense")
    with pytest.raises(SettingsFault) as caught:
        read(SETTINGS[path.partition(".")[0]])
    field = path.rpartition(".")[2]
    known = ", ".join(CHOICES[path].names)
    assert caught.value.faults == (
        f"{variable(path)} is 'nonsense': {field} must be one of {known}, not 'nonsense'",
    )


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_a_bundle_that_does_not_exist_stops_the_start(settings: type[ServiceSettings]) -> None:
    with pytest.raises(SettingsFault, match="--bundle is 'nonsense': bundle must be one of hasten"):
        read(settings, ["--bundle=nonsense"])


@pytest.mark.parametrize(
    "name", ["POLICY__BATCHING__RULEZ", "POLICY__LANES", "POLICY__WAITING_MAX"]
)
def test_what_is_no_setting_of_the_policy_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(f"HASTEN_WORKER_{name}", "1")
    with pytest.raises(SettingsFault, match=f"HASTEN_WORKER_{name} is no setting"):
        read(WorkerSettings)
