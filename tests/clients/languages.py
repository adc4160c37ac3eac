"""The clients of clients/: what each needs, how it is built and how it is asked."""

import fcntl
import hashlib
import json
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
CLIENTS: Final = ROOT / "clients"
BUILDS: Final = ROOT / ".run" / "clients"
"""What is built lies here, a folder a language, until its sources change."""
BUILD_S_MAX: Final = 900.0
ANSWER_S_MAX: Final = 300.0
"""Of one row, the deadlines of which are 20 s."""
MADE: Final = {"build", "node_modules", "target", "__pycache__"}
"""Folders that are no sources."""


class ToolMissing(Exception):  # noqa: N818  (the sentence is for people, it names no error)
    """A toolchain is not on this machine; the text names the package that has it."""


@dataclass(frozen=True, slots=True)
class Language:
    """One client.

    Attributes:
        name: Of its folder.
        tools: Programs that must be on PATH, and the Debian package of each.
        build: Commands, run in its folder; `{out}` is where they put what they make.
        conformance: The command that answers rows.
        example: The file of its example.
        mark: How its code is marked in a readme.
        libraries: Names that pkg-config must know, and the Debian package of each.
    """

    name: str
    conformance: tuple[str, ...]
    example: str
    mark: str
    tools: Mapping[str, str] = field(default_factory=dict)
    build: tuple[tuple[str, ...], ...] = ()
    libraries: Mapping[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Its sources."""
        return CLIENTS / self.name

    @property
    def out(self) -> Path:
        """What is built of them."""
        return BUILDS / self.name

    def environ(self) -> dict[str, str]:
        """What its programs are run with."""
        kept = {name: text for name, text in os.environ.items() if not name.startswith("GRPC_")}
        return {**kept, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def command(self, words: tuple[str, ...]) -> list[str]:
        """With its places filled in."""
        return [word.format(out=self.out, python=sys.executable) for word in words]


GO: Final = Language(
    "go",
    tools={"go": "golang-go (1.26 or newer)"},
    build=(("go", "build", "-o", "{out}/", "./cmd/..."),),
    conformance=("{out}/conformance",),
    example="cmd/example/main.go",
    mark="go",
)
NODE: Final = Language(
    "node",
    tools={"node": "nodejs (18 or newer)", "npm": "npm"},
    build=(("npm", "ci", "--no-audit", "--no-fund"),),
    conformance=("node", "conformance.js"),
    example="example.js",
    mark="js",
)
JAVA: Final = Language(
    "java",
    tools={"javac": "openjdk-17-jdk", "mvn": "maven"},
    build=(
        (
            "mvn",
            "--batch-mode",
            "--quiet",
            "compile",
            "dependency:copy-dependencies",
            "-DoutputDirectory=target/lib",
        ),
    ),
    conformance=(
        "java",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-cp",
        "target/classes:target/lib/*",
        "dev.hasten.client.Conformance",
    ),
    example="src/main/java/dev/hasten/client/Example.java",
    mark="java",
)
RUST: Final = Language(
    "rust",
    tools={"cargo": "cargo (1.88 or newer)"},
    build=(("cargo", "build", "--locked", "--quiet", "--bins", "--examples"),),
    conformance=("target/debug/conformance",),
    example="examples/classify.rs",
    mark="rust",
)
CPP: Final = Language(
    "cpp",
    tools={
        "g++": "g++",
        "cmake": "cmake",
        "pkg-config": "pkg-config",
        "protoc": "protobuf-compiler",
        "grpc_cpp_plugin": "protobuf-compiler-grpc",
    },
    libraries={"grpc++": "libgrpc++-dev", "protobuf": "libprotobuf-dev"},
    build=(
        ("cmake", "-S", ".", "-B", "build", "-DCMAKE_BUILD_TYPE="),
        ("cmake", "--build", "build", "--parallel", "2"),
    ),
    conformance=("build/conformance",),
    example="example.cc",
    mark="cpp",
)
PYTHON: Final = Language(
    "python",
    conformance=("{python}", "conformance.py"),
    example="example.py",
    mark="python",
)
LANGUAGES: Final = (GO, NODE, JAVA, RUST, CPP, PYTHON)


def usable(tool: str) -> bool:
    """The tool is on PATH, and does something: rustup puts a cargo there that runs nothing until a
    toolchain is chosen.
    """
    path = shutil.which(tool)
    if path is None or tool != "cargo":
        return path is not None
    return subprocess.run([path, "--version"], capture_output=True, check=False).returncode == 0


def missing(language: Language) -> str:
    """What this machine lacks for it, in a sentence; "" for nothing."""
    lacks = [package for tool, package in language.tools.items() if not usable(tool)]
    if not lacks:
        lacks += [
            package
            for library, package in language.libraries.items()
            if subprocess.run(["pkg-config", "--exists", library], check=False).returncode
        ]
    if not lacks:
        return ""
    return f"the client in {language.name} needs {', '.join(dict.fromkeys(lacks))}"


def built(language: Language, say: Callable[[str], None] = lambda _: None) -> None:
    """Builds it, unless what lies in `.run/clients` is of these sources.

    Raises:
        ToolMissing: Something that it needs is not here.
        RuntimeError: The build failed; the text is what it said.
    """
    lack = missing(language)
    if lack:
        raise ToolMissing(lack)
    language.out.mkdir(parents=True, exist_ok=True)
    with (BUILDS / f"{language.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = language.out / "sources.sha256"
        wanted = _sources(language)
        if stamp.exists() and stamp.read_text() == wanted:
            return
        say(f"building the client in {language.name}")
        for words in language.build:
            done = subprocess.run(
                language.command(words),
                cwd=language.folder,
                capture_output=True,
                text=True,
                timeout=BUILD_S_MAX,
                check=False,
            )
            if done.returncode:
                said = (done.stdout + done.stderr)[-4000:]
                raise RuntimeError(f"{' '.join(words)} failed in {language.folder}:\n{said}")
        stamp.write_text(wanted)


def _sources(language: Language) -> str:
    """A number of all that the build reads."""
    digest = hashlib.sha256()
    for folder in (language.folder, ROOT / "protos"):
        for path in sorted(folder.rglob("*")):
            if path.suffix == ".md" or not path.is_file():
                continue
            if not MADE & set(path.relative_to(folder).parts):
                digest.update(str(path.relative_to(ROOT)).encode())
                digest.update(path.read_bytes())
    digest.update((CLIENTS / "service_config.json").read_bytes())
    return digest.hexdigest()


class Conformance:
    """A running `conformance` that is given rows and says how each went."""

    def __init__(self, language: Language) -> None:
        self._language = language
        self._process = subprocess.Popen(
            language.command(language.conformance),
            cwd=language.folder,
            env=language.environ(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, row: str) -> dict[str, Any]:
        """What the client says of the row.

        Raises:
            RuntimeError: It ended, or says nothing.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(row + "\n")
        self._process.stdin.flush()
        answers, _, _ = select.select([self._process.stdout], [], [], ANSWER_S_MAX)
        line = self._process.stdout.readline() if answers else ""
        if not line:
            how = "ended" if answers else f"said nothing for {ANSWER_S_MAX:.0f} s"
            raise RuntimeError(f"the client in {self._language.name} {how} at: {row}")
        said: dict[str, Any] = json.loads(line)
        return said

    def close(self) -> None:
        """Ends it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
