"""Clients that mean harm.

python -m tests.faults.hostile_clients              what they cost a mesh
python -m tests.faults.hostile_clients NAME ADDRESS  one attack on a mesh that runs
"""

import asyncio
import contextlib
import gzip
import json
import os
import socket
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import grpc
import grpc.aio
import numpy as np
import psutil

from hasten.inference.v2 import inference_pb2 as pb
from loadtest.mesh import Mesh
from loadtest.repository import write_synthetic
from tests.support.services import patient_mesh

SERVICE = "/inference.GRPCInferenceService/"
ROOT = Path(__file__).resolve().parents[2]
MIB = 2**20
ATTACK_S_MAX = 80.0
OWN_CONNECTION = ("grpc.use_local_subchannel_pool", 1)
NO_LIMIT = ("grpc.max_send_message_length", -1)
PACE_S = 0.1
"""Of a client that trickles."""
BOMBS = 32
"""Kept, they would be 512 MiB."""
LIMIT_BYTES = 8 * MIB
"""What router and workers are told to take."""

Attack = Callable[[str], Awaitable[None]]


def write_models(models: Path) -> None:
    """`quick` for the honest; `hog` takes ten times as long and does not batch."""
    write_synthetic(models, "quick", alpha_ms=2, beta_ms=0, batch_max=8)
    write_synthetic(models, "hog", alpha_ms=20, beta_ms=0, batch_max=1)


def request(model: str, width: int = 4) -> bytes:
    message = pb.ModelInferRequest(model_name=model)
    message.inputs.add(name="INPUT", datatype="FP32", shape=[1, width])
    message.raw_input_contents.append(np.ones(width, "<f4").tobytes())
    return message.SerializeToString()


async def refused(call: Awaitable[bytes]) -> grpc.StatusCode:
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


async def oversized(address: str) -> None:
    """Messages of 16 MiB."""
    data = request("quick", 4 * MIB)
    async with grpc.aio.insecure_channel(address, options=[NO_LIMIT]) as channel:
        for _ in range(3):
            code = await refused(channel.unary_unary(SERVICE + "ModelInfer")(data, timeout=30))
            assert code is grpc.StatusCode.RESOURCE_EXHAUSTED


async def gzip_bombs(address: str) -> None:
    """16 KiB on the wire, 16 MiB when unpacked, on connections of their own."""
    data = request("quick", 4 * MIB)

    async def bomb() -> None:
        options = [NO_LIMIT, OWN_CONNECTION]
        async with grpc.aio.insecure_channel(address, options=options) as channel:
            call = channel.unary_unary(SERVICE + "ModelInfer")
            code = await refused(call(data, timeout=30, compression=grpc.Compression.Gzip))
            assert code is grpc.StatusCode.RESOURCE_EXHAUSTED

    for _ in range(BOMBS // 2):
        await asyncio.gather(bomb(), bomb())


async def half_open(address: str) -> None:
    """1000 connections that never say a word: the server must be the one to hang up."""
    host, _, port = address.rpartition(":")
    opened = await asyncio.gather(
        *(asyncio.open_connection(host, int(port)) for _ in range(1000)), return_exceptions=True
    )
    streams = [pair for pair in opened if not isinstance(pair, BaseException)]
    assert len(streams) == 1000
    try:
        for reader, _ in streams:
            with contextlib.suppress(ConnectionError):
                while await reader.read(65536):
                    pass
    finally:
        for _, writer in streams:
            writer.close()


async def garbage(address: str) -> None:
    """Bytes that are no HTTP/2, and HTTP/2 that goes wrong after its greeting."""
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    host, _, port = address.rpartition(":")

    async def talk(start: bytes) -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        with contextlib.suppress(ConnectionError):
            writer.write(start + os.urandom(4096))
            await writer.drain()
            while await reader.read(65536):
                pass
        writer.close()

    for start in (b"", b"GET / HTTP/1.1\r\n\r\n", preface, preface + b"\0\0\0\4\0\0\0\0\0"):
        await asyncio.gather(*(talk(start) for _ in range(25)))


async def never_reads(address: str) -> None:
    """A stream with 500 requests, each with an answer of 64 KiB, and nobody who reads them."""
    data = request("quick", 16 * 1024)
    async with grpc.aio.insecure_channel(address, options=[OWN_CONNECTION]) as channel:
        stream = channel.stream_stream(SERVICE + "ModelStreamInfer")(timeout=3)
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            for _ in range(500):
                await stream.write(data)
            await stream.done_writing()
        assert await stream.code() is not grpc.StatusCode.OK


HTTP_HEAD = b"POST /v2/models/quick/infer HTTP/1.1\r\nHost: mesh\r\n"


async def http_crowd(address: str) -> None:
    """At the port of HTTP, all at once: silence, halves, garbage, bombs, heads that trickle, and
    pipelines whose answers nobody reads. The server is the one to hang up on each.
    """
    bomb = gzip.compress(bytes(16 * MIB))
    packed = b"Connection: close\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(
        bomb
    )
    half = HTTP_HEAD + b"Content-Length: 99\r\n\r\n{"
    async with asyncio.TaskGroup() as group:
        for said in (b"", HTTP_HEAD, half, os.urandom(4096)):
            for _ in range(50):
                group.create_task(_heard(address, said))
        for _ in range(BOMBS):
            group.create_task(_heard(address, HTTP_HEAD + packed + bomb))
        for _ in range(20):
            group.create_task(_insisted(address, HTTP_HEAD + b"X: "))
        for _ in range(3):
            group.create_task(_insisted(address, 200 * _large_request()))


