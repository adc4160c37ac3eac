from hypothesis import given
from hypothesis import strategies as st

from hasten_sim.loop import Loop


@given(st.lists(st.floats(0.0, 10.0)))
def test_things_happen_in_order_of_time_and_at_one_time_in_the_order_asked_for(
    times: list[float],
) -> None:
    loop = Loop()
    done: list[tuple[float, int]] = []
    for number, at_s in enumerate(times):
        loop.at(at_s, lambda payload: done.append((loop.now_s, payload)), number)
    loop.run_before(20.0)
    assert done == sorted((at_s, number) for number, at_s in enumerate(times))
    assert loop.now_s == 20.0


def test_what_is_due_at_the_end_waits_and_what_comes_of_an_act_happens() -> None:
    loop = Loop(-1.0)
    done: list[str] = []
    loop.at(1.0, lambda _: done.append("late"))
    loop.at(0.0, lambda _: loop.at(0.5, lambda _: done.append("child")))
    loop.run_before(1.0)
    assert done == ["child"]
    loop.run_before(1.1)
    assert done == ["child", "late"]
