from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hasten_sim.workload import WorkloadError, load, parse
from tests.unit.sim_workload.texts import MODEL, POISSON, text

BAD = """
durations_s = 3
warmup_s = "2"
policies = "hasten"
name = "bad"

[mesh]
workers = 0
network = { latency_s = 0.1 }

[arrivals]
process = "gama"

[[models]]
name = "a"
alpha_ms = 10
noise = { cv = -1 }

[[models]]
name = "b"

[deadlines]
kind = "fixed"

[rows]

[[faults]]
kind = "crash"
worker = "all"
at_s = nan
"""

STEAL = "[[faults]]\nkind = 'steal'\nat_s = 1\n"
CROWD = "[[faults]]\nkind = 'crowd'\nat_s = 1\n"
HICCUP = "[[faults]]\nkind = 'hiccup'\nat_s = 1\nworker = 0\n"

PROCESSES = "'poisson', 'gamma', 'mmpp', 'on_off', 'step', 'diurnal', 'trace'"


def faults(written: str, source: str = "bad.toml") -> list[str]:
    with pytest.raises(WorkloadError) as caught:
        parse(written, source)
    assert str(caught.value) == "\n".join(caught.value.faults)
    return sorted(caught.value.faults)


def test_every_fault_is_listed_with_its_key_what_was_found_and_what_is_expected() -> None:
    assert faults(BAD) == sorted(
        [
            "bad.toml: duration_s: missing (Requests come for so long)",
            "bad.toml: durations_s: unknown key; did you mean 'duration_s'?",
            "bad.toml: warmup_s: found '2', expected a valid number",
            "bad.toml: policies: found 'hasten', expected a list",
            "bad.toml: mesh.workers: found 0, expected greater than or equal to 1",
            "bad.toml: mesh.network.latency_s: unknown key; did you mean 'latency_ms'?",
            f"bad.toml: arrivals.process: found 'gama', expected {PROCESSES}",
            "bad.toml: models[0].noise.cv: found -1, expected greater than or equal to 0",
            "bad.toml: models[1]: expected either alpha_ms and beta_ms, or points",
            "bad.toml: deadlines.ms: missing (From arrival to deadline)",
            "bad.toml: rows.kind: missing, expected 'fixed' or 'mixed' or 'uniform'",
            "bad.toml: faults[0].worker: found 'all', expected a valid integer or 'random'",
            "bad.toml: faults[0].at_s: found nan, expected a finite number",
        ]
    )


def test_an_unknown_key_that_is_like_no_other_is_answered_with_those_there_are() -> None:
    (fault,) = faults(text("[sweep]\nzzz = 1"))
    assert fault == "bad.toml: sweep.zzz: unknown key, expected one of load, routers, workers"


@pytest.mark.parametrize(
    ("rates", "process"),
    [("", "poisson"), ("load = 1\nrate_per_s = 2", "poisson"), ("cv = 2", "gamma")],
)
def test_exactly_one_of_load_and_rate_is_wanted(rates: str, process: str) -> None:
    arrivals = f'[arrivals]\nprocess = "{process}"\n{rates}\n'
    assert faults(text(arrivals=arrivals)) == [
        "bad.toml: arrivals: expected exactly one of load and rate_per_s"
    ]


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ("warmup_s = 10", "warmup_s: found 10, expected less than duration_s = 10"),
        ("[rows]\nkind = 'fixed'\nrows = 33", "models[0].batch_max: found 32, expected at least"),
        ("[[faults]]\nkind = 'hang'\nat_s = 1\nworker = 1", "faults[0].worker: found 1, expected"),
        ("[[faults]]\nkind = 'crash'\nat_s = 1", "faults[0]: expected worker for every kind"),
        ("[[faults]]\nkind = 'slow'\nat_s = 1\nworker = 0", "faults[0]: expected factor for slow"),
        ("[mesh]\nweights = [1]", "mesh: expected weights_known = true beside weights"),
        ("[priorities]\nshares = [0, 0]", "priorities.shares: expected at least one share"),
        ("[priorities]\nshares = [1, 1, 1, 1, 1]", "expected at most 4 of them"),
        ("[mesh]\nspeeds = []", "mesh.speeds: found [], expected at least 1 of them"),
        ("[rows]\nkind = 'uniform'\nleast = 3\nmost = 2", "rows: expected most to be at least"),
        ("tenants = [{name = 'a'}, {name = 'a'}]", "tenants: expected tenants with different"),
        (f"{STEAL}worker = 0\nrouter = 0", "faults[0]: expected at most one of worker and router"),
        (f"{STEAL}router = 1", "faults[0].router: found 1, expected less than the number of rout"),
        (f"{STEAL}every_ms = 100", "faults[0]: expected every_ms and each_ms together"),
        (f"{STEAL}every_ms = 10\neach_ms = 10", "faults[0]: expected each_ms of less than every"),
        (f"{STEAL}share = 1.5", "faults[0].share: found 1.5, expected less than or equal to 1"),
        (f"{CROWD}threads = 2", "faults[0]: found a crowd, expected a machine for it: [mesh.host]"),
        (CROWD, "faults[0]: expected threads for crowd, and for nothing else"),
        (f"{CROWD}threads = 2\nworker = 0", "faults[0]: expected worker for every kind but"),
        (f"{HICCUP}share = 0.5\nms = 3", "faults[0]: expected router, share, every_ms and each_ms"),
        (HICCUP, "faults[0]: expected ms for hiccup, and for nothing else"),
        ("[mesh.host]\naccept_us = 3", "mesh.host.cores: missing (Its cores"),
    ],
)
def test_what_does_not_fit_together_is_said(table: str, fault: str) -> None:
    (found,) = faults(text(table))
    assert fault in found


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        ("lengths = { kind = 'fixed' }", "models[0].lengths.length: missing (Of each row)"),
        ("lengths = { kind = 'mixd' }", "models[0].lengths.kind: found 'mixd', expected 'fixed', "),
        ("lengths = { kind = 'mixed', choices = [[0, 1]] }", "lengths.choices[0][0]: found 0"),
        ("lengths = { kind = 'mixed', choices = [] }", "lengths.choices: found [], expected at "),
        ("lengths = { kind = 'lognormal', mean_length = 0.5, cv = 1 }", "mean_length: found 0.5"),
        ("profiled_at = 'noon'", "models[0].profiled_at: found 'noon', expected 'lengths', "),
        ("noise = { stall_ms = 5 }", "models[0].noise: expected stall_every_s and stall_ms above"),
        ("noise = { stall_every_s = 1 }", "models[0].noise: expected stall_every_s and stall_ms"),
        ("noise = { stall_every_s = 1, stall_ms = 600 }", "stall_ms of at most half of stall_ever"),
        ("element_us = -1", "models[0].element_us: found -1, expected greater than or equal to 0"),
    ],
)
def test_what_does_not_fit_a_model_is_said(keys: str, fault: str) -> None:
    (found,) = faults(text(models=f"{MODEL}{keys}\n"))
    assert fault in found


