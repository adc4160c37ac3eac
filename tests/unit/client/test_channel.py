"""What a channel is opened with."""

import pytest

from hasten_client.channel import options


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("ipv4:10.0.0.1:8001,10.0.0.2:8001", "10.0.0.1:8001"),
        ("ipv4:///10.0.0.1:8001,10.0.0.2:8001", "10.0.0.1:8001"),
        ("ipv6:[::1]:8001,[::2]:8001", "[::1]:8001"),
    ],
)
def test_a_list_of_routers_is_no_name_of_a_server(address: str, name: str) -> None:
    assert dict(options(address))["grpc.default_authority"] == name


@pytest.mark.parametrize("address", ["localhost:8001", "dns:///routers:8001", "unix:/run/h.sock"])
def test_one_router_is_called_by_its_own_name(address: str) -> None:
    assert "grpc.default_authority" not in dict(options(address))


def test_what_the_caller_says_wins() -> None:
    chosen = options("ipv4:1.2.3.4:1,1.2.3.5:1", (("grpc.default_authority", "mine"),))
    assert [value for name, value in chosen if name == "grpc.default_authority"] == ["mine"]
