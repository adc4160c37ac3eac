"""Settings of links, the same for every service that sends calls to workers."""

from pydantic import Field

from hasten_runtime.fleet.link import LinkLimits
from hasten_runtime.fleet.roster import RosterLimits
from hasten_runtime.settings import SettingsGroup


class LinkSettings(SettingsGroup):
    """Links to workers."""

    connect_s_max: float = Field(
        default=3.0,
        gt=0,
        le=60,
        description="The router waits at most so many seconds for a connection to a worker.",
    )
    silence_s_max: float = Field(
        default=2.0,
        ge=0.5,
        le=60,
        description="The router closes the link to a worker that says nothing for so many "
        "seconds. Workers speak four times a second.",
    )
    backoff_s_min: float = Field(
        default=0.05,
        gt=0,
        le=10,
        description="The router waits so many seconds before it opens a broken link again.",
    )
    backoff_s_max: float = Field(
        default=2.0,
        gt=0,
        le=60,
        description="The router waits at most so many seconds before it opens a broken link "
        "again. The wait doubles with each failure.",
    )
    coalesce_bytes_max: int = Field(
        default=4 * 1024 * 1024,
        ge=1024,
        description="Calls share a message to a worker up to so many bytes.",
    )
    workers_max: int = Field(
        default=1024, ge=1, le=10_000, description="The router links at most so many workers."
    )
    acquaint_s_max: float = Field(
        default=3.0,
        ge=0,
        le=60,
        description="A router that starts waits at most so many seconds for the workers that "
        "are there before it listens.",
    )
    leave_grace_s: float = Field(
        default=10.0,
        ge=0,
        le=600,
        description="The router keeps a worker that left the registry and still answers for "
        "so many seconds.",
    )
    leave_patience_s: float = Field(
        default=60.0,
        ge=0,
        le=3600,
        description="The router then waits at most so many seconds for the last answers of "
        "such a worker.",
    )

    def link_limits(self, payload_bytes_max: int, reply_bytes_max: int) -> LinkLimits:
        """For each link, over which messages may carry payload_bytes_max down."""
        return LinkLimits(
            connect_s_max=self.connect_s_max,
            silence_s_max=self.silence_s_max,
            backoff_s_min=self.backoff_s_min,
            backoff_s_max=self.backoff_s_max,
            message_bytes_max=min(self.coalesce_bytes_max, payload_bytes_max),
            reply_bytes_max=reply_bytes_max,
        )

    def roster_limits(self) -> RosterLimits:
        """For the roster."""
        return RosterLimits(
            workers_max=self.workers_max,
            leave_grace_s=self.leave_grace_s,
            leave_patience_s=self.leave_patience_s,
        )
