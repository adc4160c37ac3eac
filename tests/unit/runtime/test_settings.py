"""Settings: file < environment < flags, and a mistake anywhere stops the start."""

import os
import tomllib
from pathlib import Path
from types import MappingProxyType

import pytest
from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from hasten_runtime.grpc_client import ChannelLimits
from hasten_runtime.grpc_server import ServerLimits
from hasten_runtime.settings import (
    CommaSeparated,
    DiscoverySettings,
    GrpcSettings,
    HostPort,
    ServiceSettings,
    SettingsFault,
    TelemetrySettings,
    load,
    read,
)

KINDS = "'consul', 'redis', 'static' or 'memory'"


class Settings(ServiceSettings):
    """A service that only the tests know.

    More about it, which the help leaves out.
    """

    model_config = SettingsConfigDict(env_prefix="HASTEN_TEST_")

    address: HostPort = Field(default="127.0.0.1:8001", description="Where it listens.")
    share: float = Field(default=0.5, ge=0, le=1, description="A share, 100 % at most.")
    workers: CommaSeparated = Field(default=(), description="Addresses.")
    sizes: tuple[int, ...] = Field(default=(), description="Sizes.")
    limit: int | None = Field(default=None, description="A limit.")
    verbose: bool = Field(default=False, description="Says more.")
    redis_url: str = Field(default="", description="Where Redis is.")
    grpc: GrpcSettings = Field(default=GrpcSettings(), description="gRPC.")
    discovery: DiscoverySettings = Field(default=DiscoverySettings(), description="Discovery.")
    telemetry: TelemetrySettings = Field(default=TelemetrySettings(), description="Telemetry.")


