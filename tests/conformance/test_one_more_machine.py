"""One more machine is one row of the table: whoever must know all machines knows the row."""

from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import pytest
from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from hasten_cli.local.plan import Place, UpOptions, kinds, redis_spec, service_specs
from hasten_cli.local.supervisor import Service
from hasten_cli.local.voice import Summary
from hasten_policy.eventlog import fields_of, types_of
from hasten_policy.machines import MACHINES, Machine, MachineKind, choices, kind_of
from hasten_policy.named import Named
from hasten_policy.registry import BUNDLES, PolicySet, resolve
from hasten_runtime import metrics
from hasten_runtime.recording import open_recorder, recorded
from hasten_runtime.settings import (
    BundleName,
    ServiceSettings,
    SettingsFault,
    policy_group,
    read,
    with_bundle,
)
from hasten_sim.replay import replay

MOODS: Named[str] = Named("mood", {"calm": ("hm", "says little"), "loud": ("HO", "says much")})


@dataclass(frozen=True, slots=True)
class ToyPolicy:
    """What a toy is like.

    Attributes:
        mood: How it answers: a name of `MOODS`.
        echoes_max: Most echoes of one poke.
    """

    mood: str = "calm"
    echoes_max: int = 3

    def __post_init__(self) -> None:
        MOODS.get(self.mood)


@dataclass(slots=True)
class Poked:
    """Somebody poked it."""

    how: str


@dataclass(slots=True)
class Squeak:
    """Say this."""

    text: str


class ToyMachine:
    """Squeaks when it is poked."""

    def __init__(self, policy: ToyPolicy, rng: Random) -> None:
        self._policy = policy
        self._rng = rng

    def on(self, event: Poked, *, now_s: float) -> list[Squeak]:
        count = self._rng.randint(1, self._policy.echoes_max)
        return [Squeak(f"{MOODS.get(self._policy.mood)} {event.how} {now_s}")] * count


