"""What people type becomes arrays and seconds; what comes back becomes text."""

import contextlib
import errno
import io
import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hasten_cli.durations import format_duration, parse_duration_s
from hasten_cli.example import infer_command
from hasten_cli.failures import USAGE, CommandError
from hasten_cli.local.voice import PlainVoice
from hasten_cli.sizes import parse_size_bytes
from hasten_cli.values import fitted, read_inputs, read_value
from hasten_cli.waterfall import WIDTH, waterfall
from hasten_client import ModelMetadata, TensorMetadata, TimingBreakdown
from hasten_client.datatypes import BYTES, NUMPY_OF

DATATYPES = [*NUMPY_OF, BYTES]
HERE = "localhost:8001"


def tensor(datatype: str = "FP32", shape: tuple[int, ...] = (-1, 2)) -> TensorMetadata:
    return TensorMetadata("x", datatype, shape)


def model(*inputs: TensorMetadata) -> ModelMetadata:
    return ModelMetadata("m", ("1",), "onnx", inputs, ())


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("50ms", 0.05),
        ("1s", 1.0),
        ("2m", 120.0),
        ("1.5h", 5400.0),
        ("250us", 250e-6),
        (".5 s", 0.5),
    ],
)
def test_durations_are_read_with_their_unit(text: str, seconds: float) -> None:
    assert parse_duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["50", "", "ms", "-1s", "0s", "nan", "1 day", "1s2", "1e3s", "∞s"])
def test_other_durations_are_refused_with_the_form_expected(text: str) -> None:
    with pytest.raises(ValueError, match="no duration"):
        parse_duration_s(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4096", 4096),
        ("64MiB", 64 * 2**20),
        ("64 mib", 64 * 2**20),
        ("1.5KiB", 1536),
        ("2GB", 2 * 10**9),
        ("7B", 7),
        ("2147483647", 2**31 - 1),
    ],
)
def test_sizes_are_read_with_their_unit(text: str, size: int) -> None:
    assert parse_size_bytes(text) == size


@pytest.mark.parametrize("text", ["", "MiB", "-1", "1TiB", "1e3", "1M", "0x10", "1,5GB", "nan"])
def test_other_sizes_are_refused_with_the_form_expected(text: str) -> None:
    with pytest.raises(ValueError, match="no size"):
        parse_size_bytes(text)


@given(st.floats(1e-6, 1e5))
def test_a_shown_duration_is_near_the_true_one(duration_s: float) -> None:
    shown = parse_duration_s(format_duration(duration_s))
    assert shown == pytest.approx(duration_s, rel=0.06, abs=6e-7)


@given(
    st.sampled_from(DATATYPES),
    st.lists(st.integers(-1, 4).filter(bool), max_size=4),
    st.sampled_from([HERE, "mesh.example:9000"]),
)
def test_the_example_command_is_one_that_the_model_takes(
    datatype: str, shape: list[int], address: str
) -> None:
    metadata = model(tensor(datatype, tuple(shape)), TensorMetadata("y z", "INT64", (-1,)))
    words = shlex.split(infer_command(metadata, address=address))
    assert words[:3] == ["hasten", "infer", "m"]
    assert ("--address" in words) == (address != HERE)
    given_inputs = [words[at + 1] for at, word in enumerate(words) if word == "--input"]
    arrays = read_inputs(given_inputs, metadata, address=address)
    array = arrays["x"]
    assert array.dtype == (np.object_ if datatype == BYTES else NUMPY_OF[datatype])
    assert array.ndim == len(shape)
    assert all(wanted in {-1, size} for size, wanted in zip(array.shape, shape, strict=True))


@pytest.mark.parametrize(
    ("text", "datatype", "shape", "value"),
    [
        ("[1,2]", "FP32", (-1, 2), [[1.0, 2.0]]),
        ("[[1,2],[3,4]]", "INT32", (-1, 2), [[1, 2], [3, 4]]),
        ("[1,2,3,4]", "INT64", (-1, 2), [[1, 2], [3, 4]]),
        ("1.0", "INT64", (-1, 1), [[1]]),
        ("true", "BOOL", (-1,), [True]),
        ("hello", "BYTES", (-1, 1), [["hello"]]),
        ("123", "BYTES", (1,), ["123"]),
        ('"quoted"', "BYTES", (1,), ["quoted"]),
        ('["a","b"]', "BYTES", (-1, 1), [["a"], ["b"]]),
        ("x=y", "BYTES", (-1,), ["x=y"]),
        ("@zeros", "FP64", (-1, 2), [[0.0, 0.0]]),
        ("@ones", "UINT8", (2, -1), [[1], [1]]),
    ],
)
def test_values_are_read_in_the_datatype_and_rank_of_the_input(
    text: str, datatype: str, shape: tuple[int, ...], value: object
) -> None:
    assert read_value(text, tensor(datatype, shape)).tolist() == value


