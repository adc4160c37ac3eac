"""What the worker says of itself, and its trace and log settings."""

from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Final

from hasten.inference.v2 import inference_pb2 as pb
from hasten_policy.reasons import Reason
from hasten_policy.short import short
from hasten_runtime.protocol_names import SERVER_NAME
from hasten_worker.tensors.refusals import refuse

EXTENSIONS: Final = (
    "classification",
    "model_repository",
    "model_repository(unload_dependents)",
    "schedule_policy",
    "model_configuration",
    "binary_tensor_data",
    "parameters",
    "statistics",
    "logging",
)
"""What is always true; system_shared_memory joins them where it is switched on."""
VALUES_MAX: Final = 64
"""Values of one trace setting, and characters of one value divided by 16."""


class ServerFacts:
    """ServerLive, ServerReady and ServerMetadata."""

    def __init__(self, *, ready: Callable[[], bool], shared_memory: bool) -> None:
        self._ready = ready
        self._metadata = pb.ServerMetadataResponse(
            name=SERVER_NAME,
            version=version("hasten-worker"),
            extensions=[*EXTENSIONS, *(["system_shared_memory"] if shared_memory else [])],
        )

    async def live(self, _: pb.ServerLiveRequest, __: object) -> pb.ServerLiveResponse:
        """True: it answered."""
        return pb.ServerLiveResponse(live=True)

    async def ready(self, _: pb.ServerReadyRequest, __: object) -> pb.ServerReadyResponse:
        """It takes new requests."""
        return pb.ServerReadyResponse(ready=self._ready())

    async def metadata(self, _: pb.ServerMetadataRequest, __: object) -> pb.ServerMetadataResponse:
        """Name, version and extensions."""
        return self._metadata


TRACE_DEFAULTS: Final[Mapping[str, tuple[str, ...]]] = {
    "trace_file": ("",),
    "trace_level": ("OFF",),
    "trace_rate": ("1000",),
    "trace_count": ("-1",),
    "log_frequency": ("0",),
    "trace_mode": ("opentelemetry",),
}


class TraceSettings:
    """TraceSetting: kept and told, for tools that set them. Traces themselves are switched by
    the standard OTEL_* variables.
    """

    def __init__(self, known: Callable[[str], bool]) -> None:
        self._known = known
        self._server: dict[str, tuple[str, ...]] = dict(TRACE_DEFAULTS)
        self._models: dict[str, dict[str, tuple[str, ...]]] = {}

    async def trace_setting(
        self, request: pb.TraceSettingRequest, _: object
    ) -> pb.TraceSettingResponse:
        """Changes what is named, for the server or one model, and tells all. A setting
        without values goes back to the server's, or to the default.
        """
        model = request.model_name
        if model and not self._known(model):
            refuse(Reason.MODEL_NOT_FOUND, f"model {short(model)!r} is not in the repository")
        wanted = {key: _trace_values(key, setting) for key, setting in request.settings.items()}
        if wanted:
            settings = self._models.setdefault(model, {}) if model else self._server
            for key, values in wanted.items():
                if values:
                    settings[key] = values
                elif model:
                    settings.pop(key, None)
                else:
                    settings[key] = TRACE_DEFAULTS[key]
        response = pb.TraceSettingResponse()
        for key, values in {**self._server, **self._models.get(model, {})}.items():
            response.settings[key].value.extend(values)
        return response


def _trace_values(key: str, setting: pb.TraceSettingRequest.SettingValue) -> tuple[str, ...]:
    if key not in TRACE_DEFAULTS:
        refuse(
            Reason.INVALID_PARAMETER,
            f"trace setting {short(key)!r}: unknown; expected one of {', '.join(TRACE_DEFAULTS)}",
            setting=key,
        )
    values = tuple(setting.value)
    if len(values) > VALUES_MAX or any(len(value) > 16 * VALUES_MAX for value in values):
        refuse(Reason.INVALID_PARAMETER, f"trace setting {key}: too long", setting=key)
    return values


LOG_DEFAULTS: Final[Mapping[str, bool | int | str]] = {
    "log_info": True,
    "log_warning": True,
    "log_error": True,
    "log_verbose_level": 0,
    "log_format": "default",
}
_KINDS: Final = {bool: "bool_param", int: "uint32_param", str: "string_param"}


class LogSettings:
    """LogSettings: the level takes effect at once.

    Args:
        apply: Sets the process's log level, by name.
        level: The level at start.
    """

    def __init__(self, apply: Callable[[str], None], level: str) -> None:
        self._apply = apply
        self._values: dict[str, bool | int | str] = dict(LOG_DEFAULTS)
        self._values["log_verbose_level"] = int(level == "debug")
        self._values["log_info"] = level in {"debug", "info"}
        self._values["log_warning"] = level in {"debug", "info", "warning"}
        self._values["log_error"] = level != "critical"

    async def log_settings(
        self, request: pb.LogSettingsRequest, _: object
    ) -> pb.LogSettingsResponse:
        """Changes what is named and tells all."""
        wanted = {key: _log_value(key, setting) for key, setting in request.settings.items()}
        if wanted:
            self._values.update(wanted)
            self._apply(self._level())
        response = pb.LogSettingsResponse()
        for key, value in self._values.items():
            setattr(response.settings[key], _KINDS[type(value)], value)
        return response

    def _level(self) -> str:
        """The least severity that is switched on."""
        if self._values["log_verbose_level"]:
            return "debug"
        for key, level in (
            ("log_info", "info"),
            ("log_warning", "warning"),
            ("log_error", "error"),
        ):
            if self._values[key]:
                return level
        return "critical"


def _log_value(key: str, setting: pb.LogSettingsRequest.SettingValue) -> bool | int | str:
    default = LOG_DEFAULTS.get(key)
    if default is None:
        refuse(
            Reason.INVALID_PARAMETER,
            f"log setting {short(key)!r}: cannot be set; expected one of {', '.join(LOG_DEFAULTS)}",
            setting=key,
        )
    kind = _KINDS[type(default)]
    if setting.WhichOneof("parameter_choice") != kind:
        refuse(
            Reason.INVALID_PARAMETER,
            f"log setting {key}: expected a {type(default).__name__} in {kind}",
            setting=key,
        )
    value: bool | int | str = getattr(setting, kind)
    if key == "log_format" and value not in {"default", "ISO8601"}:
        refuse(
            Reason.INVALID_PARAMETER,
            f"log setting {key}: expected default or ISO8601",
            setting=key,
        )
    return value
