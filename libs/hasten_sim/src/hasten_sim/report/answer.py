"""The answer to a what-if, in words, as a table and for programs."""

from statistics import fmean
from typing import Any, Final

from hasten_sim.figures import Figures
from hasten_sim.question import Question
from hasten_sim.report.statistics import interval
from hasten_sim.report.words import number, percent, span, with_interval
from hasten_sim.whatif import Answer

_COLUMNS: Final = (
    "workers>",
    "in time %>",
    "p50 ms>",
    "p99 ms>",
    "refused %>",
    "busy %>",
)
_DEAD: Final = "while one is dead %>"


def sentences(answer: Answer) -> list[str]:
    """What the user asked, answered."""
    said = [f"{_asked(answer.question)}: {_enough(answer)}."]
    said += [
        f"{one.model} alone takes {span(one.times.seconds(1))} on an idle worker: no "
        f"number of workers answers it within {span(answer.question.deadline_s)}."
        for one in answer.question.too_slow()
    ]
    if answer.death is not None and answer.workers is not None:
        said.append(_death(answer))
    return said


def columns(answer: Answer) -> tuple[str, ...]:
    """Of the rows; a name that ends in ">" is of numbers."""
    return (*_COLUMNS, _DEAD) if answer.dead else _COLUMNS


def rows(answer: Answer) -> list[tuple[str, ...]]:
    """One row a number of workers that was tried."""
    found: list[tuple[str, ...]] = []
    for workers in sorted({*answer.runs, *answer.dead}):
        row = (str(workers), *_figures(answer.runs.get(workers)))
        if answer.dead:
            dead = answer.dead.get(workers)
            row = (*row, "-" if dead is None else f"{dead * 100:.1f}")
        found.append(row)
    return found


def _figures(runs: tuple[Figures, ...] | None) -> tuple[str, ...]:
    if runs is None:
        return ("-",) * (len(_COLUMNS) - 1)
    refused = fmean(sum(run.refused.values()) / max(1, run.offered) for run in runs)
    return (
        with_interval(interval([run.attainment for run in runs]), scale=100.0),
        number(fmean(run.latency_ms["p50"] for run in runs)),
        number(fmean(run.latency_ms["p99"] for run in runs)),
        f"{refused * 100:.1f}",
        f"{fmean(run.utilisation for run in runs) * 100:.0f}",
    )


def as_json(answer: Answer) -> dict[str, Any]:
    """For programs."""
    question = answer.question
    return {
        "rate_per_s": question.rate_per_s,
        "deadline_s": question.deadline_s,
        "slo": answer.slo,
        "lanes": question.lanes,
        "models": [
            {
                "name": one.model,
                "batch_max": one.batch_max,
                "share": one.share,
                "alpha_s": one.times.alpha_s,
                "beta_s": one.times.beta_s,
                "points": [list(point) for point in one.times.points],
                "cv": one.cv,
            }
            for one in question.profiles
        ],
        "answer": sentences(answer),
        "workers": answer.workers,
        "workers_least": answer.found.workers,
        "workers_least_one_dead": None if answer.death is None else answer.death.workers,
        "tried": [
            {
                "workers": workers,
                "attainment": (
                    interval([run.attainment for run in answer.runs[workers]]).as_json()
                    if workers in answer.runs
                    else None
                ),
                "attainment_one_dead": answer.dead.get(workers),
                "runs": [run.as_json() for run in answer.runs.get(workers, ())],
            }
            for workers in sorted({*answer.runs, *answer.dead})
        ],
    }


def _asked(question: Question) -> str:
    many = "requests" if question.rate_per_s != 1 else "request"
    return f"{number(question.rate_per_s)} {many} a second with {span(question.deadline_s)}"


def _enough(answer: Answer) -> str:
    slo = f"{answer.slo * 100:g} %"
    asked = answer.workers
    least = answer.found.workers
    said = []
    if asked is not None and asked != least:
        said.append(f"{_workers(asked)} {_keep(asked)} {percent(answer.attainment(asked))}")
    if least is None:
        most = max(step.workers for step in answer.found.steps)
        said.append(f"not even {_workers(most)} {_keep(most)} {slo}")
        return "; ".join(said)
    fewer = least - 1
    beside = (
        f" ({_workers(fewer)}: {percent(answer.attainment(fewer))})" if fewer in answer.runs else ""
    )
    which = f"{_workers(least)} {_keep(least)} {percent(answer.attainment(least))}{beside}"
    said.append(which if asked == least else f"for {slo} it takes {_workers(least)}: {which}")
    return "; ".join(said)


def _death(answer: Answer) -> str:
    if answer.death is None or answer.workers is None:
        return ""
    one = f"When one of {answer.workers} dies" if answer.workers > 1 else "When the one worker dies"
    said = f"{one}: {percent(answer.dead[answer.workers])} until it is back"
    survive = answer.death.workers
    if survive is None:
        return f"{said}; no number that was tried survives one death."
    if survive == answer.workers:
        return f"{said}: {_workers(survive)} {'survive' if survive > 1 else 'survives'} one death."
    return f"{said}; {_workers(survive)} survive one death ({percent(answer.dead[survive])})."


def _workers(count: int) -> str:
    return "1 worker" if count == 1 else f"{count} workers"


def _keep(count: int) -> str:
    return "keeps" if count == 1 else "keep"
