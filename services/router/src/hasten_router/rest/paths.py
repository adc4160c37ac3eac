"""Which path asks for which RPC."""

import re
from typing import Final, NamedTuple
from urllib.parse import unquote

from hasten_policy.reasons import Reason, Refusal
from hasten_policy.short import short
from hasten_router.rest.reading import invalid

METRICS: Final = "metrics"
"""Stands for the page of metrics, which is no RPC."""
INFER: Final = "ModelInfer"
_MODEL: Final = "/v2/models/{name}[/versions/{version}]"
_REPOSITORY: Final = "/v2/repository[/{repository_name}]"
# The hot path comes first. A name in braces is the field of the RPC's request.
_TABLE: Final = (
    ("POST", "/v2/models/{model_name}[/versions/{model_version}]/infer", INFER),
    ("GET", "/v2/health/live", "ServerLive"),
    ("GET", "/v2/health/ready", "ServerReady"),
    ("GET", f"{_MODEL}/ready", "ModelReady"),
    ("GET", "/v2", "ServerMetadata"),
    ("GET", "/v2/models/stats", "ModelStatistics"),
    ("GET", f"{_MODEL}/stats", "ModelStatistics"),
    ("GET", f"{_MODEL}/config", "ModelConfig"),
    ("GET", _MODEL, "ModelMetadata"),
    ("POST", f"{_REPOSITORY}/index", "RepositoryIndex"),
    ("POST", f"{_REPOSITORY}/models/{{model_name}}/load", "RepositoryModelLoad"),
    ("POST", f"{_REPOSITORY}/models/{{model_name}}/unload", "RepositoryModelUnload"),
    ("GET", "/v2/systemsharedmemory[/region/{name}]/status", "SystemSharedMemoryStatus"),
    ("POST", "/v2/systemsharedmemory/region/{name}/register", "SystemSharedMemoryRegister"),
    ("POST", "/v2/systemsharedmemory[/region/{name}]/unregister", "SystemSharedMemoryUnregister"),
    ("GET", "/v2/cudasharedmemory[/region/{name}]/status", "CudaSharedMemoryStatus"),
    ("POST", "/v2/cudasharedmemory/region/{name}/register", "CudaSharedMemoryRegister"),
    ("POST", "/v2/cudasharedmemory[/region/{name}]/unregister", "CudaSharedMemoryUnregister"),
    ("GET", "/v2[/models/{model_name}]/trace/setting", "TraceSetting"),
    ("POST", "/v2[/models/{model_name}]/trace/setting", "TraceSetting"),
    ("GET", "/v2/logging", "LogSettings"),
    ("POST", "/v2/logging", "LogSettings"),
    ("GET", "/health/live", "ServerLive"),
    ("GET", "/health/ready", "ServerReady"),
    ("GET", "/metrics", METRICS),
)


class Nowhere(Exception):  # noqa: N818  (an answer, not a fault of ours)
    """There is nothing at the path, or not for the method.

    Attributes:
        refusal: What is told.
        status: 404 or 405.
        allow: The methods that there are.
    """

    def __init__(self, refusal: Refusal, status: int, allow: tuple[str, ...] = ()) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal
        self.status = status
        self.allow = allow


class Route(NamedTuple):
    """What a request asks for.

    Attributes:
        rpc: Name of the RPC, or METRICS.
        fields: Of its request, by the path.
    """

    rpc: str
    fields: dict[str, str]


def _compiled(template: str) -> re.Pattern[str]:
    optional = re.sub(r"\[([^\]]*)\]", r"(?:\1)?", template)
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", optional) + "/?")


_ROUTES: Final = tuple((method, _compiled(template), rpc) for method, template, rpc in _TABLE)


def route(method: str, path: str) -> Route:
    """What the method and the raw path ask for.

    Raises:
        Nowhere: Nothing that there is.
        MeshError: A name in the path is not UTF-8.
    """
    wanted = "GET" if method == "HEAD" else method
    allow: list[str] = []
    for each, pattern, rpc in _ROUTES:
        found = pattern.fullmatch(path)
        if found is None:
            continue
        if each == wanted:
            given = found.groupdict()
            return Route(rpc, {name: _name(text) for name, text in given.items() if text})
        allow.append(each)
    shown = short(path)
    if not allow:
        refusal = Refusal(
            Reason.UNIMPLEMENTED, f"there is nothing at {shown}: the protocol begins at /v2"
        )
        raise Nowhere(refusal, 404)
    known = ("HEAD", *allow) if "GET" in allow else tuple(allow)
    refusal = Refusal(
        Reason.UNIMPLEMENTED, f"{shown} takes {' and '.join(allow)}, not {short(method, 20)}"
    )
    raise Nowhere(refusal, 405, known)


def _name(quoted: str) -> str:
    try:
        return unquote(quoted, errors="strict")
    except UnicodeDecodeError:
        raise invalid("path", "must have its names in UTF-8") from None
