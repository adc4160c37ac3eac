"""The compose files: valid, hardened, bounded, and true to the services' settings."""

from typing import Any

import pytest
from check_jsonschema.builtin_schemas import get_builtin_schema
from jsonschema import Draft7Validator

from hasten_autoscaler.settings import AutoscalerSettings
from hasten_router.settings import RouterSettings
from hasten_runtime.settings.loading import read
from hasten_scheduler.settings import SchedulerSettings
from hasten_worker.settings import WorkerSettings
from tests.support import compose

SERVICES = compose.services(compose.BASE)
OURS = ("autoscaler", "router", "scheduler", "worker")
CLOSING_S = 5.0
"""For closing models and connections once the last call is answered."""


def each_service() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)


@pytest.mark.parametrize("path", [compose.BASE, *compose.LAYERS], ids=lambda path: path.name)
def test_the_file_is_valid_by_the_compose_specification(path: Any) -> None:
    validator = Draft7Validator(get_builtin_schema("vendor.compose-spec"))
    faults = [
        f"{fault.json_path}: {fault.message}" for fault in validator.iter_errors(compose.raw(path))
    ]
    assert not faults, "\n".join(faults)


@each_service()
def test_a_broken_in_service_can_do_little(service: dict[str, Any]) -> None:
    assert service["user"].partition(":")[0] not in {"", "0", "root"}
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")
    assert not any("docker.sock" in volume for volume in service.get("volumes", ()))


@each_service()
def test_a_service_is_bounded(service: dict[str, Any]) -> None:
    assert service["pids_limit"] > 0
    assert {"max-size", "max-file"} <= service["logging"]["options"].keys()
    assert all("size=" in mount for mount in service.get("tmpfs", ()))


@each_service()
def test_a_service_tells_how_it_is_and_reaps_its_children(service: dict[str, Any]) -> None:
    assert service["healthcheck"]["test"][0] == "CMD", "no shell"
    assert service["init"] is True


def test_only_the_fronts_can_be_reached_from_the_host() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {
        "router": ["8001:8001", "8002:8002", "8000:8000"],
        "scheduler": ["8003:8001"],
        "autoscaler": ["127.0.0.1:8005:8001"],
    }
    assert not any("network_mode" in service for service in SERVICES.values())


def test_only_the_fronts_are_on_a_network_that_leads_outside() -> None:
    inside = {
        name
        for name, network in compose.raw(compose.BASE)["networks"].items()
        if network.get("internal")
    }
    outside = {name for name, service in SERVICES.items() if set(service["networks"]) - inside}
    assert outside == {"autoscaler", "router", "scheduler"}


@pytest.mark.parametrize("name", OURS)
def test_our_services_wait_for_the_stores_and_know_where_they_are(name: str) -> None:
    service = SERVICES[name]
    for store in ("redis", "consul"):
        assert service["depends_on"][store] == {"condition": "service_healthy"}
    prefix = f"HASTEN_{name.upper()}_"
    assert service["environment"][f"{prefix}REDIS_URL"].startswith("redis://redis:")
    assert service["environment"][f"{prefix}DISCOVERY__KIND"] == "consul"
    assert service["environment"][f"{prefix}DISCOVERY__ADDRESS"].startswith("consul:")


@pytest.mark.parametrize("name", ["router", "scheduler"])
def test_who_sends_to_workers_stops_before_them(name: str) -> None:
    assert "worker" in SERVICES[name]["depends_on"]


def given(monkeypatch: pytest.MonkeyPatch, name: str) -> dict[str, Any]:
    for variable, value in SERVICES[name]["environment"].items():
        monkeypatch.setenv(variable, str(value))
    return SERVICES[name]


def test_the_worker_accepts_its_settings_and_has_time_to_leave(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service = given(monkeypatch, "worker")
    settings = read(WorkerSettings)
    leaving_s = settings.drain.notice_s + settings.drain.patience_s + settings.stop_grace_s
    assert compose.seconds(service["stop_grace_period"]) >= leaving_s + CLOSING_S


def test_the_router_accepts_its_settings_and_has_time_to_leave(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service = given(monkeypatch, "router")
    settings = read(RouterSettings)
    leaving_s = settings.drain.notice_s + settings.drain.patience_s
    assert compose.seconds(service["stop_grace_period"]) >= leaving_s + CLOSING_S


def test_the_scheduler_accepts_its_settings_and_has_time_to_leave(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service = given(monkeypatch, "scheduler")
    settings = read(SchedulerSettings)
    leaving_s = settings.drain.notice_s + settings.drain.patience_s
    assert compose.seconds(service["stop_grace_period"]) >= leaving_s + CLOSING_S


def test_the_autoscaler_accepts_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, "autoscaler")
    assert read(AutoscalerSettings).mode == "advise"


def test_a_worker_gives_out_an_address_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    service = given(monkeypatch, "worker")
    assert not {"hostname", "container_name"} & service.keys(), "replicas would share it"
    settings = read(WorkerSettings)
    assert settings.id == ""
    assert settings.advertised(settings.address) != settings.address


def test_models_are_mounted_read_only_and_are_there() -> None:
    (mount,) = SERVICES["worker"]["volumes"]
    source, target, mode = mount.split(":")
    assert (target, mode) == (SERVICES["worker"]["environment"]["HASTEN_WORKER_MODELS_DIR"], "ro")
    assert any((compose.ROOT / source).glob("*/*/model.onnx"))


def test_redis_loses_nothing_that_it_accepted() -> None:
    command = SERVICES["redis"]["command"]
    options = dict(zip(command[1::2], command[2::2], strict=True))
    assert options["--appendonly"] == "yes"
    assert options["--maxmemory-policy"] == "noeviction"
    assert f"redis-data:{options['--dir']}" in SERVICES["redis"]["volumes"]


def test_consul_leads_again_when_its_container_gets_another_address() -> None:
    command = SERVICES["consul"]["command"]
    assert "-bind=127.0.0.1" in command
    assert "-client=0.0.0.0" in command
    assert "consul-data:/consul/data" in SERVICES["consul"]["volumes"]


@pytest.mark.parametrize("path", [compose.BASE, *compose.LAYERS], ids=lambda path: path.name)
def test_every_knob_is_explained_with_its_true_default(path: Any) -> None:
    explained = compose.documented(path)
    used = compose.variables_of(path)
    assert used
    for name, default in used.items():
        assert explained.get(name) == default, name
    assert explained.keys() <= used.keys() | compose.variables_of(compose.BASE).keys()


def test_knobs_reach_the_services() -> None:
    variables = {"HASTEN_PORT": "127.0.0.1:9001", "HASTEN_MODELS": "/srv/models"}
    services = compose.services(compose.BASE, variables)
    assert services["router"]["ports"][0] == "127.0.0.1:9001:8001"
    assert services["worker"]["volumes"] == ["/srv/models:/models:ro"]


def test_the_script_that_tries_the_file_stands_in_for_the_images_that_it_names() -> None:
    script = (compose.ROOT / "tools" / "compose_try.sh").read_text()
    images = {k: v for k, v in compose.variables_of(compose.BASE).items() if k.endswith("_IMAGE")}
    assert len(images) == 3
    for image in images.values():
        assert f"--tag {image} " in script


def test_the_gpu_layer_changes_only_the_worker_and_reserves_a_gpu() -> None:
    (path,) = compose.LAYERS
    layer = compose.services(path)
    assert layer.keys() == {"worker"}
    assert layer["worker"]["build"]["args"] == {"ACCELERATOR": "cuda"}
    assert layer["worker"]["image"] != SERVICES["worker"]["image"]
    (device,) = layer["worker"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]
