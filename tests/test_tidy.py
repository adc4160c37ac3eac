"""The tree's own rules that no linter knows: size of files and functions, and no strays."""

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
FILE_BYTES_MAX = 2_000_000


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def own_python() -> list[Path]:
    generated = ROOT / "libs" / "hasten_protos" / "src"
    return [path for path in tracked() if path.suffix == ".py" and generated not in path.parents]


def functions_of(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_there_is_something_to_look_at() -> None:
    assert len(own_python()) > 50


def test_no_file_is_too_long_to_read() -> None:
    long = [
        f"{path.relative_to(ROOT)}: {lines} lines"
        for path in own_python()
        if (lines := len(path.read_text().splitlines())) > FILE_LINES_MAX
    ]
    assert not long, "split by idea:\n" + "\n".join(long)


def test_no_function_is_too_long_to_read() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {lines} lines"
        for path in own_python()
        for node in functions_of(path)
        if (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES_MAX
    ]
    assert not long, "split by idea:\n" + "\n".join(long)


def test_no_test_sleeps_to_wait() -> None:
    # `eventually` in tests/support is the one helper that waits.
    sleeping = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in own_python()
        if path.is_relative_to(ROOT / "tests")
        and not path.is_relative_to(ROOT / "tests" / "support")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"time.sleep", "asyncio.sleep"}
        if not (node.args and ast.unparse(node.args[0]) == "0")
    ]
    assert not sleeping, "wait for a condition instead:\n" + "\n".join(sleeping)


def test_nothing_is_raised_where_python_3_11_3_would_wrap_it() -> None:
    # Debian 12 has 3.11.2: what is raised inside `except*` comes out as a group there.
    raising = [
        f"{path.relative_to(ROOT)}:{inner.lineno}"
        for path in own_python()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.TryStar)
        for handler in node.handlers
        for inner in ast.walk(handler)
        if isinstance(inner, ast.Raise)
    ]
    assert not raising, "raise after the block:\n" + "\n".join(raising)


def test_no_large_file_is_committed() -> None:
    large = [
        f"{path.relative_to(ROOT)}: {path.stat().st_size} bytes"
        for path in tracked()
        if path.stat().st_size > FILE_BYTES_MAX
    ]
    assert not large, "\n".join(large)


def test_every_package_says_what_it_is() -> None:
    for project in [*ROOT.glob("libs/*/pyproject.toml"), *ROOT.glob("services/*/pyproject.toml")]:
        readme = project.with_name("README.md")
        assert readme.is_file(), f"{readme.relative_to(ROOT)} is missing"
        assert len(readme.read_text().splitlines()) >= 5, f"{readme.relative_to(ROOT)} says nothing"
