"""Where callbacks may go: by the names in the settings, and by the addresses behind the names."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from hasten_policy.reasons import Reason, Refusal
from hasten_policy.short import short
from hasten_runtime.errors import MeshError

URI_CHARS_MAX: Final = 2000
_PORTS: Final = {"https": 443, "http": 80}
_NAT64: Final = IPv6Network("64:ff9b::/96")


class Origin(NamedTuple):
    """Whom a URI means: all of it but the path."""

    scheme: str
    host: str
    port: int


def origin_of(text: str) -> Origin:
    """An origin of the settings, as hooks.example.com or http://10.0.0.7:8080.

    Raises:
        ValueError: It is none.
    """
    said = urlsplit(text if "://" in text else f"https://{text}")
    if said.scheme not in _PORTS or not said.hostname:
        raise ValueError(f"{text!r} is no host, and no https:// or http:// with a host")
    if said.path.strip("/") or said.query or said.fragment or said.username is not None:
        raise ValueError(f"{text!r} has more than scheme, host and port")
    return Origin(said.scheme, said.hostname, said.port or _PORTS[said.scheme])


class Places:
    """The places that callbacks may go to.

    Args:
        origins: Whom the settings allow; a host that begins with "*." stands for all below it.
        private: Addresses that are not public may be behind them.
    """

    def __init__(self, origins: Sequence[Origin], *, private: bool) -> None:
        self._origins = origins
        self._private = private

    def check(self, uri: str) -> None:
        """Raises MeshError for a URI that callbacks may not go to."""
        if len(uri) > URI_CHARS_MAX or not (uri.isascii() and uri.isprintable()) or " " in uri:
            raise _refusal(
                Reason.INVALID_REQUEST,
                f"callback_uri must be at most {URI_CHARS_MAX} printable ASCII characters "
                f"without a space, not {short(uri)!r}",
            )
        try:
            said = urlsplit(uri)
            origin = Origin(
                said.scheme, said.hostname or "", said.port or _PORTS.get(said.scheme, 0)
            )
        except ValueError as error:
            raise _refusal(Reason.INVALID_REQUEST, f"callback_uri is no URI: {error}") from None
        if said.username is not None or said.password is not None:
            raise _refusal(Reason.INVALID_REQUEST, "callback_uri must not hold a password")
        if not any(_allows(allowed, origin) for allowed in self._origins):
            what = (
                "the setting callbacks.hosts names others"
                if self._origins
                else "callbacks are off, as the setting callbacks.hosts names no host"
            )
            whom = f"{origin.scheme}://{origin.host}:{origin.port}"
            raise _refusal(
                Reason.CALLBACK_NOT_ALLOWED, f"nobody is told at {short(whom)!r}: {what}"
            )

    def reaches(self, address: str) -> bool:
        """A connection to this IP address may be opened."""
        ip = _innermost(ip_address(address.partition("%")[0]))
        if ip.is_link_local or ip.is_multicast or ip.is_unspecified:
            return False
        return ip.is_global or (self._private and (ip.is_private or ip.is_loopback))


def _allows(allowed: Origin, origin: Origin) -> bool:
    if (allowed.scheme, allowed.port) != (origin.scheme, origin.port):
        return False
    if allowed.host.startswith("*."):
        return origin.host.endswith(allowed.host[1:])
    return origin.host == allowed.host


def _innermost(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The address at which a packet to this one arrives: IPv6 has several ways to say IPv4."""
    if isinstance(ip, IPv4Address):
        return ip
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFF_FFFF)
    return ip.ipv4_mapped or ip.sixtofour or ip


def _refusal(reason: Reason, message: str) -> MeshError:
    return MeshError(Refusal(reason, message, metadata=(("field", "callback_uri"),)))
