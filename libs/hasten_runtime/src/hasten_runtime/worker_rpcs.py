"""Names of a worker's own service and of its RPCs, taken from the stubs."""

from typing import Final

from hasten.worker.v1 import worker_service_pb2 as pb

_SERVICE: Final = pb.DESCRIPTOR.services_by_name["WorkerService"]

SERVICE_NAME: Final = _SERVICE.full_name


def _path(method: str) -> str:
    return f"/{SERVICE_NAME}/{_SERVICE.methods_by_name[method].name}"


OPEN_LINK: Final = _path("OpenLink")
DRAIN: Final = _path("Drain")
GET_STATE: Final = _path("GetState")
