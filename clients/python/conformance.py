"""Makes the call that the words of a row describe, and prints how it went as one JSON line: one row
in the arguments, or many on standard input. clients/README.md says what the words mean.
"""

import json
import sys
import threading
import time
from typing import Any

import grpc
import numpy as np
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hasten.inference.v2 import inference_pb2 as pb
from hasten.inference.v2.inference_pb2_grpc import GRPCInferenceServiceStub
from hasten_client import Client, HastenError
from hasten_client.channel import options
from hasten_client.errors import from_rpc
from hasten_client.request import InferRequest, message
from hasten_client.result import Result, result

GZIP = (("grpc.default_compression_algorithm", 2),)
PRIORITIES = {"priority": int, "tenant": str}


class Row:
    """One row.

    Args:
        row: Its words.
    """

    def __init__(self, row: list[str]) -> None:
        self.verb = row[0]
        self.words = dict(word.split("=", 1) for word in row[1:])
        addresses = self.words["to"]
        self.target = f"ipv4:{addresses}" if "," in addresses else addresses
        self.deadline_s = int(self.words.get("deadline_us", 20_000_000)) / 1e6

    def request(self, **more: str) -> InferRequest:
        """What the client is to send."""
        words = {**self.words, **more}
        shape = [int(size) for size in words["shape"].split(",")]
        value: Any = np.zeros(shape, np.float32)
        if "values" in words:
            numbers = [float(number) for number in words["values"].split(",")]
            value = np.array(numbers, np.float32).reshape(shape)
        elif "text" in words:
            value = np.array([words["text"].encode()], np.object_).reshape(shape)
        return InferRequest(
            model=words["model"],
            inputs={words["input"]: value},
            request_id=words.get("id", ""),
            timing="timing" in words,
            **{key: kind(words[key]) for key, kind in PRIORITIES.items() if key in words},
        )

    def message(self, **more: str) -> pb.ModelInferRequest:
        """The same as it travels, with what the client does not send by itself."""
        wire = message(self.request(**more))
        if "typed" in self.words:
            values = np.frombuffer(wire.raw_input_contents.pop(), np.float32)
            wire.inputs[0].contents.fp32_contents.extend(values.tolist())
        if "classes" in self.words:
            output = wire.outputs.add(name=self.words["output"])
            output.parameters["classification"].int64_param = int(self.words["classes"])
        return wire

    def told(self, answer: Result) -> dict[str, Any]:
        """What came."""
        said: dict[str, Any] = {"status": "OK", "id": answer.id}
        if answer.timing is not None:
            said["compute_us"] = answer.timing.compute_us
            said["worker"] = answer.timing.worker_id
        name = self.words.get("output")
        if name is None:
            return said
        values = answer[name].ravel()
        if values.dtype == np.object_:
            return {**said, "texts": [text.decode() for text in values]}
        return {**said, "bytes": values.nbytes, "values": values[:4].tolist()}


def refused(error: HastenError) -> dict[str, Any]:
    """Why nothing came."""
    facts = dict(error.metadata)
    # Without a reason nobody knows.
    begun = "started" in facts or not error.reason or error.reason == "CANCELLED"
    said = {"status": error.status, "reason": error.reason, "facts": facts, "begun": begun}
    return said if error.retry_after_s is None else {**said, "retry_after_s": error.retry_after_s}


def one(row: Row, client: Client, stub: GRPCInferenceServiceStub) -> dict[str, Any]:
    """One call: by the client, or by the stub where the client has no words for it."""
    try:
        if {"typed", "classes"} & row.words.keys():
            return row.told(result(stub.ModelInfer(row.message(), timeout=row.deadline_s)))
        wish = {"hasten-compress": "gzip"} if "gzip" in row.words else None
        return row.told(
            client.infer_request(row.request(), deadline_s=row.deadline_s, metadata=wish)
        )
    except HastenError as error:
        return refused(error)


def infer(row: Row) -> dict[str, Any]:
    """Calls until one is refused, at most as often as the row says."""
    said: dict[str, Any] = {"status": "OK"}
    answered, worst_s = 0, 0.0
    extra = GZIP if "gzip" in row.words else ()
    with Client(row.target, options=extra) as client, channel(row) as opened:
        stub = GRPCInferenceServiceStub(opened)
        while said["status"] == "OK" and answered < int(row.words.get("repeat", 1)):
            began_s = time.monotonic()
            said = one(row, client, stub)
            took_s = time.monotonic() - began_s
            answered += said["status"] == "OK"
            worst_s = max(worst_s, took_s)
            said["took_ms"] = took_s * 1000
    return {**said, "answered": answered, "late_ms": (worst_s - row.deadline_s) * 1000}


def stream(row: Row) -> dict[str, Any]:
    """One request for each model of the list at once; the model's name is its id."""
    models = row.words["models"].split(",")
    said: dict[str, Any] = {"status": "OK", "order": [], "failed": []}
    with channel(row) as opened:
        requests = [row.message(model=model, id=model) for model in models]
        answers = GRPCInferenceServiceStub(opened).ModelStreamInfer(
            iter(requests), timeout=row.deadline_s
        )
        for answer in answers:
            said["order"].append(answer.infer_response.id)
            if answer.error_message:
                parameters = answer.infer_response.parameters
                said["failed"].append(parameters["hasten_reason"].string_param)
    return said


def watch(row: Row) -> dict[str, Any]:
    """Looks at health until it was told two states."""
    saw: list[str] = []
    with channel(row) as opened:
        asked = health_pb2.HealthCheckRequest(service="readiness")
        states = health_pb2_grpc.HealthStub(opened).Watch(asked, timeout=row.deadline_s)
        while len(saw) < 2:
            status = next(states).status
            saw.append(health_pb2.HealthCheckResponse.ServingStatus.Name(status))
        states.cancel()
    return {"status": "OK", "saw": sorted(saw)}


def cancel(row: Row) -> dict[str, Any]:
    """Gives a call up after a while."""
    with channel(row) as opened:
        stub = GRPCInferenceServiceStub(opened)
        call = stub.ModelInfer.future(row.message(), timeout=row.deadline_s)
        threading.Timer(int(row.words["after_ms"]) / 1000, call.cancel).start()
        try:
            return row.told(result(call.result()))
        except grpc.FutureCancelledError:
            return refused(from_rpc(call))


def channel(row: Row) -> grpc.Channel:
    """To the routers of the row, as the client makes it."""
    return grpc.insecure_channel(row.target, options=options(row.target))


def run(words: list[str]) -> None:
    """Does one row."""
    row = Row(words)
    verbs = {"infer": infer, "stream": stream, "watch": watch, "cancel": cancel}
    print(json.dumps(verbs[row.verb](row)), flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        run(sys.argv[1:])
    else:
        for line in sys.stdin:
            run(line.split())
