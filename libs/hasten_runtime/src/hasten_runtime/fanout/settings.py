"""Settings of calls that go to every worker, the same for every service in front of them."""

from pydantic import Field

from hasten_runtime.fanout.crew import CrewLimits
from hasten_runtime.settings import SettingsGroup


class FanoutSettings(SettingsGroup):
    """Calls that go to every worker."""

    answer_s_max: float = Field(
        default=2.0,
        gt=0,
        le=60,
        description="The service waits at most so many seconds for one worker's answer to a "
        "question that goes to every worker.",
    )
    change_s_max: float = Field(
        default=300.0,
        gt=0,
        le=3600,
        description="The service waits at most so many seconds for one worker to load or "
        "unload a model.",
    )
    connect_s_max: float = Field(
        default=5.0,
        ge=0,
        le=60,
        description="A change of models, shared memory or settings waits at most so many "
        "seconds, and half of its deadline, for a worker whose link is being "
        "opened.",
    )

    def crew_limits(self) -> CrewLimits:
        """For the crew."""
        return CrewLimits(
            answer_s_max=self.answer_s_max,
            change_s_max=self.change_s_max,
            connect_s_max=self.connect_s_max,
        )
