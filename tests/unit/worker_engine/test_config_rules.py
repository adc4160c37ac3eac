import pytest

from hasten_worker.engine.config.parameters import Parameters, read_parameters
from hasten_worker.engine.config.rules import backend_of, check_fields
from hasten_worker.engine.config.text import config_from_text
from hasten_worker.engine.refusal import ModelRefused

ACCELERATOR = (
    "optimization {{ execution_accelerators {{ {}_execution_accelerator {{ name: '{}' }} }} }}"
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ensemble_scheduling { step { model_name: 'a' } }", "ensembles are not served"),
        ("ensemble_scheduling { }", "ensembles are not served"),
        ("sequence_batching { }", "keep state between requests"),
        ("model_transaction_policy { decoupled: true }", "any number of answers"),
        ("batch_input { kind: BATCH_ELEMENT_COUNT }", "batch_input"),
        ("batch_output { }", "batch_output"),
        ("model_operations { op_library_filename: 'x.so' }", "custom operator libraries"),
        ("model_repository_agents { agents { name: 'checksum' } }", "agents may check"),
    ],
)
def test_what_would_be_served_wrongly_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ModelRefused, match=reason):
        check_fields(config_from_text(text).config)


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("response_cache { enable: true }", "response_cache is ignored"),
        ("cc_model_filenames { key: '7.5' value: 'm' }", "cc_model_filenames is ignored"),
        ("metric_tags { key: 'a' value: 'b' }", "metric_tags is ignored"),
        ("model_metrics { }", "model_metrics is ignored"),
        ("runtime: 'x.so'", "runtime is ignored"),
        ("input { name: 'x' format: FORMAT_NCHW }", "input x: format is ignored"),
        ("input { name: 'x' is_shape_tensor: true }", "input x: TensorRT's"),
        ("input { name: 'x' allow_ragged_batch: true }", "input x: allow_ragged_batch"),
        ("output { name: 'y' is_shape_tensor: true }", "output y: TensorRT's"),
        ("instance_group { kind: KIND_MODEL }", "KIND_MODEL is taken as KIND_AUTO"),
        ("instance_group { rate_limiter { priority: 1 } }", "rate_limiter is ignored"),
        ("instance_group { secondary_devices { device_id: 1 } }", "secondary_devices is ignored"),
        ("instance_group { profile: 'a' }", "profile is ignored"),
        ("instance_group { passive: true }", "passive is ignored"),
        ("instance_group { host_policy: 'a' }", "host_policy is ignored"),
        ("dynamic_batching { preserve_ordering: true }", "preserve_ordering is ignored"),
        (
            "dynamic_batching { priority_queue_policy { key: 1 value { } } }",
            "default_queue_policy holds for every priority",
        ),
        (
            "dynamic_batching { default_queue_policy { timeout_action: DELAY } }",
            "DELAY is taken as REJECT",
        ),
        ("optimization { priority: PRIORITY_MAX }", "optimization.priority is ignored"),
        ("optimization { cuda { graphs: true } }", "optimization.cuda is ignored"),
        ("optimization { input_pinned_memory { enable: true } }", "input_pinned_memory"),
        ("optimization { output_pinned_memory { enable: false } }", "output_pinned_memory"),
        ("optimization { gather_kernel_buffer_threshold: 1 }", "gather_kernel_buffer_threshold"),
        ("optimization { eager_batching: true }", "eager_batching"),
        (
            ACCELERATOR.format("cpu", "openvino"),
            "'openvino' for CPU is ignored",
        ),
        (
            ACCELERATOR.format("gpu", "cutie"),
            "'cutie' for GPU is ignored",
        ),
    ],
)
def test_what_is_not_honoured_is_said_in_one_sentence(text: str, note: str) -> None:
    notes = check_fields(config_from_text(text).config)
    assert len(notes) == 1
    assert note in notes[0]