def test_measured_points_say_all_about_the_time_of_a_batch() -> None:
    points = MODEL.replace("alpha_ms = 10\nbeta_ms = 1", "points = [[1, 5]]\nelement_us = 3")
    assert faults(text(models=points)) == [
        "bad.toml: models[0]: expected alpha_ms and beta_ms beside element_us and square_us"
    ]


def test_two_models_of_one_name_are_refused_also_when_a_count_makes_them() -> None:
    models = MODEL.replace('"model"', '"model1"') + MODEL + "count = 3\n"
    (found,) = faults(text(models=models))
    assert found == ("bad.toml: models: found 2 of the name 'model1', expected different names")


def test_a_text_that_is_not_toml_is_answered_with_the_line() -> None:
    (found,) = faults("name = 'a'\nduration_s = = 3\n")
    assert found.startswith("bad.toml: is not TOML: ")
    assert "line 2" in found


@pytest.mark.parametrize("value", ["9" * 4400, "[" * 3000 + "]" * 3000])
def test_a_text_that_the_parser_gives_up_is_answered_too(value: str) -> None:
    (found,) = faults(f"name = {value}\n")
    assert found.startswith("bad.toml: is not TOML: ")


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ("[mesh]\nworkers = 1_000_000_000", "mesh.workers: found 1000000000, expected less than"),
        ("[mesh.network]\nlatency_ms = 1e300", "mesh.network.latency_ms: found 1e+300, expected"),
        ("[mesh.network]\nreport_period_ms = 1e-9", "report_period_ms: found 1e-09, expected"),
    ],
)
def test_numbers_that_no_run_could_end_with_are_refused(table: str, fault: str) -> None:
    (found,) = faults(text(table))
    assert fault in found


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"workers": 20_001}, "test: workers: found 20,001, expected at most 20,000"),
        ({"workers": 20_000, "routers": 1000}, "product of at most 10,000,000"),
        ({"duration_s": 1e9}, "of one run"),
    ],
)
def test_a_run_larger_than_one_can_be_is_refused(changed: dict[str, Any], fault: str) -> None:
    with pytest.raises(WorkloadError, match=fault):
        parse(text(), "large.toml").scenario(**changed)


@pytest.mark.parametrize("name", ["", "a\\u0000b"])
def test_a_name_that_no_file_can_have_is_refused(name: str, tmp_path: Path) -> None:
    trace = f'[arrivals]\nprocess = "trace"\nfile = "{name}"\n'
    for written in (f'extends = "{name}"\n{text()}', text(arrivals=trace)):
        with pytest.raises(WorkloadError):
            parse(written, str(tmp_path / "bad.toml"))


def test_a_file_that_is_not_there_or_no_text_is_answered_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match=r"none\.toml: cannot be read: No such file"):
        load(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(WorkloadError, match=r"binary\.toml: is not UTF-8 text"):
        load(tmp_path / "binary.toml")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text("ab\"'[]", max_size=4),
        lambda inner: st.lists(inner, max_size=3),
        max_leaves=4,
    ),
    st.sampled_from(["name", "mesh", "models", "deadlines.kind", "rows", "faults", "tenants"]),
)
def test_no_value_of_any_type_gets_past_as_anything_but_a_workload_error(
    value: object, key: str
) -> None:
    written = f"{key} = {'{}' if value is None else value!r}\n".replace("True", "true")
    written = written.replace("False", "false").replace("None", "{}")
    try:
        parse(written + POISSON, "bad.toml")
    except WorkloadError as error:
        assert all(fault.startswith("bad.toml: ") for fault in error.faults)  # noqa: PT017
    else:
        pytest.fail("a file without models was taken")
