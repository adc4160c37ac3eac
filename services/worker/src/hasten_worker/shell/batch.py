"""One batch on its way through a lane."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from hasten.inference.v2.inference_pb2 import ModelInferResponse
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.worker.events import BatchEnded, StartBatch
from hasten_runtime import logs
from hasten_runtime.clock import Clock
from hasten_runtime.errors import MeshError
from hasten_worker.model import Array, ModelError, NotBegunError, ProcessLostError, Run
from hasten_worker.shell.call import Call
from hasten_worker.shell.served import Served
from hasten_worker.tensors import Regions

if TYPE_CHECKING:
    from opentelemetry.trace import Span

_log = logs.logger(__name__)


class Batch:
    """Calls that run together; filled in by the lane that runs it.

    Attributes:
        batch_id: The machine's id.
        calls: Members.
        rows: Sum of their rows.
        padded_rows: Rows it was padded up to.
        expected_s: Predicted seconds.
        begin_by_s: When it must have begun, or not at all.
        begun: It was, or has not come to a lane yet.
        served: The model version that runs it.
        run: The model's run; None when it gave none.
        fault: Why the model gave no answer; None when it did.
        reason: Whose fault that was.
        terminated: It was stopped from outside.
        lost: The process that ran it, which ended; None when it did not.
        rows_gone: Rows for whose answer nobody waited when it had ended.
        span: Recorded for it; None when no member is sampled.
        began_s: The lane began.
        computed_s: The model had ended.
        ended_s: Every answer was encoded.
    """

    __slots__ = (
        "batch_id",
        "began_s",
        "begin_by_s",
        "begun",
        "calls",
        "computed_s",
        "ended_s",
        "expected_s",
        "fault",
        "lost",
        "padded_rows",
        "reason",
        "rows",
        "rows_gone",
        "run",
        "served",
        "span",
        "terminated",
    )

    def __init__(self, effect: StartBatch, calls: Sequence[Call], served: Served) -> None:
        self.batch_id = effect.batch_id
        self.calls = calls
        self.rows = effect.rows
        self.padded_rows = effect.padded_rows
        self.expected_s = effect.expected_s
        self.begin_by_s = effect.begin_by_s
        self.begun = True
        self.served = served
        self.fault: str | None = None
        self.reason = Reason.MODEL_FAILED
        self.run: Run | None = None
        try:
            self.run = served.model.new_run()
        except ModelError as error:
            self.fault = str(error)
        self.terminated = False
        self.lost: ProcessLostError | None = None
        self.rows_gone = 0
        self.span: Span | None = None
        self.began_s = self.computed_s = self.ended_s = 0.0

    def carry_out(self, clock: Clock, regions: Regions) -> None:
        """Runs and encodes; blocks, called on a lane. Never raises."""
        self.began_s = clock.now_s()
        if self.began_s > self.begin_by_s:
            self.begun = False
            self.computed_s = self.ended_s = self.began_s
            return
        try:
            outputs = self._outputs()
        except NotBegunError:
            self.begun = False
            self.computed_s = self.ended_s = self.began_s
            return
        self.computed_s = clock.now_s()
        for call in self.calls:
            call.began_s = self.began_s
            call.computed_s = self.computed_s
        if outputs is not None:
            for call, arrays in zip(self.calls, outputs, strict=True):
                if not call.gone:
                    call.result = _encoded(call, arrays, regions)
        else:
            for call in self.calls:
                call.result = no_answer(call, self.fault or "it gave no answer", self.reason)
        self.ended_s = clock.now_s()

    def terminate(self) -> None:
        """Stops the run, from any thread."""
        if self.run is not None:
            self.run.terminate()

    def end(self) -> BatchEnded:
        """Its end, as the machine is told."""
        lost = self.lost
        return BatchEnded(
            self.batch_id,
            self.ended_s - self.began_s,
            failed=self.fault is not None,
            terminated=self.terminated,
            begun=self.begun,
            lost=lost.process if lost is not None else "",
            suspects=lost.suspects if lost is not None else 0,
            fault=str(lost) if lost is not None else "",
        )

    def kill(self) -> bool:
        """Stops a run that does not heed `terminate`; False where that cannot be done."""
        return self.run is not None and self.run.kill()

    def _outputs(self) -> list[dict[str, Array]] | None:
        """The model's answers, one for each call; None, and `fault` set, when there are none."""
        if self.run is None:
            return None
        try:
            outputs = self.run.execute([call.inputs for call in self.calls], self.padded_rows)
        except ModelError as error:
            self.fault = str(error)
            self.reason = error.reason
            self.terminated = error.terminated
            if isinstance(error, ProcessLostError):
                self.lost = error
            return None
        except NotBegunError:
            raise
        except Exception as error:  # noqa: BLE001  (a lane must outlive any model)
            _log.error("batch.crashed", model=self.served.key, exc_info=True)
            self.fault = f"{type(error).__name__}: {error}"
            return None
        if len(outputs) != len(self.calls):
            self.fault = f"it gave {len(outputs)} answers to {len(self.calls)} calls"
            return None
        return outputs


def no_answer(call: Call, fault: str, reason: Reason = Reason.MODEL_FAILED) -> Refusal:
    """What the call is told when the model failed with it alone."""
    return Refusal(reason, f"model {call.served.key} failed: {fault}", started=True)


def _encoded(
    call: Call, outputs: Mapping[str, Array], regions: Regions
) -> ModelInferResponse | Refusal:
    try:
        return call.served.encoder.encode(call.request_id, outputs, call.wanted, regions)
    except MeshError as error:
        return replace(error.refusal, started=True)
    except Exception as error:  # noqa: BLE001  (one answer's fault is not the others')
        _log.error("encode.crashed", model=call.served.key, exc_info=True)
        return Refusal(
            Reason.INTERNAL,
            f"model {call.served.key}: its outputs cannot be sent ({type(error).__name__})",
            started=True,
        )
