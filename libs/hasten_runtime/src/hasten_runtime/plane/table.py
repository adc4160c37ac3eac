"""The handlers of a server, looked up by method."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import grpc
import grpc.aio

from hasten_runtime.handlers import Handler


class Details(NamedTuple):
    """What is known of a call before it is handled, as gRPC tells it."""

    method: str
    invocation_metadata: Sequence[tuple[str, str | bytes]]


class HandlerTable:
    """Collects handlers in place of the grpc.aio server to which services are added."""

    def __init__(self, interceptors: Sequence[grpc.aio.ServerInterceptor]) -> None:
        self._interceptors = tuple(interceptors)
        self._generic: list[grpc.GenericRpcHandler] = []
        self._registered: dict[str, Handler] = {}

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """As of grpc.aio.Server."""
        self._generic += handlers

    def add_registered_method_handlers(
        self, service_name: str, method_handlers: Mapping[str, Handler]
    ) -> None:
        """As of grpc.aio.Server."""
        for name, handler in method_handlers.items():
            self._registered[f"/{service_name}/{name}"] = handler

    async def find(self, details: grpc.HandlerCallDetails) -> Handler | None:
        """The handler of this call, as the interceptors make it; None where there is none."""
        return await self._intercepted(0, details)

    async def _intercepted(self, index: int, details: grpc.HandlerCallDetails) -> Handler | None:
        if index == len(self._interceptors):
            return self._own(details)

        async def inner(details: grpc.HandlerCallDetails) -> Handler | None:
            return await self._intercepted(index + 1, details)

        return await self._interceptors[index].intercept_service(inner, details)

    def _own(self, details: grpc.HandlerCallDetails) -> Handler | None:
        registered = self._registered.get(str(details.method))
        if registered is not None:
            return registered
        for generic in self._generic:
            found = generic.service(details)
            if found is not None:
                return found
        return None
