"""Inheritance over a DAG is what a full recomputation says, after any changes in any order."""

import math
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from hasten_policy.scheduler.jobs.dag.inheritance import NET_S, Inheritance

DUES_S = st.sampled_from([math.inf, 1.0, 2.0, 5.0, 10.0, 10.5, 100.0])
PRIORITIES = st.integers(0, 3)
PREDICTED_S = st.sampled_from([0.0, 0.1, 1.0, 3.0])


@dataclass
class Full:
    """The same graph, computed anew from the definition each time."""

    nodes: dict[str, tuple[float, int, float]] = field(default_factory=dict)
    edges: set[tuple[str, str]] = field(default_factory=set)

    def due_s(self, name: str) -> float:
        after = [other for before, other in self.edges if before == name]
        inherited = [self.due_s(other) - self.nodes[other][2] - NET_S for other in after]
        return min([self.nodes[name][0], *inherited])

    def priority(self, name: str) -> int:
        after = [other for before, other in self.edges if before == name]
        return min([self.nodes[name][1], *map(self.priority, after)])


@st.composite
def changes(draw: st.DrawFn) -> list[tuple[object, ...]]:
    """Nodes that come (each waits for some that are there), change and go."""
    made: list[tuple[object, ...]] = []
    there: list[str] = []
    for number in range(draw(st.integers(1, 14))):
        kind = draw(st.sampled_from(["insert", "insert", "change", "remove"]))
        if kind == "insert" or not there:
            before = (
                draw(st.lists(st.sampled_from(there), unique=True, max_size=4)) if there else []
            )
            name = f"s{number}"
            facts = (draw(DUES_S), draw(PRIORITIES), draw(PREDICTED_S))
            made.append(("insert", name, *facts, tuple(before)))
            there.append(name)
        elif kind == "change":
            made.append(("change", draw(st.sampled_from(there)), draw(DUES_S), draw(PRIORITIES)))
        else:
            name = draw(st.sampled_from(there))
            there.remove(name)
            made.append(("remove", name))
    return made


@given(changes())
def test_inheritance_equals_full_recomputation(made: list[tuple[object, ...]]) -> None:
    kept, full = Inheritance(), Full()
    for kind, name, *facts in made:
        assert isinstance(name, str)
        if kind == "insert":
            due_s, priority, predicted_s, before = facts
            kept.insert(name, due_s, priority, predicted_s, before)  # type: ignore[arg-type]
            full.nodes[name] = (due_s, priority, predicted_s)  # type: ignore[assignment]
            full.edges |= {(one, name) for one in before}  # type: ignore[attr-defined]
        elif kind == "change":
            due_s, priority = facts
            kept.change(name, due_s, priority)  # type: ignore[arg-type]
            full.nodes[name] = (due_s, priority, full.nodes[name][2])  # type: ignore[assignment]
        else:
            kept.remove(name)
            del full.nodes[name]
            full.edges = {edge for edge in full.edges if name not in edge}
        for node in full.nodes:
            assert math.isclose(kept.due_s(node), full.due_s(node))
            assert kept.priority(node) == full.priority(node)
        for before_name, after_name in full.edges:
            latest_s = kept.due_s(after_name) - full.nodes[after_name][2]
            assert kept.due_s(before_name) <= latest_s
            assert kept.priority(before_name) <= kept.priority(after_name)


@given(changes(), DUES_S, PRIORITIES, PREDICTED_S)
def test_what_is_removed_leaves_no_trace(
    made: list[tuple[object, ...]], due_s: float, priority: int, predicted_s: float
) -> None:
    kept = Inheritance()
    there: list[str] = []
    for kind, name, *facts in made:
        assert isinstance(name, str)
        if kind == "insert":
            kept.insert(name, *facts)  # type: ignore[arg-type]
            there.append(name)
    before = [(kept.due_s(name), kept.priority(name)) for name in there]
    kept.insert("guest", due_s, priority, predicted_s, there)
    kept.remove("guest")
    assert [(kept.due_s(name), kept.priority(name)) for name in there] == before
