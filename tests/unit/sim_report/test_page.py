"""The page holds together: well formed, self-contained, honest, and nothing on top of another."""

import json
import re
from html.parser import HTMLParser

import pytest

from hasten_sim.points import Lasting
from hasten_sim.report.about import about
from hasten_sim.report.bars import stacked_bars
from hasten_sim.report.document import document
from hasten_sim.report.page import page
from hasten_sim.report.plot import HEIGHT, WIDTH, Axes, Dot, Series, line_plot
from hasten_sim.report.summary import Summary, summed_up
from hasten_sim.workload import parse
from tests.unit.sim_report.runs import Small, figures, summary

VOID = {"meta"}
COMMAND = "hasten simulate small --policy 'a&b' --seeds 2 --seed 1"
SWEPT = summary(
    {"hasten": {0.5: (100, 100), 2.0: (96, 94)}, "a<b>&c": {0.5: (99, 98), 2.0: (31, 30)}}
)


class Reader(HTMLParser):
    """Checks the nesting, and keeps what a reader would see."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert not reader.open
    return reader


def made(found: Summary = SWEPT, *, fault: bool = True) -> str:
    told = about(Small(fault=fault), description="A <test>", command=COMMAND, seeds=(1, 2))
    return page(found, told)


def test_the_page_is_well_formed_and_needs_nothing_else() -> None:
    text = made()
    reader = read(text)
    assert text.startswith("<!doctype html>")
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in reader.tags}
    assert not re.search(r"(?:src|href|url\(|@import|https?:)", text)
    assert "prefers-color-scheme:dark" in text


def test_the_page_says_what_was_simulated_and_how_to_run_it_again() -> None:
    said = " ".join(read(made()).text)
    for part in (
        "small <mesh>",
        "A <test>",
        "1 router, 2 workers",
        "m: 5 ms a batch of 1, 12 ms of 8",
        "crash of worker 0 at 0.2 s for 0.1 s",
        "1 to 2",
        COMMAND,
        "a<b>&c",
        "goodput@99",
        "Compared on the same seeds",
    ):
        assert part in said


def test_the_same_runs_give_the_same_page() -> None:
    assert made() == made()


def test_there_is_a_plot_for_each_question() -> None:
    reader = read(made())
    assert reader.count("figure") == 5
    without = read(made(fault=False))
    assert without.count("figure") == 4
    point = read(made(summary({"hasten": {1.0: (90, 91)}}), fault=False))
    assert point.count("figure") == 2


def test_axes_have_units() -> None:
    said = " ".join(read(made()).text)
    for unit in ("(1/s)", "(%)", "(ms)", "(s)", "(multiple of the capacity)"):
        assert unit in said


def texts_of(svg: str) -> list[tuple[float, float, str, str]]:
    found = re.findall(
        r'<text class="tick" x="([\d.]+)" y="([\d.]+)" text-anchor="(\w+)">([^<]*)</text>', svg
    )
    return [(float(x), float(y), anchor, text) for x, y, anchor, text in found]


def boxes(svg: str) -> list[tuple[float, float, float, float]]:
    """Where the ticks are written, with 8.5 units a letter of 14."""
    found = []
    for x, y, anchor, text in texts_of(svg):
        wide = 8.5 * len(text)
        left = x - wide if anchor == "end" else x - wide / 2
        found.append((left, y - 12.0, left + wide, y + 2.0))
    return found


def overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


@pytest.mark.parametrize("highest", [0.004, 0.9, 7.0, 123.0, 9_999.0, 87_000.0, 3e6])
@pytest.mark.parametrize("count", [1, 2, 30])
def test_no_text_of_a_plot_lies_on_another_or_outside(highest: float, count: int) -> None:
    dots = tuple(Dot(0.1 * i, highest, highest, highest, "") for i in range(1, count + 1))
    svg = line_plot(Axes("x (s)", "y (1/s)"), [Series("one", dots)])
    found = boxes(svg)
    assert len(found) >= 4
    for index, box in enumerate(found):
        assert box[0] >= 20.0, "on the name of the axis"
        assert box[2] <= WIDTH
        assert box[1] >= 0.0
        assert box[3] <= HEIGHT - 20
        assert not any(overlap(box, other) for other in found[:index])


@pytest.mark.parametrize("count", [1, 5, 12, 40])
def test_names_of_bars_do_not_lie_on_each_other(count: int) -> None:
    bars = [(f"{0.25 * index:g}", {"in_time": 0.6, "late": 0.4}) for index in range(count)]
    svg = stacked_bars("load", bars, {"in_time": 0, "late": 1})
    found = boxes(svg)
    for index, box in enumerate(found):
        assert not any(overlap(box, other) for other in found[:index])
    assert svg.count("<rect") == 2 * count


def test_stacked_bars_fill_the_frame() -> None:
    svg = stacked_bars("load", [("1", {"in_time": 0.25, "late": 0.75})], {"in_time": 0, "late": 1})
    heights = [float(height) for height in re.findall(r'height="([\d.]+)">', svg)]
    assert heights[1] == pytest.approx(3 * heights[0], rel=1e-3)


def test_series_differ_in_shape_and_not_only_in_colour() -> None:
    dots = (Dot(1.0, 1.0, 1.0, 1.0, ""), Dot(2.0, 1.0, 1.0, 1.0, ""))
    svg = line_plot(Axes("x", "y"), [Series("a", dots), Series("b", dots)])
    shapes = re.findall(r'class="marker s\d" d="M[\d. ]+([a-z][^"]*)"', svg)
    assert len(set(shapes)) == 2


def test_one_seed_is_not_given_an_interval() -> None:
    text = made(summary({"hasten": {0.5: (90,), 1.0: (80,)}}))
    assert "whisker s" not in text.split("</style>")[1]
    assert "One seed" in text


def test_the_document_is_json_in_a_steady_order() -> None:
    told = about(Small(), description="", command=COMMAND, seeds=(1, 2))
    one, other = (json.dumps(document(SWEPT, told)) for _ in range(2))
    assert one == other
    said = json.loads(one)
    assert list(said)[:5] == ["workload", "description", "command", "about", "headline"]
    assert len(said["runs"]) == 8
    cell = said["cells"][1]
    assert cell["load"] == 2.0
    assert cell["figures"]["attainment"]["mean"] == pytest.approx(0.95)
    assert cell["ends"]["overloaded"] == pytest.approx(0.05)
    assert said["goodput_at_99"][0]["policy"] == "hasten"


def test_a_run_without_arrivals_can_be_reported() -> None:
    from hasten_sim.sweep import Job

    empty = figures(offered=0, in_time=0, refused={}, admitted=0, goodput_by_s=(), offered_by_s=())
    read(made(summed_up([Job(Small(), "hasten", 1)], [empty])))


SHARED = """
name = "shared"
duration_s = 10
capacity_per_s = 300
[mesh]
lag_ms = 2
host = { cores = 2, accept_us = 100 }
[arrivals]
process = "poisson"
load = 0.5
[[models]]
name = "text"
alpha_ms = 10
element_us = 100
lengths = { kind = "mixed", choices = [[8, 1], [32, 1]] }
batch_max = 4
[[faults]]
kind = "steal"
at_s = 1
router = 0
share = 0.5
every_ms = 100
each_ms = 30
[[faults]]
kind = "crowd"
at_s = 2
for_s = 3
threads = 4
[[faults]]
kind = "hiccup"
at_s = 6
worker = 0
ms = 40
"""


def test_machines_lengths_and_thefts_are_told_in_words() -> None:
    told = about(Lasting(parse(SHARED, "shared.toml")), description="", command="", seeds=(1,))
    facts = dict(told.facts)
    assert facts["mesh"] == (
        "1 router, 1 worker; the end of a run is heard of after 2 ms; all on one machine of 2 cores"
    )
    assert facts["models"] == (
        "text: 12 ms a batch of 1, 18 ms of 4, at the mean of lengths from 8 to 32"
    )
    assert facts["capacity"] == "300 requests a second are the load 1"
    assert facts["faults"] == (
        "steal of router 0 50 % of the CPU for 30 ms of 100 ms at 1 s for good; "
        "crowd of 4 threads at 2 s for 3 s; hiccup of worker 0 of 40 ms at 6 s for good"
    )
