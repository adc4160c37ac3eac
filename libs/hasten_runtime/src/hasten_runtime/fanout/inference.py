"""The inference service except for inference itself: asks the workers and merges."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from hasten.inference.v2 import inference_pb2 as pb
from hasten_runtime.fanout import merge
from hasten_runtime.fanout.crew import Crew
from hasten_runtime.handlers import Context
from hasten_runtime.protocol_names import SERVER_NAME
from hasten_runtime.readiness import Readiness


class Serving(Protocol):
    """What the service knows without asking."""

    def serves(self, model: str, version: str) -> bool:
        """A worker would run it now."""
        ...


class InferenceFanout:
    """Answers the RPCs that concern every worker. A dead worker delays none of them."""

    def __init__(self, crew: Crew, serving: Serving, readiness: Readiness, *, version: str) -> None:
        self._crew = crew
        self._serving = serving
        self._readiness = readiness
        self._version = version

    def methods(self) -> dict[str, Callable[..., Awaitable[Any]]]:
        """RPC name to handler."""
        return {
            "ServerLive": self.server_live,
            "ServerReady": self.server_ready,
            "ModelReady": self.model_ready,
            "ServerMetadata": self.server_metadata,
            "ModelMetadata": self.model_metadata,
            "ModelConfig": self.model_config,
            "ModelStatistics": self.model_statistics,
            "RepositoryIndex": self.repository_index,
            "RepositoryModelLoad": self.load,
            "RepositoryModelUnload": self.unload,
            "SystemSharedMemoryStatus": self.system_regions,
            "SystemSharedMemoryRegister": self.register_system_region,
            "SystemSharedMemoryUnregister": self.unregister_system_region,
            "CudaSharedMemoryStatus": self.cuda_regions,
            "CudaSharedMemoryRegister": self.register_cuda_region,
            "CudaSharedMemoryUnregister": self.unregister_cuda_region,
            "TraceSetting": self.trace_setting,
            "LogSettings": self.log_settings,
        }

    # --- the server ------------------------------------------------------------------

    async def server_live(self, _: pb.ServerLiveRequest, __: Context) -> pb.ServerLiveResponse:
        """True: the service answers."""
        return pb.ServerLiveResponse(live=True)

    async def server_ready(self, _: pb.ServerReadyRequest, __: Context) -> pb.ServerReadyResponse:
        """True when the service may be sent traffic: see docs/decisions/0024."""
        return pb.ServerReadyResponse(ready=self._readiness.refresh())

    async def server_metadata(
        self, request: pb.ServerMetadataRequest, context: Context
    ) -> pb.ServerMetadataResponse:
        """Our name and version, and the extensions that every worker offers."""
        answers = await self._crew.ask(
            "ServerMetadata", request, pb.ServerMetadataResponse, context
        )
        return pb.ServerMetadataResponse(
            name=SERVER_NAME,
            version=self._version,
            extensions=merge.common_extensions(answers.given),
        )

    # --- models ----------------------------------------------------------------------

    async def model_ready(self, request: pb.ModelReadyRequest, _: Context) -> pb.ModelReadyResponse:
        """True when a worker would run it now; false, not an error, for an unknown model."""
        return pb.ModelReadyResponse(ready=self._serving.serves(request.name, request.version))

    async def model_metadata(
        self, request: pb.ModelMetadataRequest, context: Context
    ) -> pb.ModelMetadataResponse:
        """Of any worker that has the model; versions of all."""
        return merge.model_metadata(
            await self._crew.learn("ModelMetadata", request, pb.ModelMetadataResponse, context)
        )

    async def model_config(
        self, request: pb.ModelConfigRequest, context: Context
    ) -> pb.ModelConfigResponse:
        """Of any worker that has the model."""
        return merge.first(
            await self._crew.learn("ModelConfig", request, pb.ModelConfigResponse, context)
        )

    async def model_statistics(
        self, request: pb.ModelStatisticsRequest, context: Context
    ) -> pb.ModelStatisticsResponse:
        """Sums over the workers."""
        return merge.model_statistics(
            await self._crew.learn("ModelStatistics", request, pb.ModelStatisticsResponse, context)
        )

    # --- the repository --------------------------------------------------------------

    async def repository_index(
        self, request: pb.RepositoryIndexRequest, context: Context
    ) -> pb.RepositoryIndexResponse:
        """READY where any worker is; differences are told in the reason."""
        # All entries are asked for, as a worker that is not ready is worth naming.
        everything = pb.RepositoryIndexRequest(repository_name=request.repository_name)
        answers = await self._crew.ask(
            "RepositoryIndex", everything, pb.RepositoryIndexResponse, context
        )
        return merge.repository_index(answers.given, ready_only=request.ready)

    async def load(
        self, request: pb.RepositoryModelLoadRequest, context: Context
    ) -> pb.RepositoryModelLoadResponse:
        """Loads the model on every worker."""
        _read_kserve_dialect(request)
        await self._crew.change_model(
            "RepositoryModelLoad", request, pb.RepositoryModelLoadResponse, context
        )
        return pb.RepositoryModelLoadResponse(model_name=request.model_name, is_loaded=True)

    async def unload(
        self, request: pb.RepositoryModelUnloadRequest, context: Context
    ) -> pb.RepositoryModelUnloadResponse:
        """Unloads the model from every worker that has it."""
        _read_kserve_dialect(request)
        await self._crew.change_model(
            "RepositoryModelUnload", request, pb.RepositoryModelUnloadResponse, context
        )
        return pb.RepositoryModelUnloadResponse(model_name=request.model_name, is_unloaded=True)

    # --- shared memory: of use only where workers and client share a host --------------

    async def system_regions(
        self, request: pb.SystemSharedMemoryStatusRequest, context: Context
    ) -> pb.SystemSharedMemoryStatusResponse:
        """The regions that any worker has registered."""
        return merge.regions(
            await self._crew.learn(
                "SystemSharedMemoryStatus", request, pb.SystemSharedMemoryStatusResponse, context
            )
        )

    async def register_system_region(
        self, request: pb.SystemSharedMemoryRegisterRequest, context: Context
    ) -> pb.SystemSharedMemoryRegisterResponse:
        """Registers the region with every worker."""
        return merge.first(
            await self._crew.change(
                "SystemSharedMemoryRegister",
                request,
                pb.SystemSharedMemoryRegisterResponse,
                context,
            )
        )

    async def unregister_system_region(
        self, request: pb.SystemSharedMemoryUnregisterRequest, context: Context
    ) -> pb.SystemSharedMemoryUnregisterResponse:
        """Unregisters the region, or all of them, with every worker."""
        return merge.first(
            await self._crew.change(
                "SystemSharedMemoryUnregister",
                request,
                pb.SystemSharedMemoryUnregisterResponse,
                context,
            )
        )

    async def cuda_regions(
        self, request: pb.CudaSharedMemoryStatusRequest, context: Context
    ) -> pb.CudaSharedMemoryStatusResponse:
        """The regions that any worker has registered."""
        return merge.regions(
            await self._crew.learn(
                "CudaSharedMemoryStatus", request, pb.CudaSharedMemoryStatusResponse, context
            )
        )

    async def register_cuda_region(
        self, request: pb.CudaSharedMemoryRegisterRequest, context: Context
    ) -> pb.CudaSharedMemoryRegisterResponse:
        """Registers the region with every worker."""
        return merge.first(
            await self._crew.change(
                "CudaSharedMemoryRegister", request, pb.CudaSharedMemoryRegisterResponse, context
            )
        )

    async def unregister_cuda_region(
        self, request: pb.CudaSharedMemoryUnregisterRequest, context: Context
    ) -> pb.CudaSharedMemoryUnregisterResponse:
        """Unregisters the region, or all of them, with every worker."""
        return merge.first(
            await self._crew.change(
                "CudaSharedMemoryUnregister",
                request,
                pb.CudaSharedMemoryUnregisterResponse,
                context,
            )
        )

    # --- settings --------------------------------------------------------------------

    async def trace_setting(
        self, request: pb.TraceSettingRequest, context: Context
    ) -> pb.TraceSettingResponse:
        """Changes the settings of every worker; answers with those of the first."""
        return merge.first(
            await self._crew.change("TraceSetting", request, pb.TraceSettingResponse, context)
        )

    async def log_settings(
        self, request: pb.LogSettingsRequest, context: Context
    ) -> pb.LogSettingsResponse:
        """Changes the settings of every worker; answers with those of the first."""
        return merge.first(
            await self._crew.change("LogSettings", request, pb.LogSettingsResponse, context)
        )


def _read_kserve_dialect(
    request: pb.RepositoryModelLoadRequest | pb.RepositoryModelUnloadRequest,
) -> None:
    """KServe sends the model's name where Triton has the repository's."""
    if not request.model_name:
        request.model_name = request.repository_name
        request.repository_name = ""
