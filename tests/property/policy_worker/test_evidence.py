"""What an idle worker may refuse by."""

import hypothesis.strategies as st
from hypothesis import given

from hasten_policy.prediction.evidence import Evidence

MEASURED = st.lists(
    st.tuples(st.integers(1, 8), st.integers(1, 8), st.floats(0.0, 5.0), st.floats(0.0, 0.5)),
    max_size=100,
)


@given(MEASURED, st.integers(1, 8), st.integers(1, 8), st.floats(0.0, 5.0), st.booleans())
def test_evidence_is_of_no_more_work_that_took_longer_of_late(
    found: list[tuple[int, int, float, float]],
    rows: int,
    elements: int,
    left_s: float,
    expected: bool,
) -> None:
    evidence = Evidence(1.0)
    now_s = 0.0
    kept = []
    for ran_rows, ran_elements, seconds, later_s in found:
        now_s += later_s
        evidence.add(ran_rows, ran_elements, seconds, now_s)
        kept.append((now_s, ran_rows, ran_elements, seconds))
    late = [one for one in kept[-64:] if one[0] > now_s - 1.0]
    for at, (_, ran_rows, ran_elements, seconds) in enumerate(late):
        if seconds <= left_s and ran_rows >= rows and ran_elements >= elements:
            late[: at + 1] = [(now_s, 9, 9, left_s)] * (at + 1)
    spoken_for = any(ran_rows == 9 for _, ran_rows, _, _ in late)
    against = [
        seconds
        for _, ran_rows, ran_elements, seconds in late
        if ran_rows <= rows and ran_elements <= elements and seconds > left_s
    ]
    enough = len(against) >= (1 if expected and not spoken_for else 2)
    shown_s = evidence.too_long_s(rows, elements, left_s, now_s, expected=expected)
    assert shown_s == (max(against) if enough else 0.0)


def test_one_stall_is_no_evidence_against_what_was_done_just_before() -> None:
    evidence = Evidence(1.0)
    for at in range(20):
        evidence.add(1, 24, 0.005, 0.01 * at)
    evidence.add(1, 24, 0.2, 0.41)
    assert not evidence.too_long_s(1, 24, 0.02, 0.42, expected=True)
    evidence.add(1, 24, 0.2, 0.62)
    assert evidence.too_long_s(1, 24, 0.02, 0.63, expected=False) == 0.2
