import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from onnx import TensorProto, helper

from hasten_policy.reasons import Reason
from hasten_worker.engine.onnx.buffers import IDLE_MAX, Place
from hasten_worker.engine.onnx.datatypes import ELEMENT_TYPES, ElementType
from hasten_worker.engine.refusal import ModelRefused
from hasten_worker.model import Array, ModelError
from tests.unit.worker_engine import zoo
from tests.unit.worker_engine.running import Make, make_runner, run, settled

NUMBERS = [element for element in ELEMENT_TYPES if element.name != "BYTES"]


def floats(*rows: list[float]) -> Array:
    return np.array(rows, np.float32)


def text(*rows: list[bytes]) -> Array:
    array = np.empty((len(rows), len(rows[0])), np.object_)
    array[:] = rows
    return array


def ends(element: ElementType) -> Array:
    """The type's least and greatest values, and one between."""
    if element.name == "BOOL":
        return np.array([[True, False, True]])
    whole = element.dtype.kind in "iu"
    info: Any = (np.iinfo if whole else ml_dtypes.finfo)(element.dtype)
    row = np.empty((1, 3), element.dtype)
    row[0, 0], row[0, 1], row[0, 2] = info.min, 1, info.max
    return row


@pytest.mark.parametrize("element", NUMBERS, ids=lambda element: element.name)
@pytest.mark.parametrize("bound", [False, True], ids=["allocated", "bound"])
def test_every_number_type_comes_back_as_it_went_in(
    make: Make, element: ElementType, bound: bool
) -> None:
    runner, _ = make(zoo.identity(element.onnx))
    first, second = ends(element), np.concatenate([ends(element)[:, ::-1]] * 2)
    if bound:
        settled(runner, run(runner, {"X": first}))
    for _ in range(2):
        results = run(runner, {"X": first}, {"X": second}, padded_rows=5)
        assert [result["Y"].dtype for result in results] == [element.dtype] * 2
        np.testing.assert_array_equal(results[0]["Y"], first)
        np.testing.assert_array_equal(results[1]["Y"], second)


def test_text_comes_back_as_bytes_with_nul_and_all(make: Make) -> None:
    runner, _ = make(zoo.identity(TensorProto.STRING, ("n", 2)))
    first, second = text([b"", "é\0ü".encode()]), text([b"x" * 1000, b"b"], [b"c", b"d"])
    results = run(runner, {"X": first}, {"X": second}, padded_rows=4)
    assert results[0]["Y"].tolist() == first.tolist()
    assert results[1]["Y"].tolist() == second.tolist()


def test_bytes_that_are_no_text_fail_the_batch_with_their_place(make: Make) -> None:
    runner, _ = make(zoo.identity(TensorProto.STRING, ("n", 2)))
    with pytest.raises(ModelError, match="input 'X': element 1 is not UTF-8") as raised:
        run(runner, {"X": text([b"a", b"\xff\xfe"])})
    assert raised.value.reason is Reason.INVALID_REQUEST
    assert run(runner, {"X": text([b"a", b"b"])})[0]["Y"].tolist() == [[b"a", b"b"]]


@pytest.mark.parametrize("padded_rows", [3, 4, 8])
def test_padding_is_cut_off_again(make: Make, padded_rows: int) -> None:
    runner, _ = make(zoo.add())
    members = [{"X": floats([1, 2, 3, 4])}, {"X": floats([5, 6, 7, 8], [9, 10, 11, 12])}]
    results = run(runner, *members, padded_rows=padded_rows)
    assert [len(result["Y"]) for result in results] == [1, 2]
    for member, result in zip(members, results, strict=True):
        np.testing.assert_array_equal(result["Y"], member["X"] + 1)


@pytest.mark.parametrize("bound", [False, True], ids=["allocated", "bound"])
def test_later_batches_do_not_change_earlier_answers(make: Make, bound: bool) -> None:
    runner, _ = make(zoo.identity(TensorProto.FLOAT))
    member = {"X": floats([1, 2, 3])}
    if bound:
        settled(runner, run(runner, member))
    answer = run(runner, member)[0]["Y"]
    for number in range(4, 8):
        run(runner, {"X": floats([number] * 3)})
    np.testing.assert_array_equal(answer, floats([1, 2, 3]))
    np.add(answer, 1, out=answer)
    np.testing.assert_array_equal(member["X"], floats([1, 2, 3]))


