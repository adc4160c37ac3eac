"""How many workers, and what when one dies."""

import pytest

from hasten_sim.figures import Figures
from hasten_sim.question import Profile, Question
from hasten_sim.report import answer as said
from hasten_sim.scenario import BatchTimes
from hasten_sim.sweep import Job, run_all
from hasten_sim.whatif import Answer, Asking, answer
from tests.unit.sim_report.runs import figures

PROFILE = Profile("m", 8, BatchTimes(0.004, 0.001))
QUESTION = Question((PROFILE,), rate_per_s=1500.0, deadline_s=0.05)


def asking(need: int, *, slo: float = 0.99) -> Asking:
    """A mesh of which `need` live workers are enough; half are in time with fewer."""

    def run(jobs: list[Job]) -> list[Figures]:
        return [_made(job, need) for job in jobs]

    return Asking(slo, "hasten", (1, 2), run, lambda _step, _dead: None)


def _made(job: Job, need: int) -> Figures:
    workers = job.point.workers or 0
    live = workers - (1 if job.source.scenario().faults else 0)
    good = 100 if live >= need else 50 if live else 0
    seconds = 40
    return figures(
        in_time=100 if workers >= need else 50,
        seed=job.seed,
        goodput_by_s=(good,) * seconds,
        offered_by_s=(100,) * seconds,
    )


def ask(need: int, **more: int) -> Answer:
    return answer(QUESTION, asking(need), **more)


def test_the_least_number_is_found_and_the_one_below_is_shown() -> None:
    (sentence,) = said.sentences(ask(3))
    assert sentence == (
        "1\N{NARROW NO-BREAK SPACE}500 requests a second with 50 ms: 3 workers keep 100 % "
        "(2 workers: 50 %)."
    )


def test_a_death_is_answered_with_what_survives_it() -> None:
    found = ask(2, outage_s=5)
    assert said.sentences(found)[1] == (
        "When one of 2 dies: 50 % until it is back; 3 workers survive one death (100 %)."
    )
    assert "while one is dead %>" in said.columns(found)
    assert [row[0] for row in said.rows(found)] == ["1", "2", "3", "4"]
    assert all(len(row) == len(said.columns(found)) for row in said.rows(found))


def test_the_only_worker_has_no_other() -> None:
    assert said.sentences(ask(1, outage_s=5))[1].startswith(
        "When the one worker dies: 0 % until it is back; 2 workers survive one death"
    )


def test_the_number_that_was_asked_about_is_answered_first() -> None:
    (sentence,) = said.sentences(ask(3, workers=2))
    assert sentence.endswith(
        ": 2 workers keep 50 %; for 99 % it takes 3 workers: 3 workers keep 100 % "
        "(2 workers: 50 %)."
    )


def test_more_than_enough_is_told_how_few_survive() -> None:
    found = ask(2, workers=4, outage_s=5)
    assert said.sentences(found)[1] == (
        "When one of 4 dies: 100 % until it is back; 3 workers survive one death (100 %)."
    )


def test_what_is_just_enough_with_one_dead_is_said_once() -> None:
    found = ask(2, workers=3, outage_s=5)
    assert said.sentences(found)[1] == (
        "When one of 3 dies: 100 % until it is back: 3 workers survive one death."
    )


def test_no_number_helps_a_model_that_is_too_slow() -> None:
    slow = Question((PROFILE,), rate_per_s=10.0, deadline_s=0.003)
    found = answer(slow, asking(10**6))
    assert found.found.workers is None
    assert "not even" in said.sentences(found)[0]
    assert "no number of workers answers it within 3 ms" in said.sentences(found)[1]


def test_the_answer_for_programs_has_what_the_sentences_say() -> None:
    found = said.as_json(ask(2, outage_s=5))
    assert (found["workers_least"], found["workers_least_one_dead"]) == (2, 3)
    tried = {one["workers"]: one for one in found["tried"]}
    assert tried[2]["attainment_one_dead"] == 0.5
    assert tried[1]["attainment"]["mean"] == 0.5


def test_a_question_becomes_the_mesh_it_asks_about() -> None:
    two = Question((PROFILE, Profile("n", 1, BatchTimes(0.002), share=3.0)), 100.0, 0.05, lanes=2)
    scenario = two.with_death(5).scenario(workers=3)
    assert (scenario.mesh.workers, scenario.mesh.lanes) == (3, 2)
    assert scenario.offered_per_s == 100.0
    (fault,) = scenario.faults
    assert fault.at_s + fault.for_s < scenario.duration_s
    arrivals = list(scenario.arrivals(1))
    assert arrivals == list(scenario.arrivals(1))
    assert arrivals != list(scenario.arrivals(2))
    share = sum(arrival.model for arrival in arrivals) / len(arrivals)
    assert share == pytest.approx(0.75, abs=0.06)


def test_a_real_mesh_is_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hasten_sim.question.MEASURED_S_MIN", 3.0)
    monkeypatch.setattr("hasten_sim.question.REQUESTS", 1000)
    question = Question((PROFILE,), rate_per_s=900.0, deadline_s=0.05)
    asked = Asking(0.99, "hasten", (1,), lambda jobs: run_all(jobs, 1), lambda _s, _d: None)
    found = answer(question, asked)
    assert question.workers_at_least() == 2
    assert found.workers == 2
    assert found.attainment(1) < 0.9
