"""A log that cannot be written, or that nobody reads, is nobody's trouble."""

import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hasten_runtime.log_sink import WAITING_CHARS_MAX, LogSink, PatientStream

LINE = "x" * 999 + "\n"


def lost_line(lines: int) -> str:
    return json.dumps({"lost": lines}) + "\n"


@contextmanager
def pipe() -> Iterator[tuple[io.FileIO, int]]:
    reader, writer = os.pipe()
    try:
        with io.FileIO(reader) as read:
            yield read, writer
    finally:
        os.close(writer)


def test_what_is_written_arrives_in_order() -> None:
    with pipe() as (reader, writer):
        sink = LogSink(writer, lost_line)
        for number in range(100):
            assert sink.write(f"{number}\n") == len(str(number)) + 1
        sink.flush()
        assert sink.drain(60)
        assert reader.read(10_000) == "".join(f"{number}\n" for number in range(100)).encode()


def test_a_pipe_that_nobody_reads_holds_nobody_up_and_losses_are_told() -> None:
    with pipe() as (reader, writer):
        sink = LogSink(writer, lost_line)
        written = 2 * WAITING_CHARS_MAX // len(LINE)
        for _ in range(written):
            sink.write(LINE)
        assert not sink.drain(0.01)
        arrived = b""
        accounted = lost = 0
        while accounted < written:
            arrived += reader.read(65_536) or b""
            *lines, arrived = arrived.split(b"\n")
            losses = [json.loads(line)["lost"] for line in lines if line.startswith(b"{")]
            lost += sum(losses)
            accounted += len(lines) - len(losses) + sum(losses)
        assert accounted == written
        assert lost > 0
        assert arrived == b""
        sink.write("again\n")
        assert sink.drain(60)
        assert reader.read(100) == b"again\n"


def test_a_full_disk_and_a_reader_that_has_gone_raise_nothing() -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123  (a device)
        sink = LogSink(full.fileno(), lost_line)
        sink.write(LINE)
        assert sink.drain(60)
    with pipe() as (reader, writer):
        sink = LogSink(writer, lost_line)
        reader.close()
        sink.write(LINE)
        assert sink.drain(60)


def test_signs_that_cannot_be_encoded_are_told_otherwise() -> None:
    with pipe() as (reader, writer):
        sink = LogSink(writer, lost_line)
        sink.write("\ud800 \u00e8\n")
        assert sink.drain(60)
        assert reader.read(100) == b"\\ud800 \xc3\xa8\n"


class Broken(io.StringIO):
    def write(self, _: str) -> int:
        raise OSError(28, "No space left on device")

    def flush(self) -> None:
        raise ValueError("I/O operation on closed file")


@pytest.mark.parametrize("stream", [Broken()])
def test_a_stream_that_fails_fails_for_nobody(stream: io.StringIO) -> None:
    patient = PatientStream(stream)
    assert patient.write("line") == 4
    patient.flush()
