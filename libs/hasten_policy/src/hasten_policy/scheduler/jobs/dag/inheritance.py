"""Deadlines and classes that steps inherit from those that wait for them.

A step must end early enough for everything after it: `d(v) = min(own, min over successors c of
d(c) - predicted(c) - net)`; it is as urgent as the most urgent step behind it. This is priority
inheritance over a task graph (after Liu and Layland's precedence constraints as modified deadlines:
Blazewicz 1976, Chetto et al. 1990). A change is carried up the ancestors only, as far as it changes
anything.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from hasten_policy.scheduler.jobs.dag.plan import Plan, in_order

NET_S: Final = 0.005
"""From the end of a step to the start of the next."""


@dataclass(slots=True)
class _Node:
    own_s: float
    own_priority: int
    predicted_s: float
    due_s: float = 0.0
    priority: int = 0
    before: set[str] = field(default_factory=set[str])
    after: set[str] = field(default_factory=set[str])


class Inheritance:
    """Effective deadlines and classes of a graph's nodes. Class 0 is the most urgent.

    Args:
        net_s: Between two steps.
    """

    def __init__(self, net_s: float = NET_S) -> None:
        self._net_s = net_s
        self._nodes: dict[str, _Node] = {}

    def insert(
        self, name: str, due_s: float, priority: int, predicted_s: float, before: Iterable[str]
    ) -> None:
        """Adds a node that waits for these, which are there. A circle must not arise."""
        node = _Node(due_s, priority, predicted_s, due_s, priority, set(before))
        self._nodes[name] = node
        for each in node.before:
            self._nodes[each].after.add(name)
        self._carry_up(node.before)

    def change(self, name: str, due_s: float, priority: int) -> None:
        """Gives a node another deadline and class of its own."""
        node = self._nodes[name]
        node.own_s, node.own_priority = due_s, priority
        self._carry_up([name])

    def remove(self, name: str) -> None:
        """A node is not waited for any more, nor does it wait: it has failed or was skipped."""
        node = self._nodes.pop(name)
        for each in node.after:
            self._nodes[each].before.discard(name)
        for each in node.before:
            self._nodes[each].after.discard(name)
        self._carry_up(node.before)

    def due_s(self, name: str) -> float:
        """When it has to have ended, for all that is behind it."""
        return self._nodes[name].due_s

    def priority(self, name: str) -> int:
        """Its class: the most urgent one at or behind it."""
        return self._nodes[name].priority

    def _carry_up(self, names: Iterable[str]) -> None:
        row = list(names)
        while row:
            node = self._nodes[row.pop()]
            after = [self._nodes[name] for name in node.after]
            due_s = min(
                [node.own_s, *(each.due_s - each.predicted_s - self._net_s for each in after)]
            )
            priority = min([node.own_priority, *(each.priority for each in after)])
            if (due_s, priority) != (node.due_s, node.priority):
                node.due_s, node.priority = due_s, priority
                row += node.before


def inherited(plan: Plan, *, created_s: float, due_s: float) -> Inheritance:
    """What the steps of a DAG inherit that was accepted at created_s and is due at due_s."""
    steps = {step.name: step for step in plan.steps}
    made = Inheritance()
    for name in in_order(plan)[0]:
        step = steps[name]
        own_s = min(due_s, created_s + step.due_in_s)
        made.insert(name, own_s, step.priority, step.predicted_s, step.before())
    return made
