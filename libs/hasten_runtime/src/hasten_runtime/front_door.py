"""In front of a unary method: what is not worth it is refused before it is read.

For the client the method is unary; here it is served as one that reads a stream, because only
such a handler begins before the request was received: refusing there saves a tenth of what the
cheapest refusal after it costs, and the copy of the request.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final, cast

from hasten_policy.admission.front_gate import FrontGate, FrontPolicy
from hasten_policy.reasons import Reason, Refusal
from hasten_runtime import errors
from hasten_runtime.clock import Clock
from hasten_runtime.errors import MeshError
from hasten_runtime.handlers import Context
from hasten_runtime.strain import Strain, ThreadUse
from hasten_runtime.uploads import COUNTED_BYTES_MIN, UploadLimits, Uploads

NO_REQUEST: Final = Refusal(Reason.INVALID_REQUEST, "the call ended without a request")

Answer = Callable[[bytes, Context], Awaitable[bytes]]
"""Answers one request: bytes in, bytes out."""


class FrontDoor:
    """Lets calls in, or refuses them unread.

    Args:
        gate: Decides.
        strain: Of the thread that serves.
        clock: Of the process.
        refused: Told each refusal, to be counted.
        uploads: Bounds of requests on their way and inside.
    """

    def __init__(
        self,
        gate: FrontGate,
        strain: Strain,
        clock: Clock,
        refused: Callable[[Refusal], None],
        uploads: UploadLimits | None = None,
    ) -> None:
        self._uploads = Uploads(uploads or UploadLimits(), refused)
        self._gate = gate
        self._strain = strain
        self._clock = clock
        self._refused = refused

    def before(self, answer: Answer) -> Callable[[object, Context], Awaitable[bytes]]:
        """The handler of a method whose requests come as a stream of one, in front of `answer`."""

        async def enter(_: object, context: Context) -> bytes:
            came_s = self._clock.now_s()
            refusal = self.refusal(context.time_remaining(), came_s)
            if refusal is not None:
                await errors.abort(cast("errors.Aborting", context), refusal)
            request = await self._read(context)
            response = await self._answered(answer, request, context)
            self.answered(came_s, self._clock.now_s())
            return response

        return enter

    async def _read(self, context: Context) -> bytes:
        request = await self._uploads.read(context)
        if not isinstance(request, bytes):
            await errors.abort(cast("errors.Aborting", context), NO_REQUEST)
        return request

    async def _answered(self, answer: Answer, request: bytes, context: Context) -> bytes:
        """The answer; a long request is counted until there is one."""
        if len(request) < COUNTED_BYTES_MIN:
            return await answer(request, context)
        with self._uploads.budget.lease() as lease:
            try:
                lease.take(len(request))
            except MeshError as error:
                self._refused(error.refusal)
                raise
            return await answer(request, context)

    def refusal(self, left_s: float | None, now_s: float) -> Refusal | None:
        """Why a call that comes now is not even read, which is counted; None to let it in.

        Args:
            left_s: Seconds until its deadline; None when it has none.
            now_s: Now.
        """
        refusal = self._gate.refuses(left_s, busy_s=self._strain.busy_s(now_s), now_s=now_s)
        if refusal is not None:
            self._refused(refusal)
        return refusal

    def bar(self, now_s: float) -> tuple[float, Refusal] | None:
        """What calls must have left now, and what those with less hear; None to let all in."""
        return self._gate.bar(busy_s=self._strain.busy_s(now_s), now_s=now_s)

    def kept_out(self, refusal: Refusal, calls: int) -> None:
        """So many calls heard this; counts them."""
        for _ in range(calls):
            self._refused(refusal)

    def answered(self, came_s: float, now_s: float) -> None:
        """A call that came then was answered now."""
        self._gate.answered(now_s - came_s, now_s=now_s)


@contextmanager
def open_front_door(
    policy: FrontPolicy,
    clock: Clock,
    refused: Callable[[Refusal], None],
    uploads: UploadLimits | None = None,
) -> Iterator[FrontDoor]:
    """A door of the thread that opens it; `refused` is told each refusal, to be counted."""
    use = ThreadUse()
    try:
        yield FrontDoor(
            FrontGate(policy),
            Strain(use, now_s=clock.now_s()),
            clock,
            refused,
            uploads or UploadLimits(),
        )
    finally:
        use.close()
