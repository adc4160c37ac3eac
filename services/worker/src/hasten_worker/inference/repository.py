"""The repository RPCs, in Triton's dialect and KServe's at once."""

from collections.abc import Mapping
from typing import Protocol

from hasten.inference.v2 import inference_pb2 as pb
from hasten_policy.reasons import Reason
from hasten_policy.short import short
from hasten_worker.inference.models import STATE_READY, Repository
from hasten_worker.tensors.refusals import refuse

FILE_PREFIX = "file:"


class Control(Repository, Protocol):
    """The model store, questions and orders."""

    async def load(
        self,
        name: str,
        *,
        config_json: str | None = None,
        files: Mapping[str, bytes] | None = None,
    ) -> None:
        """Loads or reloads a model. Raises MeshError."""
        ...

    async def unload(self, name: str, *, unload_dependents: bool = False) -> None:
        """Unloads a model. Raises MeshError."""
        ...


class RepositoryControl:
    """RepositoryIndex, RepositoryModelLoad and RepositoryModelUnload."""

    def __init__(self, store: Control) -> None:
        self._store = store

    async def index(
        self, request: pb.RepositoryIndexRequest, _: object
    ) -> pb.RepositoryIndexResponse:
        """Every model version, or the ready ones."""
        _check_repository(request.repository_name)
        return pb.RepositoryIndexResponse(
            models=[
                pb.RepositoryIndexResponse.ModelIndex(
                    name=entry.name,
                    version=entry.version,
                    state=entry.state,
                    reason=entry.reason,
                )
                for entry in self._store.index()
                if not request.ready or entry.state == STATE_READY
            ]
        )

    async def load(
        self, request: pb.RepositoryModelLoadRequest, _: object
    ) -> pb.RepositoryModelLoadResponse:
        """Answers when the model serves. KServe's clients read the response's fields."""
        name = _model_name(request.repository_name, request.model_name)
        config_json: str | None = None
        files: dict[str, bytes] = {}
        for key, parameter in request.parameters.items():
            kind = parameter.WhichOneof("parameter_choice")
            if key == "config" and kind == "string_param":
                config_json = parameter.string_param
            elif key.startswith(FILE_PREFIX) and kind == "bytes_param":
                files[key.removeprefix(FILE_PREFIX)] = parameter.bytes_param
            else:
                _refuse_parameter(key, 'config (a string) or "file:<path>" (bytes)')
        await self._store.load(name, config_json=config_json, files=files or None)
        return pb.RepositoryModelLoadResponse(model_name=name, is_loaded=True)

    async def unload(
        self, request: pb.RepositoryModelUnloadRequest, _: object
    ) -> pb.RepositoryModelUnloadResponse:
        """Answers when the model takes no new calls."""
        name = _model_name(request.repository_name, request.model_name)
        unload_dependents = False
        for key, parameter in request.parameters.items():
            kind = parameter.WhichOneof("parameter_choice")
            if key != "unload_dependents" or kind != "bool_param":
                _refuse_parameter(key, "unload_dependents (a bool)")
            unload_dependents = parameter.bool_param
        await self._store.unload(name, unload_dependents=unload_dependents)
        return pb.RepositoryModelUnloadResponse(model_name=name, is_unloaded=True)


def _model_name(first_field: str, second_field: str) -> str:
    """Triton: repository and model name. KServe: the model name comes first and alone."""
    if not second_field:
        second_field, first_field = first_field, ""
    if not second_field:
        refuse(Reason.INVALID_REQUEST, "model_name must not be empty", field="model_name")
    _check_repository(first_field)
    return second_field


def _check_repository(name: str) -> None:
    if name:
        refuse(
            Reason.UNIMPLEMENTED,
            f"repository_name {short(name)!r}: this server has one repository; leave the name out",
        )


def _refuse_parameter(key: str, expected: str) -> None:
    refuse(Reason.INVALID_PARAMETER, f"parameter {key}: expected {expected}", parameter=key)
