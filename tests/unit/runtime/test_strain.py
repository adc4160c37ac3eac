"""How long a thread had no idle moment."""

from hypothesis import given
from hypothesis import strategies as st

from hasten_runtime.strain import LOOK_S, Strain, ThreadUse


class Thread:
    """A thread whose use of time the test decides."""

    def __init__(self) -> None:
        self.used_s = 0.0
        self.now_s = 50.0
        self.looks = 0
        self.strain = Strain(self.use, now_s=self.now_s)

    def use(self) -> float:
        self.looks += 1
        return self.used_s

    def runs(self, passed_s: float, *, share: float = 1.0) -> float:
        self.now_s += passed_s
        self.used_s += share * passed_s
        return self.strain.busy_s(self.now_s)


def test_a_thread_that_always_runs_is_busy_since_it_began() -> None:
    thread = Thread()
    for _ in range(100):
        busy_s = thread.runs(0.01)
    assert busy_s > 0.99


def test_one_idle_moment_ends_it() -> None:
    thread = Thread()
    for _ in range(100):
        thread.runs(0.01)
    assert thread.runs(0.01, share=0.1) == 0.0
    assert 0.009 < thread.runs(0.01) < 0.011


def test_looks_are_rare() -> None:
    thread = Thread()
    for _ in range(1000):
        thread.runs(LOOK_S / 10)
    assert thread.looks <= 102


@given(st.lists(st.tuples(st.floats(0.0001, 0.2), st.floats(0.0, 0.6)), min_size=1, max_size=50))
def test_a_thread_that_is_often_idle_is_never_busy_for_long(
    stretches: list[tuple[float, float]],
) -> None:
    thread = Thread()
    for passed_s, share in stretches:
        assert thread.runs(passed_s, share=share) <= LOOK_S


def test_a_real_thread_uses_time_also_where_the_kernel_tells_nothing() -> None:
    use = ThreadUse()
    before_s = use()
    sum(range(100_000))
    assert use() > before_s
    use.close()
    use.close()
    before_s = use()
    sum(range(100_000))
    assert use() > before_s
