"""The messages of the other RPCs as JSON, in the forms that Triton gives them."""

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any, Final

from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from hasten.inference.v2 import inference_pb2 as pb
from hasten_router.rest import reading
from hasten_router.rest.reading import Document

_METHODS: Final[Mapping[str, MethodDescriptor]] = pb.DESCRIPTOR.services_by_name[
    "GRPCInferenceService"
].methods_by_name
_FILE_PREFIX: Final = "file:"
"""Of a parameter that carries a file of a model, in base 64."""
UINT32_MAX: Final = 2**32 - 1


def request_message(rpc: str, fields: Mapping[str, str], body: Document) -> bytes:
    """The RPC's serialised request.

    Args:
        rpc: Its name.
        fields: Fields of the request that the path gives.
        body: What the body says.

    Raises:
        MeshError: The body says something that cannot be.
    """
    request = message_factory.GetMessageClass(_METHODS[rpc].input_type)(**fields)
    fill = _FILLS.get(rpc)
    if fill is not None:
        fill(request, body)
    return request.SerializeToString()


def answer_json(rpc: str, answer: Message) -> Any:  # noqa: ANN401  (JSON)
    """What the RPC answered, for JSON."""
    if isinstance(answer, pb.RepositoryIndexResponse):
        return [as_json(model) for model in answer.models]
    if isinstance(answer, pb.ModelConfigResponse):
        return as_json(answer.config)
    if isinstance(answer, pb.SystemSharedMemoryStatusResponse | pb.CudaSharedMemoryStatusResponse):
        return [as_json(region) for region in answer.regions.values()]
    if rpc == "LogSettings":
        return {
            name: getattr(value, value.WhichOneof("parameter_choice") or "string_param")
            for name, value in answer.settings.items()  # type: ignore[attr-defined]
        }
    if rpc == "TraceSetting":
        return {
            name: list(value.value) if name == "trace_level" else " ".join(value.value)
            for name, value in answer.settings.items()  # type: ignore[attr-defined]
        }
    return as_json(answer)


def as_json(message: Message) -> Document:
    """A message field by field: whole numbers as numbers, enums by name, bytes in base 64; what is
    not set and can be told from its default is left out.
    """
    found: Document = {}
    for field in message.DESCRIPTOR.fields:
        if field.has_presence and not message.HasField(field.name):
            continue
        value = getattr(message, field.name)
        if not field.is_repeated:
            found[field.name] = _value(field, value)
        elif field.message_type is not None and field.message_type.GetOptions().map_entry:
            inner = field.message_type.fields_by_name["value"]
            found[field.name] = {str(key): _value(inner, each) for key, each in value.items()}
        else:
            found[field.name] = [_value(field, each) for each in value]
    return found


def _value(field: Any, value: Any) -> Any:  # noqa: ANN401  (a descriptor of either kind)
    if isinstance(value, Message):
        return as_json(value)
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return known.name if known is not None else value
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def _fill_index(request: pb.RepositoryIndexRequest, body: Document) -> None:
    request.ready = reading.flag("ready", body.get("ready", False))


def _fill_model_change(
    request: pb.RepositoryModelLoadRequest | pb.RepositoryModelUnloadRequest, body: Document
) -> None:
    given = reading.an_object("parameters", body.get("parameters", {}))
    for name, value in given.items():
        parameter = request.parameters[reading.text("parameters", name)]
        if name.startswith(_FILE_PREFIX):
            parameter.bytes_param = _bytes(name, value)
        elif isinstance(value, bool):
            parameter.bool_param = value
        elif isinstance(value, int):
            parameter.int64_param = reading.count(name, value)
        else:
            parameter.string_param = reading.text(name, value)


def _fill_system_region(request: pb.SystemSharedMemoryRegisterRequest, body: Document) -> None:
    request.key = reading.text("key", body.get("key"))
    request.offset = reading.count("offset", body.get("offset", 0))
    request.byte_size = reading.count("byte_size", body.get("byte_size"))


def _fill_cuda_region(request: pb.CudaSharedMemoryRegisterRequest, body: Document) -> None:
    handle = reading.an_object("raw_handle", body.get("raw_handle"))
    request.raw_handle = _bytes("raw_handle.b64", handle.get("b64"))
    request.device_id = reading.count("device_id", body.get("device_id", 0))
    request.byte_size = reading.count("byte_size", body.get("byte_size"))


def _fill_trace(request: pb.TraceSettingRequest, body: Document) -> None:
    for name, value in body.items():
        setting = request.settings[reading.text("settings", name)]
        values = value if isinstance(value, list) else [] if value is None else [value]
        setting.value.extend(
            str(each) if isinstance(each, int) else reading.text(name, each) for each in values
        )


def _fill_log(request: pb.LogSettingsRequest, body: Document) -> None:
    for name, value in body.items():
        setting = request.settings[reading.text("settings", name)]
        if isinstance(value, bool):
            setting.bool_param = value
        elif isinstance(value, int):
            setting.uint32_param = reading.count(name, value, UINT32_MAX)
        else:
            setting.string_param = reading.text(name, value)


def _bytes(field: str, value: object) -> bytes:
    try:
        return base64.b64decode(reading.text(field, value), validate=True)
    except (binascii.Error, ValueError):
        raise reading.invalid(field, "must be in base 64") from None


_FILLS: Final[dict[str, Callable[[Any, Document], None]]] = {
    "RepositoryIndex": _fill_index,
    "RepositoryModelLoad": _fill_model_change,
    "RepositoryModelUnload": _fill_model_change,
    "SystemSharedMemoryRegister": _fill_system_region,
    "CudaSharedMemoryRegister": _fill_cuda_region,
    "TraceSetting": _fill_trace,
    "LogSettings": _fill_log,
}
