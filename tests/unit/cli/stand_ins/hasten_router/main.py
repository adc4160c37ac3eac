"""A router that knows two workers and no model; it writes its end into a diary."""

import json
import os
import signal
import sys
import threading
from concurrent import futures
from pathlib import Path

import grpc

from hasten.router.v1 import router_service_pb2 as pb
from hasten.router.v1 import router_service_pb2_grpc as pb_grpc


class Router(pb_grpc.RouterServiceServicer):
    def ListWorkers(self, *_: object) -> pb.ListWorkersResponse:  # noqa: N802  (the RPC's name)
        return pb.ListWorkersResponse(
            workers=[
                pb.WorkerView(state={"worker_id": f"worker-{number}"}, standing="ready")
                for number in (1, 2)
            ]
        )


def main() -> None:
    server = grpc.server(futures.ThreadPoolExecutor(2), options=[("grpc.so_reuseport", 0)])
    pb_grpc.add_RouterServiceServicer_to_server(Router(), server)
    host = os.environ["HASTEN_ROUTER_ADDRESS"].rpartition(":")[0]
    port = server.add_insecure_port(os.environ["HASTEN_ROUTER_ADDRESS"])
    server.start()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    facts = {
        "event": "ready",
        "pid": os.getpid(),
        "address": f"{host}:{port}",
        "http_address": os.environ["HASTEN_ROUTER_HTTP_ADDRESS"],
        "metrics_address": os.environ["HASTEN_ROUTER_METRICS_ADDRESS"],
    }
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()
    stop.wait()
    diary = os.environ.get("HASTEN_ROUTER_DIARY")
    if diary:
        with Path(diary).open("a") as file:
            file.write("router\n")
    server.stop(None)


if __name__ == "__main__":
    main()
