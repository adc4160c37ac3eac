"""What a worker says when it does not answer."""

from hasten_policy.load import ModelSpec
from hasten_policy.reasons import ENDED, Reason, Refusal


def model_not_found(key: str) -> Refusal:
    """No such model version was opened here."""
    return Refusal(Reason.MODEL_NOT_FOUND, f"model '{key}' is not loaded on this worker")


def model_leaving(key: str) -> Refusal:
    """The model version is being closed."""
    return Refusal(
        Reason.MODEL_LOADING,
        f"model '{key}' is being unloaded or replaced and takes no new calls",
        retry_after_s=1.0,
    )


def model_restarting(key: str, back_s: float, *, started: bool = False) -> Refusal:
    """The process that runs the model version ended, and there is no time to wait for the next."""
    return Refusal(
        Reason.MODEL_LOADING,
        f"model '{key}' is being started again: the process that ran it ended",
        retry_after_s=max(0.0, back_s),
        started=started,
    )


def crashed(key: str, fault: str, lost: tuple[str, ...], *, guilty: bool) -> Refusal:
    """The process that ran the call ended.

    Args:
        key: The model version.
        fault: How it ended.
        lost: All processes that ended while the call ran.
        guilty: The last one ran nothing else.
    """
    return Refusal(
        Reason.MODEL_FAILED,
        f"model {key} failed: {fault}",
        metadata=((ENDED, ",".join(lost)),) if guilty else (),
        started=True,
    )


def draining() -> Refusal:
    """The worker is leaving."""
    return Refusal(Reason.DRAINING, "the worker is draining and takes no new calls", 0.0)


def invalid_deadline() -> Refusal:
    """The time left is not a number."""
    return Refusal(Reason.INVALID_DEADLINE, "the time left must be a number of seconds")


def batch_too_large(spec: ModelSpec, rows: int) -> Refusal:
    """More rows, or fewer, than one batch can hold."""
    return Refusal(
        Reason.BATCH_TOO_LARGE,
        f"the request brings {rows} rows, model '{spec.key}' takes 1 to {spec.batch_max}",
        metadata=(("batch_max", str(spec.batch_max)),),
    )


def infeasible(spec: ModelSpec, *, run_s: float, slack_s: float) -> Refusal:
    """Even alone on an idle worker the call would take longer than it may."""
    return Refusal(
        Reason.DEADLINE_INFEASIBLE,
        f"model '{spec.key}' needs {_ms(run_s)} ms for this request, {_ms(slack_s)} ms are left",
        metadata=(("min_ms", _ms(run_s)), ("left_ms", _ms(slack_s))),
    )


def hopeless(*, finish_s: float, slack_s: float, own_s: float) -> Refusal:
    """What is due before the call leaves it no time.

    Args:
        finish_s: Seconds from now at which it would be done.
        slack_s: Seconds it has.
        own_s: Seconds its own batch takes.
    """
    lateness_s = finish_s - slack_s
    return Refusal(
        Reason.OVERLOADED,
        f"the answer would take {_ms(finish_s)} ms, {_ms(slack_s)} ms are left",
        retry_after_s=lateness_s if lateness_s + own_s <= slack_s else None,
        metadata=(("predicted_ms", _ms(finish_s)), ("left_ms", _ms(slack_s))),
    )


def queue_full(limit: str, limit_value: int, *, retry_after_s: float) -> Refusal:
    """A bound on what may wait is reached."""
    return Refusal(
        Reason.QUEUE_FULL,
        f"the worker's queue is full: {limit} is {limit_value}",
        retry_after_s=retry_after_s,
        metadata=(("limit", limit), ("limit_value", str(limit_value))),
    )


def shed(*, started: bool, overran: bool) -> Refusal:
    """A waiting call can no longer finish in time.

    Args:
        started: Its batch was begun and failed.
        overran: The run before took longer than it was predicted to.
    """
    if started:
        return Refusal(
            Reason.DEADLINE_PASSED,
            "the batch with this request failed and no time is left to run it alone",
            started=True,
        )
    return Refusal(
        Reason.SHED_BEFORE_START,
        "the request could no longer finish in time and was not run",
        metadata=(("overran", "1"),) if overran else (),
    )


def overdue() -> Refusal:
    """The run was stopped after the deadlines of all its calls."""
    return Refusal(
        Reason.DEADLINE_PASSED,
        "the deadline passed while the model ran; the run was stopped",
        started=True,
    )


def overstayed(run_s: float, lost: tuple[str, ...] = ()) -> Refusal:
    """The watchdog stopped the run.

    Args:
        run_s: Seconds that it took.
        lost: Processes that had to be ended for it, and no other run.
    """
    return Refusal(
        Reason.RUN_OVERSTAYED,
        f"the model ran for {_ms(run_s)} ms, longer than it may, and was stopped",
        metadata=((ENDED, ",".join(lost)),) if lost else (),
        started=True,
    )


def unstoppable(run_s: float, batch_id: int, *, alone: bool) -> Refusal:
    """The run has overstayed and goes on although it was asked to stop.

    Args:
        run_s: Seconds so far.
        batch_id: Of the run: the process that it is in will be ended.
        alone: It is the run of this call alone.
    """
    return Refusal(
        Reason.RUN_OVERSTAYED,
        f"the model ran for {_ms(run_s)} ms, longer than it may, and does not stop",
        metadata=((ENDED, f"run-{batch_id}"),) if alone else (),
        started=True,
    )


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.3f}"