def test_what_is_honoured_needs_no_words() -> None:
    written = config_from_text(
        """
        name: "m" backend: "onnxruntime" platform: "onnxruntime_onnx" max_batch_size: 8
        version_policy { all { } }
        input { name: "x" data_type: TYPE_FP32 dims: 2 reshape { shape: [ 1, 2 ] } optional: true }
        output { name: "y" data_type: TYPE_FP32 dims: [ 2 ] label_filename: "labels.txt" }
        instance_group { count: 2 kind: KIND_CPU name: "g" }
        default_model_filename: "m.onnx"
        dynamic_batching {
            preferred_batch_size: [ 4, 8 ] max_queue_delay_microseconds: 100
            priority_levels: 3 default_priority_level: 2
            default_queue_policy {
                timeout_action: REJECT max_queue_size: 10 default_timeout_microseconds: 5
                allow_timeout_override: true
            }
        }
        model_warmup { name: "w" batch_size: 1 }
        optimization { graph { level: 1 } }
        response_cache { enable: false }
        """
    )
    assert written.unknown == ()
    assert check_fields(written.config) == []


@pytest.mark.parametrize(
    ("text", "backend"),
    [
        ("", "onnxruntime"),
        ("backend: 'onnxruntime'", "onnxruntime"),
        ("platform: 'onnxruntime_onnx'", "onnxruntime"),
        ("backend: 'synthetic'", "synthetic"),
    ],
)
def test_the_back_end_is_known(text: str, backend: str) -> None:
    assert backend_of(config_from_text(text).config) == backend


@pytest.mark.parametrize(
    "text",
    [
        "backend: 'python'",
        "platform: 'tensorrt_plan'",
        "platform: 'ensemble'",
        "backend: 'synthetic' platform: 'onnxruntime_onnx'",
    ],
)
def test_another_back_end_is_refused(text: str) -> None:
    with pytest.raises(ModelRefused):
        backend_of(config_from_text(text).config)


def parameters(**texts: str) -> tuple[Parameters, list[str]]:
    config = config_from_text("max_batch_size: 16").config
    for key, text in texts.items():
        config.parameters[key.replace("__", ".")].string_value = text
    return read_parameters(config)


def test_parameters_are_read_with_their_units() -> None:
    read, unread = parameters(
        intra_op_thread_count="3",
        inter_op_thread_count="2",
        execution_mode="1",
        enable_mem_arena="0",
        enable_mem_pattern="false",
        hasten__batch_sizes=" 8, 1,4 ",
        hasten__run_timeout_ms="1500",
        hasten__default_timeout_ms="20.5",
        hasten__warm_up="off",
        alpha_ms="2.5",
        beta_ms="0.5",
        noise="0.2",
        seed="7",
    )
    assert unread == []
    assert read == Parameters(
        intra_op_threads=3,
        inter_op_threads=2,
        parallel=True,
        mem_arena=False,
        mem_pattern=False,
        batch_sizes=(1, 4, 8),
        run_timeout_s=1.5,
        default_timeout_s=0.0205,
        warm_up=False,
        alpha_s=0.0025,
        beta_s=0.0005,
        noise=0.2,
        seed=7,
    )


def test_a_parameter_that_nobody_reads_is_named() -> None:
    _, unread = parameters(cudnn_conv_algo_search="1")
    assert unread == ["parameter 'cudnn_conv_algo_search' is ignored: it is not known here"]


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("intra_op_thread_count", "-1"),
        ("intra_op_thread_count", "two"),
        ("intra_op_thread_count", "99999999999999999999999"),
        ("intra_op_thread_count", "٣"),
        ("execution_mode", "2"),
        ("enable_mem_arena", "maybe"),
        ("hasten__batch_sizes", "1,,2"),
        ("hasten__batch_sizes", "1;2"),
        ("hasten__run_timeout_ms", "nan"),
        ("hasten__run_timeout_ms", "inf"),
        ("hasten__default_timeout_ms", "-1"),
        ("alpha_ms", "1e300"),
        ("noise", "much"),
        ("seed", "1.5"),
    ],
)
def test_a_parameter_out_of_range_is_refused_by_name(key: str, text: str) -> None:
    with pytest.raises(ModelRefused, match=f"parameter '{key.replace('__', '.')}' is"):
        parameters(**{key: text})
