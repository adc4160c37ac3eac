"""Where real models come from, and when two answers are the same."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from loadtest.alike import differs
from loadtest.fetching import NotFetched, Package, RealModel, fetched, packages
from loadtest.real_rows import Row, table
from loadtest.signature import Hints


def package(*content: bytes) -> Package:
    models = tuple(
        RealModel(
            f"m{n}", "nothing", f"inside/m{n}.onnx", hashlib.sha256(each).hexdigest(), Hints()
        )
        for n, each in enumerate(content)
    )
    return Package("some-package", "1.2.3", models)


def installing(*content: bytes, seen: list[str] | None = None) -> Callable[[Package, Path], None]:
    def install(wanted: Package, folder: Path) -> None:
        if seen is not None:
            seen.append(wanted.name)
        (folder / "inside").mkdir()
        for n, each in enumerate(content):
            (folder / "inside" / f"m{n}.onnx").write_bytes(each)

    return install


def test_a_package_is_fetched_once_and_its_models_are_kept(tmp_path: Path) -> None:
    seen: list[str] = []
    for _ in range(2):
        found = list(fetched(package(b"a", b"b"), tmp_path, installing(b"a", b"b", seen=seen)))
    assert [path.read_bytes() for _, path in found] == [b"a", b"b"]
    assert seen == ["some-package"]
    # What is no longer what it was is fetched anew.
    found[0][1].write_bytes(b"spoilt")
    found = list(fetched(package(b"a", b"b"), tmp_path, installing(b"a", b"b", seen=seen)))
    assert found[0][1].read_bytes() == b"a"
    assert len(seen) == 2


def test_another_file_than_expected_is_not_used(tmp_path: Path) -> None:
    with pytest.raises(NotFetched, match=r"some-package 1\.2\.3: inside/m0\.onnx has sha256"):
        list(fetched(package(b"a"), tmp_path, installing(b"other")))
    with pytest.raises(NotFetched, match=r"some-package 1\.2\.3 has no file inside/m1\.onnx"):
        list(fetched(package(b"a", b"b"), tmp_path, installing(b"a")))
    assert not list(tmp_path.glob("m1*"))


def test_the_table_lists_a_dozen_models_and_more_each_once() -> None:
    models = [model for one in packages() for model in one.models]
    assert len({model.name for model in models}) == len(models) >= 12
    assert len({model.sha256 for model in models}) == len(models)
    assert all(len(model.sha256) == 64 for model in models)


def test_answers_are_alike_up_to_rounding() -> None:
    right = {"y": np.array([[1.0, 1e-9, np.nan]], np.float32), "label": np.array([3])}
    assert not differs({"y": right["y"] + np.float32(1e-6), "label": right["label"]}, right)
    assert "off by" in differs({"y": right["y"] + np.float32(1e-2), "label": right["label"]}, right)
    assert "off by inf" in differs({"y": np.nan_to_num(right["y"]), "label": right["label"]}, right)
    assert differs({"y": right["y"], "label": np.array([4])}, right) == "output 'label' differs"
    assert differs({"y": right["y"]}, right) == "output 'label' is missing"
    assert "int64[1, 2]" in differs({"y": right["y"], "label": np.array([[3, 4]])}, right)


def test_one_value_a_row_may_come_in_two_dimensions() -> None:
    assert not differs({"y": np.ones((2, 1))}, {"y": np.ones(2)})
    assert not differs({"y": np.ones(1)}, {"y": np.ones(())})


def test_the_table_counts_what_reaches_the_aim() -> None:
    good = Row("a", "p", "x", served=True, asked=48, equal=48, in_time={8: 1.0, 3: 0.5, 20: 1.0})
    late = Row("b", "p", "x", served=True, asked=48, equal=47, wrong="off", in_time={8: 0.98})
    late.refused = {8: {"OVERLOADED": 2}}
    lost = Row("c", "p", "x", why="cannot")
    said = table([good, late, lost], ["q 1 could not be fetched: no"])
    assert "2 of 3 served; all answers right for 1; 99% and more in time at 8" in said
    assert said.endswith("q 1 could not be fetched: no")
    assert "at 8x: 2 OVERLOADED" in said
    assert "not served" in said
