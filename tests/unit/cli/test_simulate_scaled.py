"""`hasten simulate FILE --autoscaler RULE`: what it prints, and what it refuses."""

import json
import shlex

import pytest
from typer.testing import CliRunner, Result

from hasten_cli.main import app

RUNNER = CliRunner()
QUICK = ("--duration", "60s", "--seeds", "2", "--processes", "1", "--coarse")


def run(*words: str) -> Result:
    return RUNNER.invoke(app, ["simulate", *words])


def test_rules_are_compared_in_a_table() -> None:
    result = run("scaling_step", "--autoscaler", "all", "--autoscaler", "static,workers=4", *QUICK)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split()[:2] == ["rule", "at"]
    assert [line.split()[0] for line in lines[1:5]] == ["hasten", "hpa", "kpa", "static,workers=4"]
    assert "--autoscaler static,workers=4 --coarse" in lines[-1]


def test_the_json_has_every_decision_and_the_command_that_gives_it_again() -> None:
    first = run("scaling_step", "--autoscaler", "static,workers=4", *QUICK, "--json")
    said = json.loads(first.stdout)
    (rule,) = said["rules"]
    decisions = rule["runs"][0]["scaling"]["decisions"]
    assert decisions[-1] == {"at_s": 60.0, "desired": 4, "ready": 4}
    assert rule["replica_h"]["mean"] > 0.0
    again = run(*shlex.split(said["command"])[2:], "--processes", "1", "--json")
    assert again.stdout == first.stdout


def test_the_whole_mesh_runs_without_coarse() -> None:
    words = ("--duration", "8s", "--seeds", "1", "--processes", "1", "--json")
    result = run("scaling_step", "--autoscaler", "static,workers=3", *words)
    assert result.exit_code == 0, result.output
    (ran,) = json.loads(result.stdout)["rules"][0]["runs"]
    assert ran["latency_ms"]["p50"] > 0.0
    assert ran["offered"] == ran["in_time"] > 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("scaling_step", "--autoscaler", "hpa,tarzet=1"), "did you mean target?"),
        (("scaling_step", "--autoscaler", "nobody"), "rule must be one of hasten, hpa"),
        (("small", "--autoscaler", "hpa"), "add the table [pool]"),
        (("scaling_step", "--coarse"), "only --autoscaler takes it"),
        (("scaling_step", "--autoscaler", "hpa", "--find", "workers"), "--autoscaler does not"),
        (("scaling_step", "--autoscaler", "hpa", "--workers", "99"), "expected 1 to 16"),
        (
            ("scaling_step", "--autoscaler", "hpa", "--policy", "hasten", "--policy", "fifo"),
            "there is one --policy",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_next_step(words: tuple[str, ...], says: str) -> None:
    result = run(*words, "--duration", "60s")
    assert result.exit_code == 2
    assert says in result.output
    assert "next:" in result.output