TOY = MachineKind(
    name="toy",
    policy=ToyPolicy,
    events=(Poked,),
    effects=(Squeak,),
    parts=(),
    make=ToyMachine,
    choices={"mood": MOODS},
)


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one row."""
    monkeypatch.setitem(MACHINES, "toy", TOY)


def test_its_policy_is_part_of_every_set() -> None:
    assert all(BUNDLES.get(name).of("toy") == ToyPolicy() for name in BUNDLES.names)
    found = resolve("fifo,toy.mood=loud,toy.echoes_max=1")
    assert found.of("toy") == ToyPolicy("loud", 1)
    assert found.router == resolve("fifo").router
    assert found != resolve("fifo")
    assert PolicySet(toy=ToyPolicy("loud")).of("toy").mood == "loud"
    assert choices()["toy.mood"] is MOODS
    with pytest.raises(ValueError, match="mood must be one of calm, loud, not 'glad'"):
        resolve("hasten,toy.mood=glad")
    with pytest.raises(ValueError, match=r"router.FIELD, .*toy.FIELD, but no 'doll.x'"):
        resolve("hasten,doll.x=1")


def test_its_policy_is_settings_of_its_service(monkeypatch: pytest.MonkeyPatch) -> None:
    group = policy_group("ToyPolicySettings", TOY.policy, TOY.name)

    class ToySettings(ServiceSettings):
        """A toy."""

        model_config = SettingsConfigDict(env_prefix="HASTEN_TOY_")
        bundle: BundleName = Field(default="hasten", description="Its policies.")
        policy: group = Field(default_factory=group, description="Its parameters.")  # type: ignore[valid-type]  # made above

        @model_validator(mode="before")
        @classmethod
        def _fill_in(cls, data: object) -> object:
            return with_bundle(data, TOY.name, group)

    monkeypatch.setenv("HASTEN_TOY_POLICY__MOOD", "loud")
    assert read(ToySettings, ["--policy.echoes-max=7"]).policy.build() == ToyPolicy("loud", 7)
    monkeypatch.setenv("HASTEN_TOY_POLICY__MOOD", "sad")
    with pytest.raises(SettingsFault, match="mood must be one of calm, loud, not 'sad'"):
        read(ToySettings)


def test_its_events_are_recorded_and_replayed(tmp_path: Path) -> None:
    policy = ToyPolicy("loud", 9)
    assert kind_of(policy) is TOY
    assert set(types_of("toy")) == {"Poked", "Squeak", "Raised"}
    assert fields_of("toy")["Squeak"] == ("text",)
    recorder = open_recorder(tmp_path, policy, name="t", seed=5, bytes_max=10**6)
    assert recorder is not None
    machine: Machine[Poked, Squeak] = recorded(ToyMachine(policy, Random(5)), recorder)
    said = [len(machine.on(Poked("hard"), now_s=float(at))) for at in range(20)]
    recorder.close()
    (log,) = tmp_path.glob("toy-t-*.hlog")
    outcome = replay(log)
    assert (outcome.kind, outcome.end, outcome.same) == ("toy", "closed", True)
    assert (outcome.events, outcome.effects) == (20, sum(said))


def test_another_toy_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = open_recorder(tmp_path, ToyPolicy(), name="t", seed=5, bytes_max=10**6)
    recorded(ToyMachine(ToyPolicy(), Random(5)), recorder).on(Poked("hard"), now_s=1.0)
    assert recorder is not None
    recorder.close()

    def meek(policy: ToyPolicy, rng: Random) -> ToyMachine:
        return ToyMachine(replace(policy, mood="loud"), rng)

    monkeypatch.setitem(MACHINES, "toy", replace(TOY, make=meek))
    (log,) = tmp_path.glob("*.hlog")
    found = replay(log).first_difference
    assert found is not None
    assert found.told == 'Poked(how="hard")'
    assert found.now[0] == 'Squeak(text="HO hard 1.0")'


def test_its_process_has_metrics_under_its_name() -> None:
    (kind,) = [
        kind for kind in MACHINES if kind not in {"autoscaler", "router", "scheduler", "worker"}
    ]
    registry = metrics.registry(kind, "t1")
    labels = [sample.labels for each in registry.collect() for sample in each.samples]
    assert {"service": "toy", "instance": "t1"}.items() <= next(
        found for found in labels if "service" in found
    ).items()


def test_the_local_mesh_starts_its_service_and_stops_it_in_turn(tmp_path: Path) -> None:
    place = Place(tmp_path, "redis://x", tmp_path, {"HASTEN_TOY_SEED": "1", "HASTEN_SEED": "2"})
    options = UpOptions(tmp_path, workers=2, record=tmp_path)
    specs = service_specs(options, place)
    assert [spec.name for spec in specs] == [
        "autoscaler",
        "router",
        "scheduler-1",
        "worker-1",
        "worker-2",
        "toy",
    ]
    assert kinds() == ("autoscaler", "router", "scheduler", "worker", "toy", "redis")
    toy = specs[-1]
    assert toy.kind == "toy"
    assert toy.argv[1:] == ("-m", "hasten_toy.main")
    ours = {name: value for name, value in toy.environ.items() if name.startswith("HASTEN_")}
    assert ours == {
        "HASTEN_TOY_SEED": "1",
        "HASTEN_TOY_ID": "toy",
        "HASTEN_TOY_ADDRESS": "127.0.0.1:0",
        "HASTEN_TOY_METRICS_ADDRESS": "127.0.0.1:0",
        "HASTEN_TOY_DISCOVERY__KIND": "redis",
        "HASTEN_TOY_DISCOVERY__ADDRESS": "redis://x",
        "HASTEN_TOY_REDIS_URL": "redis://x",
        "HASTEN_TOY_RECORD": str(tmp_path),
    }


def test_the_line_of_a_mesh_that_is_ready_names_its_service(tmp_path: Path) -> None:
    specs = service_specs(
        UpOptions(tmp_path, workers=2), Place(tmp_path, "redis://x", tmp_path, {})
    )
    store = redis_spec("redis-server", tmp_path / "redis.conf", {})
    services = [Service(spec, facts={"address": spec.name}) for spec in (store, *specs)]
    said = Summary("a", "h", "m", services, "redis://x", "r", "", "", "").as_json()
    assert [worker["id"] for worker in said["workers"]] == ["worker-1", "worker-2"]
    assert said["toy"] == {"id": "toy", "address": "toy", "metrics": "", "pid": 0}
    assert said["redis"]["url"] == "redis://x"
