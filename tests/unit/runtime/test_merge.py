"""One answer of many workers' answers."""

from hypothesis import given
from hypothesis import strategies as st

from hasten.inference.v2 import inference_pb2 as pb
from hasten_runtime.fanout import merge


def index(*entries: tuple[str, str, str, str]) -> pb.RepositoryIndexResponse:
    answer = pb.RepositoryIndexResponse()
    for name, version, state, reason in entries:
        answer.models.add(name=name, version=version, state=state, reason=reason)
    return answer


def entries(answer: pb.RepositoryIndexResponse) -> list[tuple[str, str, str, str]]:
    return [(entry.name, entry.version, entry.state, entry.reason) for entry in answer.models]


def test_a_model_ready_everywhere_is_ready_without_comment() -> None:
    merged = merge.repository_index(
        [("a", index(("m", "1", "READY", ""))), ("b", index(("m", "1", "READY", "")))],
        ready_only=False,
    )
    assert entries(merged) == [("m", "1", "READY", "")]


def test_a_model_ready_on_one_worker_is_ready_and_the_other_is_named() -> None:
    merged = merge.repository_index(
        [
            ("a", index(("m", "1", "READY", ""))),
            ("b", index(("m", "1", "UNAVAILABLE", "bad file"))),
            ("c", index()),
        ],
        ready_only=False,
    )
    [(_, _, state, reason)] = entries(merged)
    assert state == "READY"
    assert reason == ("READY on 1 of 3 workers; b: UNAVAILABLE: bad file; c: not in its repository")


def test_ready_only_leaves_out_what_is_ready_nowhere() -> None:
    answers = [
        ("a", index(("m", "1", "LOADING", ""), ("n", "2", "READY", ""))),
        ("b", index(("m", "1", "UNAVAILABLE", "no"))),
    ]
    assert [e[0] for e in entries(merge.repository_index(answers, ready_only=True))] == ["n"]
    everything = entries(merge.repository_index(answers, ready_only=False))
    assert [(name, state) for name, _, state, _ in everything] == [
        ("m", "LOADING"),
        ("n", "READY"),
    ]


def test_versions_sort_as_numbers() -> None:
    merged = merge.repository_index(
        [("a", index(("m", "10", "READY", ""), ("m", "9", "READY", "")))], ready_only=False
    )
    assert [version for _, version, _, _ in entries(merged)] == ["9", "10"]
    metadata = merge.model_metadata(
        [
            ("a", pb.ModelMetadataResponse(name="m", versions=["10", "2"])),
            ("b", pb.ModelMetadataResponse(name="m", versions=["2", "9"])),
        ]
    )
    assert list(metadata.versions) == ["2", "9", "10"]


def test_many_different_workers_are_not_all_named() -> None:
    answers = [("w00", index(("m", "1", "READY", "")))]
    answers += [(f"w{n:02}", index(("m", "1", "LOADING", ""))) for n in range(1, 20)]
    [(_, _, _, reason)] = entries(merge.repository_index(answers, ready_only=False))
    assert reason.endswith("; and 11 more")


def test_extensions_are_those_that_all_offer() -> None:
    answers = [
        ("a", pb.ServerMetadataResponse(extensions=["statistics", "logging", "trace"])),
        ("b", pb.ServerMetadataResponse(extensions=["trace", "statistics"])),
    ]
    assert merge.common_extensions(answers) == ["statistics", "trace"]
    assert merge.common_extensions([]) == []


def test_regions_of_all_workers_are_listed() -> None:
    one = pb.SystemSharedMemoryStatusResponse()
    one.regions["x"].byte_size = 1
    two = pb.SystemSharedMemoryStatusResponse()
    two.regions["y"].byte_size = 2
    merged = merge.regions([("a", one), ("b", two)])
    assert {name: region.byte_size for name, region in merged.regions.items()} == {"x": 1, "y": 2}


counts = st.integers(0, 2**40)
durations = st.builds(pb.StatisticDuration, count=counts, ns=counts)
model_statistics = st.builds(
    pb.ModelStatistics,
    name=st.sampled_from(["m", "n"]),
    version=st.sampled_from(["1", "2"]),
    last_inference=counts,
    inference_count=counts,
    execution_count=counts,
    inference_stats=st.builds(pb.InferStatistics, success=durations, queue=durations),
    batch_stats=st.lists(
        st.builds(pb.InferBatchStatistics, batch_size=st.integers(1, 4), compute_infer=durations),
        max_size=3,
        unique_by=lambda batch: batch.batch_size,
    ),
    memory_usage=st.lists(
        st.builds(pb.MemoryUsage, type=st.sampled_from(["CPU", "GPU"]), byte_size=counts),
        max_size=2,
        unique_by=lambda usage: usage.type,
    ),
)


@given(st.lists(model_statistics, min_size=1, max_size=5))
def test_statistics_add_up_whatever_worker_they_come_from(parts: list[pb.ModelStatistics]) -> None:
    answers = [
        (f"w{n}", pb.ModelStatisticsResponse(model_stats=[part])) for n, part in enumerate(parts)
    ]
    merged = merge.model_statistics(answers).model_stats
    assert [(s.name, s.version) for s in merged] == sorted({(p.name, p.version) for p in parts})
    assert sum(s.inference_count for s in merged) == sum(p.inference_count for p in parts)
    assert sum(s.inference_stats.success.ns for s in merged) == sum(
        p.inference_stats.success.ns for p in parts
    )
    assert sum(b.compute_infer.count for s in merged for b in s.batch_stats) == sum(
        b.compute_infer.count for p in parts for b in p.batch_stats
    )
    assert sum(u.byte_size for s in merged for u in s.memory_usage) == sum(
        u.byte_size for p in parts for u in p.memory_usage
    )
    for total in merged:
        sizes = [batch.batch_size for batch in total.batch_stats]
        assert sizes == sorted(set(sizes))
        mine = [p for p in parts if (p.name, p.version) == (total.name, total.version)]
        assert total.last_inference == max(p.last_inference for p in mine)
