"""One replica: it leads when it is its turn, and otherwise follows the leader's checkpoint."""

import asyncio
from contextlib import suppress

from google.protobuf.message import DecodeError

from hasten.autoscaler.v1 import autoscaler_service_pb2 as pb
from hasten.autoscaler.v1.stored_state_pb2 import StoredState
from hasten_autoscaler.reign import Realm, Reign
from hasten_policy.reasons import Reason, Refusal
from hasten_runtime import logs
from hasten_runtime.election.port import Term
from hasten_runtime.errors import MeshError
from hasten_runtime.leadership import Leadership
from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.tasks.shard_tenure import Candidate

FOLLOW_S = 0.5
"""Between two looks at the leader's checkpoint."""
AGAIN_S = 0.5
"""After a term that could not begin."""

_log = logs.logger(__name__)


class Replica:
    """Implements TenureListener. From `start` to `close`.

    Args:
        realm: What is led.
    """

    def __init__(self, realm: Realm) -> None:
        self._realm = realm
        self._clock = realm.clock
        self._leadership: Leadership | None = None
        self._reign: Reign | None = None
        self._reigning: asyncio.Task[None] | None = None
        self._following: asyncio.Task[None] | None = None
        self._seen: StoredState | None = None
        self._seen_s = 0.0

    def start(self, candidate: Candidate) -> None:
        """Begins to campaign, and to follow."""
        self._leadership = Leadership(f"autoscaler:{self._realm.pool_name}", candidate)
        self._leadership.start()
        self._following = asyncio.create_task(self._follow(), name="follow")

    async def close(self) -> None:
        """Gives up the lead at once; workers stay."""
        if self._leadership is not None:
            await self._leadership.close()
        for job in (self._following, self._reigning):
            if job is not None:
                job.cancel()
                with suppress(asyncio.CancelledError):
                    await job

    # --- the lead ---------------------------------------------------------------------------

    def taken(self, shard: int, term: Term) -> None:
        """It leads from now on."""
        del shard
        self._reigning = asyncio.create_task(self._lead(term), name="reign")

    def gone(self, shard: int) -> None:
        """It leads no more."""
        del shard
        self._reign = None
        if self._reigning is not None:
            self._reigning.cancel()
        _log.info("autoscaler.follows")

    async def _lead(self, term: Term) -> None:
        def holds() -> bool:
            return self._leadership is not None and self._leadership.term == term

        while holds():
            stored = await self._restored()
            self._take(stored)
            self._reign = reign = Reign(self._realm, term, holds, stored)
            try:
                await reign.run()
            except Exception:  # noqa: BLE001  (whatever it is, somebody has to lead)
                _log.exception("autoscaler.fault")
            finally:
                await reign.close()
                self._reign = None
            await asyncio.sleep(AGAIN_S)

    async def _restored(self) -> StoredState | None:
        """What the leader before left, as soon as the store answers."""
        while True:
            try:
                return await self._checkpoint()
            except StoreUnavailable:
                await asyncio.sleep(AGAIN_S)

    async def _checkpoint(self) -> StoredState | None:
        value = await self._realm.store.checkpoint(self._realm.checkpoint_name)
        if value is None:
            return None
        try:
            return StoredState.FromString(value)
        except DecodeError as error:
            _log.warning("checkpoint.unreadable", reason=str(error))
            return None

    async def _follow(self) -> None:
        while True:
            if self._reign is None:
                with suppress(StoreUnavailable):
                    state = await self._checkpoint()
                    if self._reign is None:
                        self._take(state)
            await asyncio.sleep(FOLLOW_S)

    def _take(self, state: StoredState | None) -> None:
        if state is None:
            return
        before = self._seen
        if before is None or (before.number, before.plan.epoch) != (state.number, state.plan.epoch):
            self._seen, self._seen_s = state, self._clock.now_s()
            self._realm.book.follow(state.decisions)

    # --- what is asked ----------------------------------------------------------------------

    @property
    def leads(self) -> bool:
        """It leads now."""
        return self._reign is not None

    def plan(self) -> pb.GetPlanResponse:
        """The plan, with its age. Raises MeshError where none is known."""
        reign = self._reign
        # A leader that has not decided yet goes on with what was decided before.
        if reign is not None and (reign.begun or self._seen is None):
            return reign.plan()
        if self._seen is None:
            raise MeshError(
                Refusal(
                    Reason.STORE_UNAVAILABLE,
                    "no autoscaler of this pool has decided anything yet",
                    retry_after_s=1.0,
                )
            )
        plan = pb.GetPlanResponse()
        plan.CopyFrom(self._seen.plan)
        plan.age_s = self._clock.now_s() - self._seen_s
        return plan

    def reign(self) -> Reign:
        """The term of this replica, for what changes something.

        Raises:
            MeshError: NOT_LEADER, with the name of who leads.
        """
        if self._reign is None:
            leader = self._seen.plan.leader if self._seen is not None else ""
            raise MeshError(
                Refusal(
                    Reason.NOT_LEADER,
                    f"{self._realm.instance} does not lead; {leader or 'nobody'} does",
                    retry_after_s=1.0,
                    metadata=(("leader", leader),),
                )
            )
        return self._reign
