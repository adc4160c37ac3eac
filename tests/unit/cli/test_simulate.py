"""`hasten simulate`: what it prints, refuses and leaves behind."""

import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from hasten_cli.commands import simulate as command
from hasten_cli.main import app
from hasten_cli.simulating import progress, shipped
from tests.support.waiting import eventually_sync

RUNNER = CliRunner()
QUICK = ("--duration", "0.4s", "--seeds", "2", "--processes", "1")


def run(*words: str) -> Result:
    return RUNNER.invoke(app, ["simulate", *words])


# --- workloads ------------------------------------------------------------------------


def test_a_shipped_workload_is_run_by_name_with_its_own_sweep() -> None:
    result = run("small", *QUICK)
    assert result.exit_code == 0, result.output
    assert "\N{MULTIPLICATION SIGN} the capacity hasten keeps" in result.stdout
    assert "load 0.5" in result.stdout
    assert "load 1.2" in result.stdout
    assert "goodput@99" in result.stdout
    assert result.stderr == ""


def test_the_printed_command_gives_the_same_again(tmp_path: Path) -> None:
    first = run("small", "--sweep", "load=0.5:1:0.5", "--seed", "3", *QUICK, "--json")
    said = json.loads(first.stdout)
    words = shlex.split(said["command"])
    assert words[:3] == ["hasten", "simulate", "small"]
    assert said["seeds"] == [3, 4]
    again = run(*words[2:], "--json", "--processes", "2", "--report", str(tmp_path / "r.html"))
    assert again.stdout == first.stdout
    assert said["command"] in (tmp_path / "r.html").read_text()


def test_policies_are_compared_on_the_same_seeds() -> None:
    result = run("small", "--policy", "hasten", "--policy", "fifo", "--load", "2", *QUICK)
    assert result.exit_code == 0, result.output
    assert "compared on the same seeds" in result.stdout
    assert re.search(r"fifo +load 2 +hasten +-\d", result.stdout)


def test_a_workload_may_be_a_path(tmp_path: Path) -> None:
    source = shipped.find("small").read_text().replace('name = "small"', 'name = "mine"')
    path = tmp_path / "mine.toml"
    path.write_text(source)
    said = json.loads(run(str(path), "--load", "0.5", *QUICK, "--json").stdout)
    assert said["workload"] == "mine"
    assert said["cells"][0]["load"] == 0.5


def test_workers_and_routers_can_be_swept_together() -> None:
    result = run("small", "--sweep", "workers=2,3", "--sweep", "routers=1:2:1", *QUICK, "--json")
    cells = json.loads(result.stdout)["cells"]
    assert [(cell["workers"], cell["routers"]) for cell in cells] == [
        (2, 1),
        (2, 2),
        (3, 1),
        (3, 2),
    ]


