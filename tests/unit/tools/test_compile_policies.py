"""What is compiled exists, and mypyc can compile it: seen without a compiler."""

import ast
from pathlib import Path

import pytest

from tools import compile_policies
from tools.compile_policies import PACKAGE, SOURCE, TARGET, CompileError, judge, modules_of

COMPILED = {str(path) for path in modules_of(SOURCE)}
MACHINE = str(TARGET / PACKAGE / "router" / "machine.cpython-311.so")


def classes() -> dict[str, tuple[str, ast.ClassDef]]:
    """The classes of the package by name: the module of each, and its definition."""
    return {
        node.name: (str(path.relative_to(SOURCE)), node)
        for path in sorted(SOURCE.rglob("*.py"))
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef)
    }


def bases(node: ast.ClassDef) -> set[str]:
    return {ast.unparse(base).partition("[")[0] for base in node.bases}


def test_both_machines_are_compiled() -> None:
    assert {f"{PACKAGE}/{room}/machine.py" for room in ("router", "worker")} <= COMPILED


@pytest.mark.parametrize("empty", [True, False])
def test_a_part_that_does_not_exist_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty: bool
) -> None:
    monkeypatch.setattr(compile_policies, "PARTS", ("here.py", "room"))
    package = tmp_path / PACKAGE
    package.mkdir()
    (package / "here.py").touch()
    if empty:
        (package / "room").mkdir()
    with pytest.raises(CompileError, match=r"hasten_policy has no room: PARTS in .* is stale"):
        modules_of(tmp_path)
    (package / "room").mkdir(exist_ok=True)
    (package / "room" / "of_one.py").touch()
    assert list(map(str, modules_of(tmp_path))) == [
        f"{PACKAGE}/here.py",
        f"{PACKAGE}/room/of_one.py",
    ]


def test_a_class_and_those_made_of_it_are_compiled_together_or_not_at_all() -> None:
    # mypyc: "classes can't have __slots__", "interpreted classes cannot inherit from compiled".
    known = classes()
    apart = [
        f"{module}: {name}({base})"
        for name, (module, node) in known.items()
        for base in bases(node) & known.keys()
        if (module in COMPILED) != (known[base][0] in COMPILED)
    ]
    assert not apart


def test_no_compiled_dataclass_is_generic() -> None:
    # mypyc: "attribute '__dict__' of 'type' objects is not writable", its issue 827.
    generic = [
        f"{module}: {name}"
        for name, (module, node) in classes().items()
        if module in COMPILED and "Generic" in bases(node)
        if any(ast.unparse(by).startswith("dataclass") for by in node.decorator_list)
    ]
    assert not generic


def test_the_same_figures_of_what_was_compiled_are_right() -> None:
    judge([MACHINE, "one", "two"], ["machine.py", "one", "two"])


@pytest.mark.parametrize("ran", [str(SOURCE / "machine.py"), str(TARGET / "machine.py")])
def test_plain_python_instead_of_what_was_compiled_is_an_error(ran: str) -> None:
    with pytest.raises(CompileError, match="did not run what was compiled"):
        judge([ran, "one"], ["machine.py", "one"])


def test_other_figures_are_an_error() -> None:
    with pytest.raises(CompileError, match="figures differ"):
        judge([MACHINE, "one", "2"], ["machine.py", "one", "two"])