def test_threads_that_run_at_once_get_their_own_answers(make: Make) -> None:
    runner, _ = make(zoo.add(("n", 256)))
    settled(runner, run(runner, {"X": np.zeros((1, 256), np.float32)}))
    wrong: list[int] = []

    def lane(number: int) -> None:
        for turn in range(200):
            rows = 1 + (number + turn) % 3
            member = {"X": np.full((rows, 256), 1000 * number + turn, np.float32)}
            if (run(runner, member)[0]["Y"] != member["X"] + 1).any():
                wrong.append(number)

    threads = [threading.Thread(target=lane, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_read_only_and_unaligned_inputs_are_taken(make: Make) -> None:
    runner, _ = make(zoo.add())
    raw = b"\0" + floats([1, 2, 3, 4]).tobytes()
    array = np.frombuffer(raw, np.float32, offset=1).reshape(1, 4)
    assert not array.flags.aligned
    np.testing.assert_array_equal(run(runner, {"X": array})[0]["Y"], floats([2, 3, 4, 5]))


def test_sizes_that_vary_share_nothing(make: Make) -> None:
    runner, _ = make(zoo.identity(TensorProto.FLOAT, ("n", "width")))
    for width in (3, 5, 3, 0, 1):
        array = np.arange(2 * width, dtype=np.float32).reshape(2, width)
        np.testing.assert_array_equal(run(runner, {"X": array})[0]["Y"], array)


def test_buffers_for_many_sizes_are_bounded(tmp_path: Path) -> None:
    runner, _ = make_runner(tmp_path, zoo.identity(TensorProto.FLOAT, ("n", "width")))
    for width in range(3 * IDLE_MAX):
        run(runner, {"X": np.zeros((1, width), np.float32)})
    idle = runner._pool._idle
    assert sum(len(sets) for sets in idle.values()) <= IDLE_MAX


@pytest.mark.parametrize("dims", [(), (2, 3), ("any",), (0,)], ids=str)
def test_a_model_that_does_not_batch_takes_whole_tensors(
    make: Make, dims: tuple[int | str, ...]
) -> None:
    config = "max_batch_size: 0"
    runner, completed = make(zoo.identity(TensorProto.FLOAT, dims), config)
    outer = tuple(4 if size == -1 else size for size in completed.input[0].dims)
    array = np.arange(np.prod(outer), dtype=np.float32).reshape(outer)
    for _ in range(2):
        np.testing.assert_array_equal(run(runner, {"X": array})[0]["Y"], array)
        settled(runner, run(runner, {"X": array}))


def test_reshape_stands_between_client_and_model(make: Make) -> None:
    config = """
        max_batch_size: 8
        input { name: "X" dims: [ 2, 2 ] reshape { shape: [ 4 ] } }
        output { name: "Y" dims: [ 4, 1 ] reshape { shape: [ 4 ] } }
    """
    runner, _ = make(zoo.add(), config)
    member = {"X": np.arange(12, dtype=np.float32).reshape(3, 2, 2)}
    for _ in range(2):
        result = run(runner, member, padded_rows=4)[0]["Y"]
        assert result.shape == (3, 4, 1)
        np.testing.assert_array_equal(result.reshape(3, 4), member["X"].reshape(3, 4) + 1)
        settled(runner, run(runner, member))


def test_reshape_stands_between_client_and_model_of_text_too(make: Make) -> None:
    config = """
        max_batch_size: 4
        input { name: "X" data_type: TYPE_STRING dims: [ 1, 2 ] reshape { shape: [ 2 ] } }
        output { name: "Y" data_type: TYPE_STRING dims: [ 2, 1 ] reshape { shape: [ 2 ] } }
    """
    runner, _ = make(zoo.identity(TensorProto.STRING, ("n", 2)), config)
    member = {"X": text([b"a", b"b"], [b"c", b"d"]).reshape(2, 1, 2)}
    (first, second) = run(runner, member, {"X": member["X"][:1]}, padded_rows=4)
    assert first["Y"].tolist() == [[[b"a"], [b"b"]], [[b"c"], [b"d"]]]
    assert second["Y"].tolist() == [[[b"a"], [b"b"]]]


def test_free_sizes_go_through_reshape_in_order(make: Make) -> None:
    config = """
        max_batch_size: 4
        input { name: "X" dims: [ -1 ] reshape { shape: [ 1, -1 ] } }
        output { name: "Y" dims: [ -1 ] reshape { shape: [ 1, -1 ] } }
    """
    content = zoo.identity(TensorProto.FLOAT, ("n", 1, "width"))
    runner, _ = make(content, config)
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(run(runner, {"X": array})[0]["Y"], array)


def test_an_optional_input_may_be_left_out(make: Make) -> None:
    config = """
        max_batch_size: 4
        input { name: "X" data_type: TYPE_FP32 dims: [ 2 ] }
        input { name: "D" data_type: TYPE_FP32 dims: [ 2 ] optional: true }
        output { name: "Y" data_type: TYPE_FP32 dims: [ 2 ] }
    """
    runner, _ = make(zoo.with_default(), config)
    without, given = {"X": floats([1, 2])}, {"X": floats([1, 2]), "D": floats([5, 5])}
    for _ in range(2):
        np.testing.assert_array_equal(run(runner, without)[0]["Y"], floats([11, 12]))
        np.testing.assert_array_equal(run(runner, given)[0]["Y"], floats([6, 7]))


def test_a_model_that_mixes_rows_is_refused_with_the_output_named(make: Make) -> None:
    with pytest.raises(ModelRefused, match=r"output 'Y' .* fixed first dimension 1"):
        make(zoo.double_row_sum(), "max_batch_size: 4")


def test_a_model_that_does_not_batch_runs_one_member_at_a_time(make: Make) -> None:
    runner, _ = make(zoo.add((4,)))
    member = {"X": np.zeros(4, np.float32)}
    with pytest.raises(ModelError, match="2 calls in one batch"):
        run(runner, member, member)


def test_a_model_that_drops_rows_fails_only_then(make: Make) -> None:
    runner, _ = make(zoo.non_zero_rows())
    good, bad = {"X": floats([1])}, {"X": floats([0])}
    run(runner, good, good)
    with pytest.raises(ModelError, match="output 'Y' has first dimension 1 for a batch of 2 rows"):
        run(runner, good, bad)
    assert run(runner, good, good)[1]["Y"].tolist() == [[1.0]]


def test_members_that_do_not_fit_together_fail_and_leave_no_trace(make: Make) -> None:
    runner, _ = make(zoo.identity(TensorProto.FLOAT, ("n", "width")))
    with pytest.raises(ModelError):
        run(runner, {"X": np.zeros((1, 2), np.float32)}, {"X": np.zeros((1, 3), np.float32)})
    with pytest.raises(ModelError):
        run(runner, {"X": np.zeros((1, 2), np.float64)})
    with pytest.raises(ModelError):
        runner.new_run().execute([{}], 1)
    assert run(runner, {"X": floats([1, 2])})[0]["Y"].tolist() == [[1.0, 2.0]]


def test_an_endless_loop_ends_when_it_is_terminated(make: Make) -> None:
    runner, _ = make(zoo.loop_if_asked(), "max_batch_size: 0")
    ended: list[ModelError] = []
    started = threading.Event()
    endless = runner.new_run()

    def lane() -> None:
        started.set()
        try:
            endless.execute([{"X": np.array([2**62], np.int64)}], 1)
        except ModelError as error:
            ended.append(error)

    thread = threading.Thread(target=lane)
    thread.start()
    started.wait()
    # Another run of the session goes on meanwhile.
    assert run(runner, {"X": np.array([3], np.int64)})[0]["Y"].tolist() == [3]
    endless.terminate()
    thread.join(timeout=60)
    assert not thread.is_alive()
    assert [error.terminated for error in ended] == [True]
    assert run(runner, {"X": np.array([5], np.int64)})[0]["Y"].tolist() == [5]


def test_terminating_before_after_and_twice_does_no_harm(make: Make) -> None:
    runner, _ = make(zoo.add())
    member = {"X": floats([1, 2, 3, 4])}
    before = runner.new_run()
    before.terminate()
    before.terminate()
    with pytest.raises(ModelError) as caught:
        before.execute([member], 1)
    assert caught.value.terminated
    after = runner.new_run()
    after.execute([member], 1)
    after.terminate()
    assert run(runner, member)[0]["Y"].tolist() == [[2.0, 3.0, 4.0, 5.0]]


def test_buffers_on_a_device_are_filled_before_each_run(tmp_path: Path) -> None:
    # The path of a GPU, with the host's memory as the device.
    runner, _ = make_runner(tmp_path, zoo.identity(TensorProto.BFLOAT16))
    runner._place = Place("cpu", 0, uploads=True)
    for number in (1, 2):
        array = np.full((2, 3), number, ml_dtypes.bfloat16)
        np.testing.assert_array_equal(run(runner, {"X": array})[0]["Y"], array)


def test_text_beside_bf16_is_refused_when_the_model_is_loaded(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Identity", ["X"], ["Y"]),
        helper.make_node("Identity", ["S"], ["T"]),
    ]
    made = zoo.model(
        nodes,
        [
            zoo.value("X", ["n", 1], TensorProto.BFLOAT16),
            zoo.value("S", ["n", 1], TensorProto.STRING),
        ],
        [
            zoo.value("Y", ["n", 1], TensorProto.BFLOAT16),
            zoo.value("T", ["n", 1], TensorProto.STRING),
        ],
    )
    with pytest.raises(ModelRefused, match="BYTES and BF16"):
        make_runner(tmp_path, made.SerializeToString())


@pytest.mark.parametrize("content", [zoo.zip_map])
def test_an_output_that_is_no_tensor_is_refused_with_advice(
    tmp_path: Path, content: Callable[[], bytes]
) -> None:
    with pytest.raises(ModelRefused, match=r"output 'Y' .*seq\(map\(.*zipmap=False"):
        make_runner(tmp_path, content())


def test_an_output_that_is_no_tensor_may_be_left_out_by_the_configuration(make: Make) -> None:
    config = 'max_batch_size: 4 output { name: "Z" dims: [ 3 ] }'
    runner, _ = make(zoo.zip_map(), config)
    assert run(runner, {"X": floats([1, 2, 3])})[0]["Z"].tolist() == [[1.0, 2.0, 3.0]]
