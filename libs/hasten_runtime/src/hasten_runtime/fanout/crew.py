"""All workers as one: what to ask of whom, and what to say when some of them refuse."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from google.protobuf.message import Message

from hasten.worker.v1 import worker_service_pb2 as worker_pb
from hasten_policy.reasons import Reason, Refusal
from hasten_runtime import wire
from hasten_runtime.errors import MeshError
from hasten_runtime.fleet.ask import Answers, Question, ask
from hasten_runtime.fleet.link import FrameLink
from hasten_runtime.fleet.port import LinkListener
from hasten_runtime.handlers import Context
from hasten_runtime.protocol_names import GET_STATE, INFERENCE_SERVICE

NO_WORKER_RETRY_S: Final = 1.0
WORKERS_NAMED_MAX: Final = 8
"""Workers named one by one in a message."""

ResponseT = TypeVar("ResponseT", bound=Message)
Given = tuple[tuple[str, ResponseT], ...]

# Of several refusals the one that tells most is passed on; this one tells least.
_TELLS_LITTLE: Final = Reason.WORKER_LOST


@dataclass(frozen=True, slots=True)
class CrewLimits:
    """How long one worker may take.

    Attributes:
        answer_s_max: For what a worker knows by heart.
        change_s_max: For loading and unloading models.
        connect_s_max: A change must reach every worker, so one whose link is being opened is
            waited for this long, or for half of what the call has left.
    """

    answer_s_max: float = 2.0
    change_s_max: float = 300.0
    connect_s_max: float = 5.0


class Crew:
    """The workers behind this service."""

    def __init__(
        self,
        links: Callable[[], Sequence[FrameLink]],
        listener: LinkListener,
        limits: CrewLimits,
    ) -> None:
        self._links = links
        self._listener = listener
        self._limits = limits

    async def ask(
        self, method: str, request: Message, response_type: type[ResponseT], context: Context
    ) -> Answers[ResponseT]:
        """Asks every worker that is connected; whoever does not answer is left out."""
        links = [link for link in self._links() if link.connected]
        return await ask(
            links,
            self._question(method, request, response_type, context, self._limits.answer_s_max),
        )

    async def learn(
        self, method: str, request: Message, response_type: type[ResponseT], context: Context
    ) -> Given[ResponseT]:
        """As `ask`, but at least one worker must answer.

        Raises:
            MeshError: The most telling refusal when none does; NO_WORKER when there is none.
        """
        answers = await self.ask(method, request, response_type, context)
        if not answers.given:
            raise MeshError(_most_telling(answers.refused))
        return answers.given

    async def change(
        self, method: str, request: Message, response_type: type[ResponseT], context: Context
    ) -> Given[ResponseT]:
        """Asks every worker, also one whose link is only being opened; all of them must agree.

        Raises:
            MeshError: The first refusal, naming its worker and those that did agree;
                NO_WORKER when there is none.
        """
        links = await self._everyone(context)
        answers = await ask(
            links,
            self._question(method, request, response_type, context, self._limits.answer_s_max),
        )
        return _unanimous(method, answers)

    async def change_model(
        self, method: str, request: Message, response_type: type[ResponseT], context: Context
    ) -> None:
        """As `change`, for what may take long and changes which models are served.

        What changed is known to this service when this returns, so that the caller's next
        request meets it. A model that is unloaded need not have been everywhere.

        Raises:
            MeshError: As `change`.
        """
        links = await self._everyone(context)
        answers = await ask(
            links,
            self._question(method, request, response_type, context, self._limits.change_s_max),
        )
        changed = {worker_id for worker_id, _ in answers.given}
        await self._refresh([link for link in links if link.worker_id in changed])
        if changed and method == "RepositoryModelUnload":
            missing = (Reason.MODEL_NOT_FOUND, Reason.VERSION_NOT_FOUND)
            refused = tuple(pair for pair in answers.refused if pair[1].reason not in missing)
            answers = Answers(answers.given, refused)
        _unanimous(method, answers)

    async def _refresh(self, links: Sequence[FrameLink]) -> None:
        states = await ask(
            links,
            Question(
                GET_STATE,
                worker_pb.GetStateRequest(),
                worker_pb.GetStateResponse,
                self._limits.answer_s_max,
            ),
        )
        for worker_id, answer in states.given:
            self._listener.reported(worker_id, wire.report_from_wire(answer.state))

    async def _everyone(self, context: Context) -> Sequence[FrameLink]:
        """All links, after waiting for those that are being opened.

        The list is read again each time: who is waited for may leave, or come back elsewhere.
        """
        patience_s = self._limits.connect_s_max
        left_s = context.time_remaining()
        if left_s is not None:
            # The other half is for asking: a worker that is dead must not keep the others from it.
            patience_s = min(patience_s, left_s / 2)
        try:
            async with asyncio.timeout(patience_s):
                while awaited := [link for link in self._links() if not link.connected]:
                    await asyncio.gather(*(link.acquainted() for link in awaited))
        except TimeoutError:
            pass  # whoever is asked without a connection refuses
        return self._links()

    def _question(
        self,
        method: str,
        request: Message,
        response_type: type[ResponseT],
        context: Context,
        timeout_s: float,
    ) -> Question[ResponseT]:
        left_s = context.time_remaining()
        if left_s is not None:
            timeout_s = min(timeout_s, left_s)
        return Question(f"/{INFERENCE_SERVICE}/{method}", request, response_type, timeout_s)


def _unanimous(method: str, answers: Answers[ResponseT]) -> Given[ResponseT]:
    if not answers.refused and answers.given:
        return answers.given
    if not answers.refused:
        raise MeshError(_most_telling(()))
    worker_id, refusal = answers.refused[0]
    message = f"{method} failed on worker {worker_id}: {refusal.message}"
    if len(answers.refused) > 1:
        message += f"; also failed on {_names([name for name, _ in answers.refused[1:]])}"
    if answers.given:
        message += f"; done on {_names([name for name, _ in answers.given])}"
    raise MeshError(
        Refusal(
            refusal.reason,
            message,
            retry_after_s=refusal.retry_after_s,
            metadata=(*refusal.metadata, ("worker", worker_id)),
        )
    )


def _names(workers: Sequence[str]) -> str:
    more = len(workers) - WORKERS_NAMED_MAX
    tail = f" and {more} more" if more > 0 else ""
    return ", ".join(workers[:WORKERS_NAMED_MAX]) + tail


def _most_telling(refused: Sequence[tuple[str, Refusal]]) -> Refusal:
    if not refused:
        return Refusal(Reason.NO_WORKER, "no worker is connected", retry_after_s=NO_WORKER_RETRY_S)
    return min((refusal for _, refusal in refused), key=lambda r: r.reason is _TELLS_LITTLE)
