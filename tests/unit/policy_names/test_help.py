"""What `--help` says of a service: the settings that operators set, each in plain sentences."""

import re
import subprocess
import sys

import pytest

from hasten_cli.commands.up import up
from hasten_router.settings import RouterSettings
from hasten_runtime.settings import ServiceSettings, read
from hasten_runtime.settings.base import Leaf, leaves
from hasten_worker.settings import WorkerSettings

SERVICES = [RouterSettings, WorkerSettings]
EVERY_SETTING = [(service, leaf) for service in SERVICES for leaf in leaves(service)]
NEIGHBOURS = re.compile(
    r"^(The same|Nor|And|But|Such|Likewise|See|Its|They|These|It|This|That|Them)\b|\bthat lag\b"
)
"""What a sentence begins with that needs the setting above."""
UNITS = {"_s": "second", "_s_max": "second", "_s_min": "second", "bytes_max": "byte"}

each_service = pytest.mark.parametrize("service", SERVICES)


def shown(service: type[ServiceSettings], flag: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        read(service, [flag])
    assert ended.value.code == 0
    return capsys.readouterr().out


def flags(text: str) -> set[str]:
    return set(re.findall(r"^  (--[a-z.-]+) ", text, re.MULTILINE))


@each_service
def test_help_shows_what_operators_set_and_help_all_the_rest(
    service: type[ServiceSettings], capsys: pytest.CaptureFixture[str]
) -> None:
    own = {"--config", "--check-config", "--help-all"}
    every = {leaf.flag: leaf.key for leaf in leaves(service)}
    short = flags(shown(service, "--help", capsys)) - own
    assert {every[flag] for flag in short} == service.everyday
    assert 18 <= len(short) <= 24
    text = shown(service, "--help-all", capsys)
    assert flags(text) - own == every.keys()
    assert "--help-all shows all" not in text


@each_service
def test_help_says_how_many_more_there_are(
    service: type[ServiceSettings], capsys: pytest.CaptureFixture[str]
) -> None:
    count = len(list(leaves(service)))
    text = " ".join(shown(service, "--help", capsys).split())
    assert f"{len(service.everyday)} of {count} settings; --help-all shows all of them." in text


def test_a_setting_that_help_does_not_show_can_be_set() -> None:
    assert "policy.gamma" not in RouterSettings.everyday
    assert read(RouterSettings, ["--policy.gamma=0.002"]).router_policy().plan.gamma == 0.002


def faults(text: str) -> list[str]:
    """What is wrong with a sentence, or with several."""
    found = []
    if not text.endswith((".", ". ]")):
        found.append("it has no end")
    if "..." in text or "…" in text:
        found.append("it goes on elsewhere")
    if NEIGHBOURS.search(text):
        found.append("it leans on its neighbour")
    if any(len(sentence.split()) < 3 for sentence in re.split(r"(?<=\.) ", text)):
        found.append("it is no sentence")
    return found


@pytest.mark.parametrize(("service", "leaf"), EVERY_SETTING, ids=lambda it: getattr(it, "key", ""))
def test_every_setting_is_said_in_sentences_with_its_unit(
    service: type[ServiceSettings], leaf: Leaf
) -> None:
    text = leaf.field.description or ""
    assert faults(text) == [], f"{service.__name__}.{leaf.key}: {text}"
    for ending, unit in UNITS.items():
        if leaf.key.endswith(ending) and not leaf.key.endswith("_per_s"):
            assert unit in text, f"{service.__name__}.{leaf.key} has no unit: {text}"


def test_the_options_of_the_local_mesh_are_said_in_sentences() -> None:
    for name, hint in up.__annotations__.items():
        if name == "return":
            continue
        (option,) = hint.__metadata__
        text = re.sub(r" \[default: .*\]$", "", option.help)
        assert faults(text) == [], f"--{name}: {text}"


@pytest.mark.parametrize("name", ["router", "worker"])
def test_the_program_shows_its_help(name: str) -> None:
    command = [sys.executable, "-m", f"hasten_{name}.main", "--help-all"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "--record-bytes-max" in done.stdout
