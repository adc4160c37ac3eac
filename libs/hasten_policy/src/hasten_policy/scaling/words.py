"""Decisions in sentences, for people."""

from typing import Final

from hasten_policy.scaling.sight import Because

_SENTENCES: Final = {
    "growth": "demand keeps {load:.2f} workers busy and may grow {growth:.2f} times while one "
    "starts; tasks that wait need {queued:.2f}",
    "demand": "demand keeps {load:.2f} workers busy; tasks that wait need {queued:.2f}",
    "forecast": "the forecast's upper bound is {upper:.2f} busy workers",
    "kept_warm": "one stays: a cold start of {lead_s:.1f} s would be too late for a call",
    "panic": "demand of the last seconds, {load:.2f} busy workers, is far above what is ready, or "
    "has just risen {rush:.2f} times",
    "pressure": "{refused_share:.2%} of the calls were refused for want of workers",
    "stable": "fewer would do, but not for long enough yet (window {window_s:.0f} s)",
    "not_calm": "none leaves while calls are refused ({refused:.0f}) or late ({late:.0f})",
    "no_metrics": "nothing new was told: the number stays",
    "router_silent": "a router is silent: its demand is not known, and none leaves",
    "just_begun": "the autoscaler has just begun: none leaves for a while",
    "operator": "an operator lets the number stay",
    "budget": "the budget pays for no more; {not_granted:.0f} not granted",
    "pools_full": "every pool is full; {not_granted:.0f} not granted",
    "pools_shut": "no pool with room gives workers now; {not_granted:.0f} not granted",
    "workers_max": "workers_max is reached; {not_granted:.0f} not granted",
    "workers_min": "workers_min is the floor",
    "step_up": "a step up leads no further at once ({wanted:.0f} wanted)",
    "step_down": "a step down leads no further at once ({wanted:.0f} wanted)",
    "changes_per_h": "the number has changed too often in an hour ({wanted:.0f} wanted)",
}


def sentence(because: Because) -> str:
    """One reason in words; of a kind without words, its figures."""
    facts = dict(because.facts)
    text = _SENTENCES.get(because.kind)
    if text is not None:
        try:
            return text.format_map(facts)
        except KeyError:
            pass  # A reason of another rule with the same name, or of an older version.
    said = ", ".join(f"{name} {value:.4g}" for name, value in facts.items())
    words = because.kind.replace("_", " ")
    return f"{words}: {said}" if said else words


def summary(desired: int, before: int, reasons: tuple[Because, ...]) -> str:
    """A decision in one sentence."""
    if not reasons:
        return f"{desired} workers"
    why = sentence(reasons[0])
    if desired == before:
        return f"{desired} workers, as before: {why}"
    word = "more" if desired > before else "fewer"
    return f"{desired} workers, {abs(desired - before)} {word}: {why}"