@pytest.mark.parametrize(
    ("words", "message", "step"),
    [
        ((), "nothing to simulate", "take one of"),
        (("smal",), "there is no workload smal", "did you mean small?"),
        (("no_such",), "there is no workload no_such", "take a path, or one of"),
        (("small", "--policy", "hastn"), "policy 'hastn'", "hasten simulate --policies"),
        (("small", "--policy", "hasten,router.nothing=1"), "nothing", "--policies"),
        (("small", "--sweep", "load=2:1:1"), "neither a span", "load=0.5:3:0.5"),
        (("small", "--sweep", "speed=1,2"), "expected one of load", "load=0.5:3:0.5"),
        (("small", "--sweep", "workers=1.5"), "expected a whole number", "workers=1,2,4"),
        (("small", "--sweep", "load=1:inf:1"), "neither a span", "load=0.5:3:0.5"),
        (("small", "--sweep", "load=0,1"), "must be positive", "load=0.5:3:0.5"),
        (("small", "--sweep", "load=0:9:0.0001"), "at most 200", "load=0.5:3:0.5"),
        (("small", "--sweep", "load=1,2", "--load", "1"), "contradict", "drop one"),
        (("small", "--sweep", "load=1", "--sweep", "load=2"), "twice", "in one"),
        (("small", "--load", "-1"), "must be positive", "load=0.5:3:0.5"),
        (("small", "--rate", "5"), "--rate", "--help"),
        (("small", "--kill-one"), "--kill-one", "--help"),
        (("small", "--outage", "3s"), "--outage", "--help"),
        (("small", "--slo", "90"), "--slo", "--help"),
        (("small", "--workers", "30000"), "at most 20,000", "--workers"),
        (("small", "--duration", "9999h"), "100,000,000 of one run", "--duration"),
        (("n" * 5000,), "there is no workload nnn", "take a path"),
        (("--replay", "x", "--workers", "3"), "--workers", "--help"),
        (("--replay", "no.hlog"), "cannot open no.hlog", "hasten up --record"),
        (
            ("--from", "y:1", "--rate", "1", "--deadline", "1s", "--outage", "3s"),
            "none dies",
            "add",
        ),
        (("small", "--find", "routers"), "only workers", "--find workers"),
        (("small", "--find", "workers", "--slo", "0"), "--slo 0", "--slo 99"),
        (("small", "--find", "workers", "--workers", "2"), "chooses the workers", "drop"),
        (("small", "--report", "/no/such/folder/r.html"), "no folder", "mkdir -p"),
        (("small", "--report", "."), "is a folder", "name a file"),
        (("crash", "--duration", "1s"), "would not happen", "--duration"),
        (("balancing_silent_slow", "--workers", "1"), "worker", ""),
        (("--models", "examples/models"), "--rate and a --deadline", "--rate 200"),
        (("--models", "x", "--rate", "1", "--deadline", "1s"), "--models x does not exist", ""),
        (("--models", "x", "--from", "y:1", "--rate", "1", "--deadline", "1s"), "two sources", ""),
        (("--models", "x", "--load", "2"), "--load", "--help"),
        (
            ("--models", "x", "--rate", "1", "--deadline", "1s", "--workers", "5000"),
            "at most 4096",
            "fewer",
        ),
        (("small", "--models", "x"), "WORKLOAD", "--help"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_next_step(
    words: tuple[str, ...], message: str, step: str
) -> None:
    result = run(*words)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert step in result.stderr
    assert result.stdout == ""


def test_every_fault_of_a_workload_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text('name = "bad"\nduration_s = -1\nnonsense = 2\n')
    result = run(str(path))
    assert result.exit_code == 2
    assert "duration_s" in result.stderr
    assert "nonsense" in result.stderr
    assert "docs/workloads.md" in result.stderr


def test_a_model_that_fits_nowhere_is_told_before_any_run(tmp_path: Path) -> None:
    path = tmp_path / "full.toml"
    written = shipped.find("small").read_text().replace("[mesh]", "[mesh]\nmemory_mb = 100")
    path.write_text(written.replace("[[models]]", "[[models]]\nmemory_mb = 200"))
    result = run(str(path), *QUICK)
    assert result.exit_code == 2, result.output
    assert "needs 200.0 MB, and no worker has that left" in result.stderr


def test_numbers_that_cannot_be_calculated_with_are_no_crash(tmp_path: Path) -> None:
    path = tmp_path / "tiny.toml"
    written = re.sub("alpha_ms = .*", "alpha_ms = 1e-320", shipped.find("small").read_text())
    path.write_text(re.sub("beta_ms = .*", "", written))
    result = run(str(path), *QUICK)
    assert result.exit_code == 2, result.output
    assert "cannot be calculated with" in result.stderr


def test_a_run_to_which_nothing_came_does_not_claim_anything() -> None:
    result = run("small", "--load", "0.000001", *QUICK)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("No request came in the time that counts")


def test_a_report_that_the_disk_refuses_is_told_after_the_figures() -> None:
    result = run("small", *QUICK, "--report", "/dev/full")
    assert result.exit_code == 1
    assert "goodput@99" in result.stdout
    assert "--report /dev/full cannot be written: No space left on device" in result.stderr
    assert "next: " in result.stderr


# --- --find ---------------------------------------------------------------------------


def test_the_least_number_of_workers_is_searched_step_by_step() -> None:
    result = run("small", "--find", "workers", "--slo", "90", "--seeds", "1", "--processes", "1")
    assert result.exit_code == 0, result.output
    *steps, answer = result.stdout.splitlines()
    assert steps[0].startswith("hasten: 2 workers, ")
    assert re.fullmatch(r"hasten: 3 workers keep [\d.]+ % in time \(asked for: 90 %\)", answer)


def test_a_search_without_success_ends_with_status_1(tmp_path: Path) -> None:
    path = tmp_path / "hopeless.toml"
    # A batch of one row takes 11 ms.
    path.write_text(shipped.find("small").read_text().replace("\nms = 100", "\nms = 5"))
    words = ("--find", "workers", "--duration", "0.2s", "--load", "0.1")
    result = run(str(path), *words, "--seeds", "1", "--processes", "1", "--json")
    assert result.exit_code == 1, result.output
    said = json.loads(result.stdout)
    assert said["policies"][0]["workers"] is None
    assert len(said["policies"][0]["steps"]) >= 2
    assert "keeps 99 % in time" in json.loads(result.stderr)["error"]["message"]


# --- --policies and completion --------------------------------------------------------


def test_all_policies_are_listed_with_what_they_do() -> None:
    found = {(one["kind"], one["name"]): one["description"] for one in _policies()}
    assert ("bundle", "hasten") in found
    assert ("balancer", "round_robin") in found
    assert all(found.values())
    assert "round_robin" in run("--policies").stdout


def _policies() -> list[dict[str, str]]:
    said: dict[str, list[dict[str, str]]] = json.loads(run("--policies", "--json").stdout)
    return said["policies"]


def test_the_shell_completes_workloads_and_policies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "smart.toml").touch()
    (tmp_path / "small_talk").mkdir()
    (tmp_path / "small.txt").touch()
    assert command.workload_names("sma") == ["small", "small_talk/", "smart.toml"]
    assert "hasten" in command.policy_texts("ha")
    assert "hasten,balancer=round_robin" in command.policy_texts("hasten,balancer=ro")
    assert command.policy_texts("hasten,nothing") == []


# --- around ---------------------------------------------------------------------------


def bar_on(monkeypatch: pytest.MonkeyPatch, **environ: str) -> str:
    """What the bar writes on a terminal in this environment."""
    for name in ("TERM", "NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    written = io.StringIO()
    terminal = Console(file=written, force_terminal=True, width=120)
    monkeypatch.setattr(progress, "console", lambda *, stderr: terminal if stderr else None)
    with progress.bar() as bar:
        bar.more(2)
        bar.done("hasten,order=[bold]edf at 1x load, seed 1")
    return written.getvalue()


@pytest.mark.parametrize("more", [{}, {"NO_COLOR": "1"}], ids=["coloured", "plain"])
def test_the_bar_shows_the_run_as_it_is_written(
    monkeypatch: pytest.MonkeyPatch, more: dict[str, str]
) -> None:
    written = bar_on(monkeypatch, TERM="xterm", **more)
    assert "1/2" in written
    assert "[bold]edf" in written


@pytest.mark.parametrize("terminal", ["dumb", "unknown"])
def test_a_terminal_that_cannot_redraw_gets_no_bar(
    monkeypatch: pytest.MonkeyPatch, terminal: str
) -> None:
    assert bar_on(monkeypatch, TERM=terminal) == ""


@pytest.mark.parametrize(
    ("caller", "number", "code"),
    [
        ("", signal.SIGINT, 130),
        # As a shell's background job.
        ("trap '' INT; ", signal.SIGINT, 130),
        ("trap '' INT; ", signal.SIGTERM, 128 + signal.SIGTERM),
    ],
)
def test_a_signal_ends_it_without_a_trace(number: signal.Signals, code: int, caller: str) -> None:
    words = ("simulate", "overload", "--policy", "hasten", "--seeds", "100", "--processes", "2")
    with subprocess.Popen(
        ["/bin/sh", "-c", f'{caller}exec "$0" -m hasten_cli.main "$@"', sys.executable, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            begun = psutil.Process(process.pid)
            # Two that work, and the one that keeps track of semaphores.
            children = eventually_sync(lambda: len(found := begun.children()) == 3 and found)
            # One that is only starting would complain of what it is not told any more.
            eventually_sync(lambda: sum(one.num_threads() > 1 for one in children) == 2)
            # A terminal sends Ctrl-C to all of them.
            tell = os.killpg if number == signal.SIGINT else os.kill
            tell(process.pid, number)
            stdout, stderr = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == code
    assert (stdout, stderr) == ("", "")
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive
