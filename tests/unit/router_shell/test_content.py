"""What counts as the same input."""

from collections.abc import Callable

import pytest

from hasten.inference.v2 import inference_pb2 as pb
from hasten_policy.content import Content
from hasten_router.content import content_of, look_of

Change = Callable[[pb.ModelInferRequest], object]


def a_request() -> pb.ModelInferRequest:
    request = pb.ModelInferRequest(model_name="m", model_version="1", id="one")
    for name in ("A", "B"):
        request.inputs.add(name=name, datatype="FP32", shape=[1, 2])
        request.raw_input_contents.append(name.encode() * 8)
    return request


def content(change: Change = lambda _: None) -> Content | None:
    request = a_request()
    change(request)
    return content_of(request.SerializeToString())


@pytest.mark.parametrize(
    "change",
    [
        lambda r: setattr(r, "id", "another"),
        lambda r: setattr(r.parameters["timeout"], "int64_param", 7),
        lambda r: r.outputs.add(name="OUT"),
        lambda r: setattr(r, "model_version", ""),
    ],
)
def test_what_the_model_does_not_see_makes_no_difference(change: Change) -> None:
    assert content(change) == content() is not None


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r.raw_input_contents.__setitem__(0, b"a" * 8),
        lambda r: r.raw_input_contents.reverse(),
        lambda r: setattr(r.inputs[0], "name", "C"),
        lambda r: r.inputs[0].shape.__setitem__(0, 2),
        lambda r: (
            r.raw_input_contents.__setitem__(0, b"A" * 7),
            r.raw_input_contents.__setitem__(1, b"A" + b"B" * 8),
        ),
    ],
)
def test_what_the_model_sees_makes_a_difference(change: Change) -> None:
    assert content(change) != content()


def test_only_wanted_sizes_are_looked_at() -> None:
    request = a_request().SerializeToString()
    found = content_of(request)
    assert found is not None
    assert content_of(request, {found.size_bytes}) == found
    assert content_of(request, {found.size_bytes + 1}) is None


def test_a_request_whose_bytes_lie_elsewhere_has_no_content() -> None:
    def elsewhere(request: pb.ModelInferRequest) -> None:
        request.inputs[0].parameters["shared_memory_region"].string_param = "r"

    assert content(elsewhere) is None


def test_equal_contents_look_alike_and_most_others_do_not() -> None:
    one = a_request()
    twin = a_request()
    twin.id = "twin"
    other = a_request()
    other.raw_input_contents[1] = b"b" * 8
    looks = [look_of(request.SerializeToString()) for request in (one, twin, other)]
    assert looks[0] == looks[1] != looks[2]
