"""Settings of batches and callbacks."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic.functional_validators import BeforeValidator
from pydantic_settings import NoDecode

from hasten_policy.scheduler.jobs.callbacks import CallbackPolicy
from hasten_runtime.settings import CommaSeparated, SettingsGroup
from hasten_scheduler.callbacks.places import Places, origin_of
from hasten_scheduler.callbacks.signing import secret_of

DAY_S = 86_400.0
MIB = 1024**2


def _paths(value: object) -> object:
    if isinstance(value, str):
        return tuple(Path(part.strip()) for part in value.split(",") if part.strip())
    return value


class BatchSettings(SettingsGroup):
    """What a batch may be. Its files lie in the folder of payloads."""

    uri_prefixes: Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_paths)] = Field(
        default=(),
        description="The lines of batches may lie in these folders (folder,folder), which all "
        "schedulers share.",
    )
    bytes_max: int = Field(
        default=1024 * MIB, ge=1, description="The lines of a batch have at most so many bytes."
    )
    lines_max: int = Field(
        default=10_000_000, ge=1, description="A batch has at most so many lines."
    )
    window: int = Field(
        default=1000,
        ge=1,
        description="So many lines of a batch are in the queue at once, or one chunk.",
    )
    chunk_lines: int = Field(
        default=100,
        ge=1,
        le=10_000,
        description="So many lines are stored together. Results can be read chunk by chunk.",
    )
    expires_s: float = Field(
        default=7 * DAY_S,
        gt=0,
        description="A batch ends after so many seconds, done or not, where its creator does not "
        "say.",
    )
    upload_s_max: float = Field(
        default=DAY_S,
        gt=0,
        description="A batch whose lines are not all there after so many seconds ends.",
    )
    keep_s: float = Field(
        default=7 * DAY_S,
        gt=0,
        description="A batch and its results are kept for so many seconds after its end, where its "
        "creator does not say.",
    )
    keep_s_max: float = Field(
        default=30 * DAY_S,
        gt=0,
        description="A creator may have a batch kept for at most so many seconds.",
    )


class CallbackSettings(SettingsGroup):
    """Whom the scheduler tells by HTTP that something has ended. Off while hosts is empty."""

    hosts: CommaSeparated = Field(
        default=(),
        description="Callbacks may go to these hosts: hooks.example.com, *.example.com, or with "
        "scheme and port http://10.0.0.7:8080. Without a scheme it is https.",
    )
    secret: SecretStr = Field(
        default=SecretStr(""),
        description="Callbacks are signed with this secret: whsec_ and 24 to 64 bytes in base 64.",
    )
    private_addresses: bool = Field(
        default=False,
        description="Callbacks may go to addresses that are not public, as 127.0.0.1 and 10.0.0.7.",
    )
    timeout_s: float = Field(
        default=10.0, gt=0, le=60, description="A receiver has so many seconds to answer."
    )
    attempts_max: int = Field(
        default=20,
        ge=1,
        le=1000,
        description="A callback is told at most so often. Then it is dead.",
    )
    pause_s_max: float = Field(
        default=3600.0,
        gt=0,
        description="So many seconds lie between two attempts at most.",
    )
    keep_s: float = Field(
        default=7 * DAY_S,
        gt=0,
        description="A callback is remembered for so many seconds after it was taken or given up.",
    )
    at_once: int = Field(
        default=64, ge=1, le=10_000, description="So many are told at once by one scheduler."
    )

    @field_validator("hosts")
    @classmethod
    def _check_hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for host in hosts:
            origin_of(host)
        return hosts

    @model_validator(mode="after")
    def _check_secret(self) -> "CallbackSettings":
        if self.hosts:
            secret_of(self.secret.get_secret_value())
        return self

    def places(self) -> Places:
        """Where callbacks may go."""
        return Places([origin_of(host) for host in self.hosts], private=self.private_addresses)

    def policy(self) -> CallbackPolicy:
        """How often they are told."""
        return CallbackPolicy(
            attempts_max=self.attempts_max,
            pause_s_max=self.pause_s_max,
            dead_keep_s=self.keep_s,
        )
