"""URLs that name several servers: redis+sentinel:// and redis+cluster://."""

from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import parse_qs, unquote, urlsplit

SENTINEL: Final = "redis+sentinel"
CLUSTER: Final = "redis+cluster"
PORTS: Final = {SENTINEL: 26379, CLUSTER: 6379}
_FORMS: Final = {
    SENTINEL: "redis+sentinel://[user:password@]host[:port][,host[:port]...]/name[/database]",
    CLUSTER: "redis+cluster://[user:password@]host[:port][,host[:port]...]",
}


@dataclass(frozen=True, slots=True)
class ServersUrl:
    """What such a URL says.

    Attributes:
        scheme: SENTINEL or CLUSTER.
        hosts: (host, port) of each Sentinel, or of some nodes of the Cluster.
        service: What the Sentinels call the primary; "" for a Cluster.
        database: Number of the database.
        username: For the primary; None for none.
        password: For the primary; None for none.
        sentinel_password: For the Sentinels; None for none.
    """

    scheme: str
    hosts: tuple[tuple[str, int], ...]
    service: str
    database: int
    username: str | None
    password: str | None
    sentinel_password: str | None

    @classmethod
    def parse(cls, url: str) -> Self:
        """Reads redis+sentinel://[user:password@]host[:port][,...]/name[/database], with
        ?sentinel_password=... after it or not, or redis+cluster://[user:password@]host[:port][,...].

        Raises:
            ValueError: It is none of these.
        """
        parts = urlsplit(url)
        form = _FORMS[parts.scheme]
        user, _, hosts = parts.netloc.rpartition("@")
        username, _, password = user.partition(":")
        service, _, database = parts.path.strip("/").partition("/")
        port = PORTS[parts.scheme]
        found = tuple(_address(host, port) for host in hosts.split(",") if host)
        if not found or bool(service) != (parts.scheme == SENTINEL):
            raise ValueError(f"not of the form {form}")
        if database and not database.isdecimal():
            raise ValueError(f"the database is no number: not of the form {form}")
        said = parse_qs(parts.query).get("sentinel_password")
        return cls(
            scheme=parts.scheme,
            hosts=found,
            service=unquote(service),
            database=int(database or 0),
            username=unquote(username) or None,
            password=unquote(password) or None,
            sentinel_password=said[0] if said else None,
        )


def _address(text: str, usual_port: int) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        return text.strip("[]"), usual_port
    if not host or not port.isdecimal():
        raise ValueError(f"{text!r} is no host:port")
    return host.strip("[]"), int(port)
