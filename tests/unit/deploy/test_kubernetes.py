"""The manifests in deploy/kubernetes agree with the services, and with each other."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from ruamel.yaml import YAML

from hasten_autoscaler.external_scaler import METRIC, POOL
from hasten_autoscaler.settings import AutoscalerSettings
from hasten_router.settings import RouterSettings
from hasten_runtime import telemetry_names
from hasten_runtime.settings import ServiceSettings, read
from hasten_scheduler.settings import SchedulerSettings
from hasten_worker.settings import WorkerSettings

FOLDER: Final = Path(__file__).resolve().parents[3] / "deploy" / "kubernetes"
SETTINGS: Final[dict[str, type[ServiceSettings]]] = {
    "router": RouterSettings,
    "scheduler": SchedulerSettings,
    "worker": WorkerSettings,
    "autoscaler": AutoscalerSettings,
}
NOTICE_S: Final = 1.0


def objects(*folders: str) -> Iterator[dict[str, Any]]:
    """What is applied of some folders; all without one."""
    paths = [path for name in folders or ("",) for path in (FOLDER / name).rglob("*.yaml")]
    for path in sorted(paths):
        yield from (each for each in YAML(typ="safe").load_all(path) if "metadata" in each)


def of_kind(kind: str, *folders: str) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each for each in objects(*folders) if each["kind"] == kind}


def container(deployment: dict[str, Any]) -> dict[str, Any]:
    (found,) = deployment["spec"]["template"]["spec"]["containers"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("scaled_by", ["", "keda", "hpa"])
def test_what_the_services_are_told_are_settings_of_theirs(
    scaled_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployments = of_kind("Deployment", "mesh")
    assert len(deployments) == len(SETTINGS)
    for deployment in deployments.values():
        found = container(deployment)
        told = list(found["env"])
        if scaled_by and found["name"] == "autoscaler":
            told += container(of_kind("Deployment", scaled_by)["autoscaler"])["env"]
        with monkeypatch.context() as patched:
            for each in told:
                patched.setenv(each["name"], each.get("value", "10.0.0.7"))
            settings = read(SETTINGS[found["name"]])
        # Whoever is stopped finishes what it has accepted before it is killed.
        spec = deployment["spec"]["template"]["spec"]
        patience_s = getattr(settings, "drain", None)
        if patience_s is not None and hasattr(patience_s, "patience_s"):
            assert spec["terminationGracePeriodSeconds"] > NOTICE_S + patience_s.patience_s
        ports = {each["name"]: each["containerPort"] for each in found["ports"]}
        assert settings.address.endswith(f":{ports['grpc']}")  # type: ignore[attr-defined]
        assert settings.metrics_address.endswith(f":{ports['metrics']}")  # type: ignore[attr-defined]
        assert {probe["httpGet"]["port"] for key, probe in found.items() if "Probe" in key} == {
            "metrics"
        }


def test_whatever_selects_pods_selects_some() -> None:
    labels = [
        each["spec"]["template"]["metadata"]["labels"]
        for kind in ("Deployment", "StatefulSet")
        for each in of_kind(kind, "mesh").values()
    ]
    selectors = [each["spec"]["selector"] for each in of_kind("Service", "mesh").values()]
    budgets = of_kind("PodDisruptionBudget", "mesh").values()
    selectors += [each["spec"]["selector"]["matchLabels"] for each in budgets]
    assert len(selectors) >= 8
    for selector in selectors:
        assert sum(selector.items() <= found.items() for found in labels) == 1, selector


def test_every_file_that_is_named_is_there_and_every_other_is_named() -> None:
    for folder in ("mesh", "keda", "hpa"):
        listed = YAML(typ="safe").load(FOLDER / folder / "kustomization.yaml")
        named = {*listed["resources"], *(each["path"] for each in listed.get("patches", ()))}
        assert all((FOLDER / folder / name).exists() for name in named)
        files = {path.name for path in (FOLDER / folder).iterdir()} - {"kustomization.yaml"}
        assert files <= named


def test_one_party_scales_the_pool_by_the_number_within_the_same_bounds() -> None:
    (workers,) = (each for name, each in of_kind("Deployment").items() if "workers" in name)
    assert "replicas" not in workers["spec"], "an apply would undo what was scaled"
    keda, hpa = of_kind("ScaledObject")["workers-default"], of_kind("HorizontalPodAutoscaler")
    number, alone = keda["spec"]["triggers"]
    assert (number["metricType"], number["metadata"][POOL]) == ("AverageValue", "default")
    assert number["metadata"]["scalerAddress"].endswith(":8005")
    assert METRIC.replace("-", "_") == telemetry_names.METRIC_DESIRED_REPLICAS
    assert alone["type"] == "cpu"
    (scaled,) = hpa.values()
    external, resource = scaled["spec"]["metrics"]
    assert external["external"]["metric"]["name"] == telemetry_names.METRIC_DESIRED_REPLICAS
    assert external["external"]["target"] == {"type": "AverageValue", "averageValue": "1"}
    assert resource["resource"]["name"] == "cpu"
    told = container(of_kind("Deployment", "mesh")["autoscaler"])["env"]
    env = {each["name"]: each.get("value") for each in told}
    bounds = [int(env[f"HASTEN_AUTOSCALER_BOUNDS__WORKERS_{way}"] or 0) for way in ("MIN", "MAX")]
    assert bounds == [keda["spec"]["minReplicaCount"], keda["spec"]["maxReplicaCount"]]
    assert bounds == [scaled["spec"]["minReplicas"], scaled["spec"]["maxReplicas"]]
    for target in (keda, scaled):
        assert target["spec"]["scaleTargetRef"]["name"] == workers["metadata"]["name"]