def _large_request() -> bytes:
    """In and out 64 KiB, as binary data."""
    size = 64 * 1024
    tensor = {"name": "INPUT", "datatype": "FP32", "shape": [1, size // 4]}
    parameters = {"binary_data_output": True}
    tensor["parameters"] = {"binary_data_size": size}
    text = json.dumps({"inputs": [tensor], "parameters": parameters}).encode()
    lengths = f"Inference-Header-Content-Length: {len(text)}\r\nContent-Length: {len(text) + size}"
    return HTTP_HEAD + lengths.encode() + b"\r\n\r\n" + text + bytes(size)


async def _heard(address: str, said: bytes) -> None:
    """Says this, and hears what comes until the server hangs up."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    with contextlib.suppress(ConnectionError):
        writer.write(said)
        while await reader.read(65536):
            pass
    writer.transport.abort()


async def _insisted(address: str, said: bytes) -> None:
    """Says this, then a byte now and then, and hears nothing, until the server hangs up."""
    host, _, port = address.rpartition(":")
    loop = asyncio.get_running_loop()
    with socket.socket() as stranger:
        stranger.setblocking(False)
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await loop.sock_connect(stranger, (host, int(port)))
        with contextlib.suppress(ConnectionError):
            await loop.sock_sendall(stranger, said)
            while True:
                await loop.sock_sendall(stranger, b"x")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(PACE_S):
                        await asyncio.Event().wait()


VANISHING = """
import os, sys, grpc
from tests.faults.hostile_clients import OWN_CONNECTION, SERVICE, request
for number in range(200):
    channel = grpc.insecure_channel(sys.argv[1], options=[OWN_CONNECTION])
    call = channel.unary_unary(SERVICE + "ModelInfer").future(request("hog"), timeout=60)
    if number == 199:
        grpc.channel_ready_future(channel).result(60)
os.kill(os.getpid(), 9)
"""


async def vanish(address: str) -> None:
    """200 clients, each with a call under way, that are gone without a word."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", VANISHING, address, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert await process.wait() == -9


async def cancels(address: str) -> None:
    """800 calls of which twenty are answered and the rest cancelled: waiting, sent, running.

    A router that stands still cuts some calls, whoever sent them, once a hundred wait for it.
    """
    data = request("hog")

    async def answer(infer: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]) -> bytes:
        return await infer(data, timeout=60)

    async with grpc.aio.insecure_channel(address) as channel:
        infer = channel.unary_unary(SERVICE + "ModelInfer")
        for _ in range(20):
            calls = [asyncio.ensure_future(answer(infer)) for _ in range(40)]
            await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)


HTTP_ATTACKS: tuple[Attack, ...] = (http_crowd,)
ATTACKS: tuple[Attack, ...] = (
    oversized,
    gzip_bombs,
    half_open,
    garbage,
    never_reads,
    vanish,
    cancels,
)


def row(name: str, pids: tuple[int, ...]) -> str:
    resident = (psutil.Process(pid).memory_info().rss / MIB for pid in pids)
    return f"{name:12} {' '.join(f'{size_mib:8.0f}' for size_mib in resident)}"


async def _shown(mesh: Mesh) -> None:
    pids = (mesh.router_pid, mesh.worker_pids[0])
    rows = ["               router   worker  MiB resident", row("before", pids)]
    for attack in ATTACKS:
        await asyncio.wait_for(attack(mesh.router), ATTACK_S_MAX)
        rows.append(row(attack.__name__, pids))
    sys.stdout.write("\n".join([*rows, ""]))


async def from_outside(attack: Attack, address: str) -> None:
    """The attack as a process of its own, which shares no loop and no thread with the honest."""
    command = [sys.executable, "-m", "tests.faults.hostile_clients", attack.__name__, address]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
    try:
        assert await asyncio.wait_for(process.wait(), ATTACK_S_MAX) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def main() -> None:
    """Entry point."""
    if len(sys.argv) > 1:
        name, address = sys.argv[1:]
        asyncio.run(
            {attack.__name__: attack for attack in (*ATTACKS, *HTTP_ATTACKS)}[name](address)
        )
        return
    with tempfile.TemporaryDirectory() as folder:
        write_models(Path(folder))
        with patient_mesh(Path(folder), workers=2, message_bytes_max=LIMIT_BYTES) as running:
            asyncio.run(_shown(running))


if __name__ == "__main__":
    main()