@pytest.mark.parametrize(
    ("text", "datatype", "part"),
    [
        ("[[1],[2,3]]", "FP32", "does not fit"),
        ("abc", "FP32", "'abc' is not made of numbers"),
        ("[1.5]", "INT64", "fractions"),
        ("300", "UINT8", "does not fit"),
        ("-1", "UINT8", "does not fit"),
        ("null", "FP32", "not made of numbers"),
        ("[1]", "BYTES", "takes text"),
        ("@missing.npy", "FP32", "cannot read missing.npy"),
        ("@data.csv", "FP32", "neither .npy nor .json"),
    ],
)
def test_values_that_do_not_fit_are_named(text: str, datatype: str, part: str) -> None:
    with pytest.raises(CommandError) as caught:
        read_value(text, tensor(datatype))
    assert part in caught.value.message
    assert "'x'" in caught.value.message
    assert caught.value.code == USAGE


def test_a_value_that_does_not_fit_is_answered_with_one_that_does() -> None:
    with pytest.raises(CommandError) as caught:
        read_inputs(["x=abc"], model(tensor()), address=HERE)
    assert caught.value.next_step.startswith("hasten infer m --input")


def test_files_are_read(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([1.0, 2.0]))
    (tmp_path / "a.json").write_text("[[1, 2]]")
    assert read_value(f"@{tmp_path}/a.npy", tensor()).dtype == np.float32
    assert read_value(f"@{tmp_path}/a.json", tensor()).tolist() == [[1.0, 2.0]]
    with pytest.raises(CommandError, match="takes INT64"):
        read_value(f"@{tmp_path}/a.npy", tensor("INT64"))
    np.save(tmp_path / "o.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(CommandError, match="cannot read"):
        read_value(f"@{tmp_path}/o.npy", tensor())


@given(
    st.lists(st.integers(1, 4), max_size=4), st.lists(st.integers(-1, 4).filter(bool), max_size=4)
)
def test_fitting_never_loses_or_reorders_elements(sizes: list[int], shape: list[int]) -> None:
    array = np.arange(int(np.prod(sizes))).reshape(sizes)
    assert fitted(array, shape).ravel().tolist() == array.ravel().tolist()


@pytest.mark.parametrize("words", [[], ["x"], ["z=1"], ["x=[1,2]", "x=[1,2]"]])
def test_what_is_not_understood_lists_the_inputs_and_an_example(words: list[str]) -> None:
    with pytest.raises(CommandError) as caught:
        read_inputs(words, model(tensor()), address=HERE)
    assert "x  FP32  [-1, 2]" in caught.value.message
    assert caught.value.next_step == "hasten infer m --input 'x=[[1,1]]'"
    assert caught.value.facts["inputs"][0]["datatype"] == "FP32"


PARTS = ["client_us", "admission_us", "router_queue_us", "wire_us", "worker_queue_us"]
PARTS += ["batch_wait_us", "preprocess_us", "compute_us", "postprocess_us"]


@given(st.lists(st.integers(0, 10**7), min_size=len(PARTS), max_size=len(PARTS)))
def test_the_bars_of_a_waterfall_follow_each_other_and_fit(spent: list[int]) -> None:
    facts: dict[str, Any] = dict(zip(PARTS, spent, strict=True))
    timing = TimingBreakdown(total_us=sum(spent), batch_rows=1, worker_id="w", **facts)
    lines = waterfall(timing, fill="#")
    assert len(lines) == len(PARTS) + 1
    ends = 0
    for line, part in zip(lines, spent, strict=False):
        bar = line[31:]
        assert bar.count("#") >= bool(part)
        assert len(bar) <= WIDTH + 1
        if part:
            assert len(bar) - bar.count("#") <= max(ends, WIDTH - 1)
            ends = len(bar)
    assert "total" in lines[-1]


def test_json_of_an_error_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    from hasten_cli.failures import reported

    with pytest.raises(SystemExit) as caught, reported(as_json=True):
        raise CommandError("what\nand why", next_step="then", code=1, facts={"reason": "R"})
    assert caught.value.code == 1
    out = capsys.readouterr()
    assert out.out == ""
    assert json.loads(out.err) == {
        "error": {"message": "what\nand why", "next_step": "then", "reason": "R"}
    }
    assert out.err.count("\n") == 1


def test_news_that_the_disk_refuses_do_not_end_the_mesh() -> None:
    class Full(io.StringIO):
        def write(self, _text: str, /) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    with contextlib.redirect_stdout(Full()):
        PlainVoice().say("worker-1 is back")


def test_who_submits_is_shown_how_to_submit() -> None:
    with pytest.raises(CommandError) as caught:
        read_inputs(["y=1"], model(tensor()), address="localhost:8003", verb="submit")
    assert (caught.value.next_step or "").startswith("hasten submit ")
    assert "--address" not in (caught.value.next_step or "")
    with pytest.raises(CommandError) as caught:
        read_inputs([], model(tensor()), address="elsewhere:8003", verb="submit")
    assert "--address elsewhere:8003" in (caught.value.next_step or "")
