"""Damaged model files: whatever they do, they do it in the child."""

import random
from pathlib import Path

from hasten_worker.engine.refusal import ModelRefused
from hasten_worker.engine.trial.client import Trial
from tests.unit.worker_engine import zoo
from tests.unit.worker_engine.test_trial import task_of

MUTANTS = 600


def mutated(content: bytes, rng: random.Random) -> bytes:
    """Bit flips, cuts, repeats and overwrites, one to four of them."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data))
        kind = rng.randrange(5)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif kind == 2:
            del data[at : at + rng.randint(1, 8)]
        elif kind == 3:
            data[at:at] = data[at : at + rng.randint(1, 16)]
        else:
            data[at : at + 8] = rng.randbytes(8)
        if len(data) < 8:
            break
    return bytes(data)


def test_hundreds_of_damaged_models_leave_the_intake_alive(trial: Trial, tmp_path: Path) -> None:
    rng = random.Random(2)
    originals = [zoo.add(), zoo.loop(3), zoo.non_zero_rows(), zoo.with_default(), zoo.zip_map()]
    outcomes = {True: 0, False: 0}
    reasons: list[str] = []
    for number in range(MUTANTS):
        content = mutated(originals[number % len(originals)], rng)
        try:
            trial.examine(task_of(tmp_path, content, run_s_max=0.2, rows_s=0.0))
            outcomes[True] += 1
        except ModelRefused as error:
            outcomes[False] += 1
            reasons.append(str(error))
    assert not [reason for reason in reasons if "process that tries models ended" in reason]
    assert all(0 < len(reason) < 1500 for reason in reasons)
    assert outcomes[False] > MUTANTS / 4
    assert trial.examine(task_of(tmp_path, zoo.add())).inputs[0].name == "X"
