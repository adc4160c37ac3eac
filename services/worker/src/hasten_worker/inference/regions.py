"""The shared-memory RPCs."""

from hasten.inference.v2 import inference_pb2 as pb
from hasten_policy.reasons import Reason
from hasten_worker.shared_memory import SystemRegions
from hasten_worker.tensors.refusals import refuse


class SystemMemory:
    """SystemSharedMemoryStatus, …Register and …Unregister.

    Args:
        regions: The registry; None when shared memory is switched off.
    """

    def __init__(self, regions: SystemRegions | None) -> None:
        self._regions = regions

    async def status(
        self, request: pb.SystemSharedMemoryStatusRequest, _: object
    ) -> pb.SystemSharedMemoryStatusResponse:
        """The region, or all."""
        response = pb.SystemSharedMemoryStatusResponse()
        if self._regions is not None:
            for region in self._regions.status(request.name):
                entry = response.regions[region.name]
                entry.name = region.name
                entry.key = region.key
                entry.offset = region.offset
                entry.byte_size = region.size_bytes
        return response

    async def register(
        self, request: pb.SystemSharedMemoryRegisterRequest, _: object
    ) -> pb.SystemSharedMemoryRegisterResponse:
        """Opens a region."""
        if self._regions is None:
            refuse(
                Reason.SHARED_MEMORY_INVALID,
                "shared memory is switched off here; the setting shared_memory switches it on",
            )
        self._regions.register(
            request.name, request.key, offset=request.offset, size_bytes=request.byte_size
        )
        return pb.SystemSharedMemoryRegisterResponse()

    async def unregister(
        self, request: pb.SystemSharedMemoryUnregisterRequest, _: object
    ) -> pb.SystemSharedMemoryUnregisterResponse:
        """Forgets the region, or all."""
        if self._regions is not None:
            self._regions.unregister(request.name)
        return pb.SystemSharedMemoryUnregisterResponse()


class CudaMemory:
    """The CUDA RPCs: tools ask and clean up even where there is none."""

    async def status(
        self, _: pb.CudaSharedMemoryStatusRequest, __: object
    ) -> pb.CudaSharedMemoryStatusResponse:
        """No regions."""
        return pb.CudaSharedMemoryStatusResponse()

    async def register(
        self, request: pb.CudaSharedMemoryRegisterRequest, _: object
    ) -> pb.CudaSharedMemoryRegisterResponse:
        """Not offered."""
        refuse(
            Reason.UNIMPLEMENTED,
            f"CUDA shared memory region {request.name}: this server takes tensors in messages "
            "and in system shared memory, not in CUDA memory",
        )

    async def unregister(
        self, _: pb.CudaSharedMemoryUnregisterRequest, __: object
    ) -> pb.CudaSharedMemoryUnregisterResponse:
        """Nothing to forget."""
        return pb.CudaSharedMemoryUnregisterResponse()
