"""Serving gRPC on the native transport (`hasten_plane`), with the handlers that grpc.aio serves."""
