"""The result for programs."""

from typing import Any

from hasten_sim.points import Point
from hasten_sim.report.about import About
from hasten_sim.report.summary import METRICS, Cell, Summary
from hasten_sim.report.words import headline


def document(summary: Summary, about: About) -> dict[str, Any]:
    """Ready for json.dumps. The same runs give the same document, key by key."""
    return {
        "workload": about.title,
        "description": about.description,
        "command": about.command,
        "about": dict(about.facts),
        "headline": headline(summary),
        "seeds": list(summary.seeds),
        "cells": [_cell(cell) for cell in summary.cells],
        "comparisons": [
            {
                "policy": each.policy,
                "against": each.against,
                **_point(each.point),
                "attainment": {
                    **each.attainment.difference.as_json(),
                    "verdict": each.attainment.verdict,
                },
                "goodput_per_s": {
                    **each.goodput_per_s.difference.as_json(),
                    "verdict": each.goodput_per_s.verdict,
                },
            }
            for each in summary.comparisons()
        ],
        "goodput_at_99": [
            {
                "policy": one.policy,
                "load": one.load,
                "goodput_per_s": one.goodput_per_s,
                "whole_sweep": one.whole_sweep,
            }
            for one in summary.good_up_to()
        ],
        "runs": [
            {**_point(cell.point), **run.as_json(), "policy": cell.policy}
            for cell in summary.cells
            for run in cell.runs
        ],
    }


def _cell(cell: Cell) -> dict[str, Any]:
    return {
        "policy": cell.policy,
        **_point(cell.point),
        "load": cell.load,
        "figures": {name: cell.over_seeds(name).as_json() for name in METRICS},
        "ends": cell.ends(),
    }


def _point(point: Point) -> dict[str, Any]:
    return {"load": point.load, "workers": point.workers, "routers": point.routers}
