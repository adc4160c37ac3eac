"""Server reflection that speaks of services by the names they are served under.

The Python packages of public protocols are private, so that a stock client's copy of the same
messages can be imported beside it. Tools that ask by reflection must see the public package, so
the files are described here once more, renamed, in a pool of their own.
"""

from collections.abc import Iterable
from typing import Final

import grpc
from google.protobuf import descriptor, descriptor_pb2, descriptor_pool
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

from hasten.externalscaler.v1 import externalscaler_pb2
from hasten.inference.v2 import inference_pb2
from hasten_runtime.health import health_file

_V1: Final = "grpc.reflection.v1"
_V1ALPHA: Final = "grpc.reflection.v1alpha"
_SERVICE: Final = "ServerReflection"

PRIVATE_PACKAGES: Final = {
    "inference": inference_pb2.DESCRIPTOR.package,
    "externalscaler": externalscaler_pb2.DESCRIPTOR.package,
    _V1: _V1ALPHA,
}
"""Package that a service is served under, to the package of its stubs, where they differ."""


def add_reflection(server: grpc.aio.Server, public_names: Iterable[str]) -> None:
    """Serves reflection, v1 and v1alpha, for these services and itself.

    Args:
        server: Not yet started.
        public_names: Full service names as clients call them.

    Raises:
        ValueError: The stubs of a service are not imported.
    """
    names = sorted({*public_names, f"{_V1}.{_SERVICE}", f"{_V1ALPHA}.{_SERVICE}"})
    servicer = reflection.aio.ReflectionServicer(names, pool=public_pool(names))
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, server)
    # Both versions have the same messages on the wire; newer tools ask for v1 first.
    method = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler(
                f"{_V1}.{_SERVICE}", {"ServerReflectionInfo": method}
            ),
        )
    )


def public_pool(service_names: Iterable[str]) -> descriptor_pool.DescriptorPool:
    """A pool of its own that describes these services under their public names, and the details of
    refusals, which tools can show only if they find them here.

    Raises:
        ValueError: The stubs of a service are not imported.
    """
    pool = descriptor_pool.DescriptorPool()
    added: set[str] = set()
    for name in service_names:
        package, _, short_name = name.rpartition(".")
        private = PRIVATE_PACKAGES.get(package, package)
        try:
            service = descriptor_pool.Default().FindServiceByName(f"{private}.{short_name}")
        except KeyError:
            raise ValueError(f"cannot describe {name}: its stubs are not imported") from None
        _add(pool, service.file, {private: package}, added)
    for described in (status_pb2.DESCRIPTOR, error_details_pb2.DESCRIPTOR):
        _add(pool, described, {}, added)
    return pool


def _add(
    pool: descriptor_pool.DescriptorPool,
    file: descriptor.FileDescriptor,
    renames: dict[str, str],
    added: set[str],
) -> None:
    """Adds the file after all that it needs."""
    for dependency in file.dependencies:
        _add(pool, dependency, renames, added)
    proto = _described(file)
    _rename(proto, renames)
    if proto.name not in added:
        added.add(proto.name)
        pool.AddSerializedFile(proto.SerializeToString())


def _described(file: descriptor.FileDescriptor) -> descriptor_pb2.FileDescriptorProto:
    if file.name == health_pb2.DESCRIPTOR.name:
        return health_file()
    return descriptor_pb2.FileDescriptorProto.FromString(file.serialized_pb)


def _rename(proto: descriptor_pb2.FileDescriptorProto, renames: dict[str, str]) -> None:
    """Moves the file, if it is of a renamed package, and what it refers to there."""
    for private, public in renames.items():
        if private == public or proto.package != private:
            continue
        proto.package = public
        proto.name = _public_file(proto.name, public)
        own_folder = private.replace(".", "/") + "/"
        for index, dependency in enumerate(proto.dependency):
            if dependency.startswith(own_folder):
                proto.dependency[index] = _public_file(dependency, public)
        prefixes = (f".{private}.", f".{public}.")
        for message in proto.message_type:
            _rename_fields(message, *prefixes)
        for service in proto.service:
            for method in service.method:
                method.input_type = _moved(method.input_type, *prefixes)
                method.output_type = _moved(method.output_type, *prefixes)


def _rename_fields(message: descriptor_pb2.DescriptorProto, private: str, public: str) -> None:
    for field in message.field:
        if field.type_name:
            field.type_name = _moved(field.type_name, private, public)
    for nested in message.nested_type:
        _rename_fields(nested, private, public)


def _moved(name: str, private: str, public: str) -> str:
    return public + name.removeprefix(private) if name.startswith(private) else name


def _public_file(name: str, public: str) -> str:
    return f"{public.replace('.', '/')}/{name.rpartition('/')[2]}"
