"""Settings of the router: the policy's parameters, the workers, the limits that belong together."""

import pytest

from hasten_policy.groups import parameters
from hasten_policy.router.policy import RouterPolicy
from hasten_router.processes import Addresses, child_flags
from hasten_router.settings import PolicySettings, RouterSettings
from hasten_runtime.message_limit import ENVELOPE_BYTES
from hasten_runtime.settings import SettingsFault, read


def test_every_parameter_of_the_policy_can_be_set_and_is_described() -> None:
    known = PolicySettings.model_fields
    assert set(known) == set(parameters(RouterPolicy)) - {"router_id"}
    assert all(field.description and field.description != name for name, field in known.items())


def test_the_defaults_are_those_of_the_policy() -> None:
    assert RouterSettings().router_policy() == RouterPolicy.of(router_id="router")


def test_a_parameter_comes_from_a_variable_or_a_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HASTEN_ROUTER_POLICY__HOLD_CALLS_MAX", "7")
    monkeypatch.setenv("HASTEN_ROUTER_POLICY__EPSILON", "[0.1, 0.1, 0.1, 0.1]")
    policy = read(RouterSettings, ["--policy.hedge-share", "0.05"]).router_policy()
    assert (policy.hold.hold_calls_max, policy.retry.hedge_share) == (7, 0.05)
    assert policy.plan.epsilon == (0.1, 0.1, 0.1, 0.1)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HASTEN_ROUTER_POLICY__THETA_MIN", "-1"),
        ("HASTEN_ROUTER_POLICY__MODE", "wild"),
        ("HASTEN_ROUTER_POLICY__HOLD_CALLZ", "1"),
        ("HASTEN_ROUTER_PROCESSES", "0"),
        ("HASTEN_ROUTER_ADRESS", "127.0.0.1:1"),
    ],
)
def test_a_mistake_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsFault):
        read(RouterSettings)


def test_static_workers_and_the_redis_url_reach_discovery() -> None:
    static = RouterSettings(workers=("h:1", "h:2")).discovery_settings()
    assert (static.kind, static.workers) == ("static", ("h:1", "h:2"))
    leases = RouterSettings(redis_url="redis://h:6379", discovery={"kind": "redis"})
    assert leases.discovery_settings().address == "redis://h:6379"
    own = RouterSettings(
        redis_url="redis://h:6379", discovery={"kind": "redis", "address": "redis://other:1"}
    )
    assert own.discovery_settings().address == "redis://other:1"


def test_a_request_at_its_limit_fits_into_a_message_to_a_worker() -> None:
    settings = RouterSettings()
    assert settings.front_limits().request_bytes_max == (
        settings.grpc.message_bytes_max - ENVELOPE_BYTES
    )


def test_children_share_the_address_and_have_names_and_metrics_of_their_own() -> None:
    settings = RouterSettings(id="r", metrics_address="127.0.0.1:9000", processes=2)
    flags = child_flags(settings, 1, Addresses("127.0.0.1:8001", "127.0.0.1:8000"))
    child = read(RouterSettings, flags)
    assert (child.id, child.address, child.http_address, child.metrics_address) == (
        "r-1",
        "127.0.0.1:8001",
        "127.0.0.1:8000",
        "127.0.0.1:9001",
    )
    assert (child.processes, child.shared_port) == (1, True)
    anywhere = RouterSettings(metrics_address="127.0.0.1:0")
    flags = child_flags(anywhere, 3, Addresses("127.0.0.1:1", ""))
    assert "--metrics-address=127.0.0.1:0" in flags
    assert read(RouterSettings, flags).http_address == ""


@pytest.mark.parametrize("message_bytes_max", [4096, 100_000, 1024 * 1024])
def test_calls_that_share_a_message_fit_into_it_with_what_is_beside_them(
    message_bytes_max: int,
) -> None:
    settings = RouterSettings.model_validate({"grpc": {"message_bytes_max": message_bytes_max}})
    assert settings.link_limits().message_bytes_max < message_bytes_max
    assert settings.front_limits().request_bytes_max < message_bytes_max