class Demanding(ServiceSettings):
    """A service with a setting that nobody can guess."""

    model_config = SettingsConfigDict(env_prefix="HASTEN_TEST_")

    id: str = Field(description="Its name.")
    least: int = Field(default=1, description="Least.")
    most: int = Field(default=2, description="Most.")

    @model_validator(mode="after")
    def _ordered(self) -> "Demanding":
        if self.least > self.most:
            raise ValueError("least must not be above most")
        return self


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have variables of their own."""
    for name in list(os.environ):
        if name.startswith("HASTEN_TEST_"):
            monkeypatch.delenv(name)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "service.toml"


def faults(*argv: str, cls: type[ServiceSettings] = Settings) -> tuple[str, ...]:
    with pytest.raises(SettingsFault) as caught:
        read(cls, argv)
    return caught.value.faults


def test_the_constructor_reads_nothing_but_its_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HASTEN_TEST_SHARE", "0.9")
    assert Settings().share == 0.5


def test_flags_win_over_the_environment_and_that_over_the_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(
        'address = "a:1"\nshare = 0.1\nlimit = 1\n[grpc]\nstreams_max = 1\ncalls_max = 1\n'
        "ping_s = 9.0\n"
    )
    monkeypatch.setenv("HASTEN_TEST_ADDRESS", "b:2")
    monkeypatch.setenv("HASTEN_TEST_SHARE", "0.2")
    monkeypatch.setenv("HASTEN_TEST_GRPC__STREAMS_MAX", "2")
    monkeypatch.setenv("HASTEN_TEST_GRPC__CALLS_MAX", "2")
    settings = read(Settings, ["--config", str(file), "--address", "c:3", "--grpc.streams-max=3"])
    assert (settings.address, settings.share, settings.limit) == ("c:3", 0.2, 1)
    assert (settings.grpc.streams_max, settings.grpc.calls_max, settings.grpc.ping_s) == (3, 2, 9.0)
    assert settings.grpc.handshake_s == 3.0


@pytest.mark.parametrize("way", ["file", "variable", "flag"])
def test_lists_come_in_every_way(way: str, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    argv: list[str] = []
    if way == "file":
        file.write_text(
            'workers = ["a:1", "b:2"]\nsizes = [1, 2]\n[discovery]\nworkers = ["c:3"]\n'
        )
        argv = ["--config", str(file)]
    elif way == "variable":
        monkeypatch.setenv("HASTEN_TEST_WORKERS", "a:1, b:2,")
        monkeypatch.setenv("HASTEN_TEST_SIZES", "[1, 2]")
        monkeypatch.setenv("HASTEN_TEST_DISCOVERY__WORKERS", "c:3")
    else:
        argv = ["--workers=a:1,b:2", "--sizes", "[1, 2]", "--discovery.workers", "c:3"]
    settings = read(Settings, argv)
    assert settings.workers == ("a:1", "b:2")
    assert settings.sizes == (1, 2)
    assert settings.discovery.workers == ("c:3",)


def test_all_faults_are_told_at_once_and_each_names_its_place(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text('sizes = "many"\nadress = "x:1"\n[grpc]\nhandshake_s = -1\nstream_max = 5\n')
    monkeypatch.setenv("HASTEN_TEST_SHARE", "1.5")
    monkeypatch.setenv("HASTEN_TEST_LIMITS", "1")
    monkeypatch.setenv("HASTEN_TEST_DISCOVERY__KIND", "consol")
    monkeypatch.setenv("HASTEN_TEST_DISCOVERY__KINDS", "consul")
    told = faults(f"--config={file}", "--address", "nowhere", "--verbos", "1", "--verbose=perhaps")
    assert set(told) == {
        "--verbos is no flag; did you mean --verbose?",
        "HASTEN_TEST_LIMITS is no setting; did you mean HASTEN_TEST_LIMIT?",
        "--address is 'nowhere': expected host:port, as 0.0.0.0:8001 (port 0: any free port)",
        "HASTEN_TEST_SHARE is '1.5': should be less than or equal to 1",
        f"sizes in {file} is 'many': should be a valid tuple",
        "--verbose is 'perhaps': should be a valid boolean, unable to interpret input",
        f"grpc.handshake_s in {file} is -1: should be greater than 0",
        f"grpc.stream_max in {file} is no setting; did you mean grpc.streams_max?",
        f"HASTEN_TEST_DISCOVERY__KIND is 'consol': should be {KINDS}",
        "HASTEN_TEST_DISCOVERY__KINDS is no setting; did you mean HASTEN_TEST_DISCOVERY__KIND?",
        f"adress in {file} is no setting; did you mean address?",
    }


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("--nonsense", "--nonsense is no flag; --help-all shows all settings"),
        ("nonsense", "nonsense is no flag; --help-all shows all settings"),
        ("--grpc.ping=1", "--grpc.ping is no flag; did you mean --grpc.ping-s?"),
        ("--check-confg", "--check-confg is no flag; did you mean --check-config?"),
        ("--tokn=swordfish", "--tokn is no flag; --help-all shows all settings"),
    ],
)
def test_a_wrong_flag_is_told_with_a_next_step_and_without_its_value(
    written: str, told: str
) -> None:
    assert faults(written) == (told,)


class Renamed(Settings):
    """A service whose group had another name."""

    renamed = MappingProxyType({"rpc": "grpc"})


def test_the_earlier_name_of_a_group_still_sets_it(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("[rpc]\nstreams_max = 1\ncalls_max = 1\n[grpc]\nping_s = 1.0\n")
    monkeypatch.setenv("HASTEN_TEST_RPC__CALLS_MAX", "2")
    monkeypatch.setenv("HASTEN_TEST_RPC__PING_S", "2")
    monkeypatch.setenv("HASTEN_TEST_GRPC__PING_S", "3")
    argv = ["--config", str(file), "--rpc.handshake-s=4"]
    grpc = read(Renamed, argv).grpc
    assert (grpc.streams_max, grpc.calls_max, grpc.ping_s, grpc.handshake_s) == (1, 2, 3.0, 4.0)
    assert "--rpc.nonsense" not in faults("--rpc.ping=1", cls=Renamed)[0]


def test_a_wrong_setting_is_told_with_a_next_step(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("nonsense = 1\n[grpc]\nother = 1\n")
    monkeypatch.setenv("HASTEN_TEST_XXXXX", "1")  # As long a lead as the setting's own name.
    assert set(faults("--config", str(file))) == {
        f"nonsense in {file} is no setting; --help-all shows all settings",
        f"grpc.other in {file} is no setting; --help-all shows all settings",
        "HASTEN_TEST_XXXXX is no setting; --help-all shows all settings",
    }


def test_a_setting_that_must_be_given_says_how() -> None:
    (told,) = faults(cls=Demanding)
    assert told == "id must be set, in the file or by HASTEN_TEST_ID or --id"


def test_a_rule_between_settings_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HASTEN_TEST_LEAST", "3")
    (told,) = faults("--id", "a", cls=Demanding)
    assert told == "the settings: least must not be above most"


def test_values_of_secrets_are_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Secretive(ServiceSettings):
        """Keeps something to itself."""

        model_config = SettingsConfigDict(env_prefix="HASTEN_TEST_")
        token: SecretStr = Field(default=SecretStr(""), min_length=40, description="Secret.")
        url: int = Field(default=0, description="Not a URL.")

    monkeypatch.setenv("HASTEN_TEST_TOKEN", "swordfish")
    monkeypatch.setenv("HASTEN_TEST_URL", "redis://me:swordfish@host")
    told = "\n".join(faults(cls=Secretive))
    assert "HASTEN_TEST_TOKEN" in told
    assert "HASTEN_TEST_URL" in told
    assert "swordfish" not in told


def test_a_file_that_is_missing_or_no_toml_is_told(file: Path) -> None:
    assert faults("--config", str(file)) == (f"cannot read {file}: No such file or directory",)
    file.write_text("a = = 1")
    (told,) = faults("--config", str(file))
    assert told.startswith(f"{file} is not TOML: ")
    file.write_bytes(b"\xff\xfe")
    (told,) = faults("--config", str(file))
    assert told.startswith(f"{file} is not TOML: ")


def test_faults_end_the_process_with_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        load(Settings, ["--share", "7", "--address", "x"])
    assert caught.value.code == 2
    output = capsys.readouterr()
    assert len(output.err.splitlines()) == 2
    assert output.out == ""


def test_check_config_prints_what_is_in_effect_and_can_be_read_again(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HASTEN_TEST_REDIS_URL", "redis://me:swordfish@host:1/0")
    argv = ["--workers=a:1,b:2", "--sizes=[3]", "--verbose=yes", "--discovery.token=swordfish"]
    with pytest.raises(SystemExit) as caught:
        load(Settings, [*argv, "--check-config"])
    assert caught.value.code == 0
    printed = capsys.readouterr().out
    assert "swordfish" not in printed
    parsed = tomllib.loads(printed)
    assert parsed["redis_url"] == "redis://me:**********@host:1/0"
    monkeypatch.delenv("HASTEN_TEST_REDIS_URL")
    file.write_text(printed)
    again = read(Settings, ["--config", str(file)])
    before = read(Settings, argv)
    hidden = {"redis_url": True, "discovery": {"token"}}
    assert again.model_dump(exclude=hidden) == before.model_dump(exclude=hidden)


def test_check_config_still_finds_faults() -> None:
    with pytest.raises(SystemExit) as caught:
        load(Settings, ["--share", "7", "--check-config"])
    assert caught.value.code == 2


def test_help_names_every_setting_with_its_default_and_variable(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")  # A narrow terminal has words broken.
    with pytest.raises(SystemExit) as caught:
        load(Settings, ["--help"])
    assert caught.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "A service that only the tests know. options:" in text
    assert "--share SHARE A share, 100 % at most. [default 0.5; HASTEN_TEST_SHARE]" in text
    assert "[default 64; HASTEN_TEST_GRPC__MESSAGE" not in text
    assert "HASTEN_TEST_GRPC__MESSAGE_BYTES_MAX]" in text
    assert "HASTEN_TEST_DISCOVERY__KIND]" in text


def test_settings_cannot_be_changed_afterwards() -> None:
    settings = read(Settings)
    with pytest.raises(ValueError, match="frozen"):
        settings.share = 0.1
    with pytest.raises(ValueError, match="frozen"):
        settings.grpc.streams_max = 1


def test_limits_of_grpc_are_handed_on() -> None:
    group = GrpcSettings(
        message_bytes_max=5000, streams_max=7, calls_max=8, handshake_s=1.5, ping_s=2.0
    )
    assert group.server_limits("HASTEN_X_GRPC__MESSAGE_BYTES_MAX") == ServerLimits(
        message_bytes_max=5000,
        message_variable="HASTEN_X_GRPC__MESSAGE_BYTES_MAX",
        streams_max=7,
        calls_max=8,
        handshake_s=1.5,
    )
    assert group.channel_limits() == ChannelLimits(message_bytes_max=5000, ping_s=2.0)


@pytest.mark.parametrize("address", ["", "host", ":80", "host:", "host:-1", "host:65536", "h:x"])
def test_an_address_needs_a_host_and_a_port(address: str) -> None:
    (told,) = faults("--address", address)
    assert "expected host:port" in told


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::1]:8001", "host.name:65535"])
def test_addresses_are_taken_as_they_are(address: str) -> None:
    assert read(Settings, ["--address", address]).address == address
