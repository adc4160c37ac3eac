"""What the tool that finds the test servers says when it cannot."""

import json
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.servers import _fetch_servers


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The tool on a machine with nothing on PATH and an empty cache."""
    module = _fetch_servers()
    monkeypatch.setattr(module, "CACHE", tmp_path)
    monkeypatch.setattr(module.shutil, "which", lambda _: None)
    return module


def test_without_apt_one_sentence_says_how_to_get_consul(tool: ModuleType) -> None:
    with pytest.raises(tool.ServerMissing, match=r"nor is apt to fetch it: put a `consul` binary"):
        tool.consul()


def test_a_mirror_that_fails_is_named_with_its_reason_and_leaves_nothing(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(command: list[str], **_: object) -> str:
        if "update" in command:
            raise subprocess.CalledProcessError(100, command, stderr="W: x\nE: no such host")
        return ""

    monkeypatch.setattr(tool.shutil, "which", lambda name: None if name == "consul" else "/bin/x")
    monkeypatch.setattr(tool, "_debian_mirrors", lambda: ["http://mirror.invalid/debian/"])
    monkeypatch.setattr(tool, "DEBIAN_KEYRING", tmp_path)
    monkeypatch.setattr(tool, "_run", run)
    with pytest.raises(tool.ServerMissing, match=r"mirror.invalid.*apt-get: E: no such host"):
        tool.consul()
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_a_fetched_consul_is_used_again(tool: ModuleType, tmp_path: Path) -> None:
    binary = tmp_path / "consul" / "usr" / "bin" / "consul"
    binary.parent.mkdir(parents=True)
    binary.touch()
    assert tool.consul() == binary


def test_without_redis_one_sentence_says_how_to_get_it(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(tool.ServerMissing, match="apt-get install redis-server"):
        tool.redis_server()


def test_the_command_prints_what_it_has_and_fails_when_something_is_missing(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["fetch_servers.py", "--json"])
    assert tool.main() == 1
    printed = capsys.readouterr()
    assert list(json.loads(printed.out)) == ["redis-server"]
    assert "put a `consul` binary on PATH" in printed.err
    assert "redis-7.0 is not here" in printed.err
    assert len(printed.err.strip().splitlines()) == 2
