"""Repositories written for Triton are served as they are."""

import numpy as np
import pytest
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("compat")]

Client = triton.InferenceServerClient


def put(name: str, value: np.ndarray, datatype: str) -> triton.InferInput:
    given = triton.InferInput(name, list(value.shape), datatype)
    given.set_data_from_numpy(value)
    return given


def test_the_vision_model_answers(client: Client) -> None:
    pictures = np.random.default_rng(1).random((5, 3, 4, 4), np.float32)
    answer = client.infer("densenet_like", [put("data_0", pictures, "FP32")]).as_numpy("fc6_1")
    assert np.allclose(answer, pictures.mean(axis=(2, 3)), atol=1e-6)


def test_the_text_encoder_takes_any_length_and_serves_only_the_latest_version(
    client: Client,
) -> None:
    ids = np.arange(24, dtype=np.int64).reshape(2, 12)
    mask = np.ones_like(ids)
    result = client.infer(
        "bert_like", [put("input_ids", ids, "INT64"), put("attention_mask", mask, "INT64")]
    )
    assert np.allclose(result.as_numpy("pooled").flatten(), ids.mean(axis=1))
    assert result.get_response().model_version == "7"
    assert not client.is_model_ready("bert_like", "1")


def test_the_score_serves_the_versions_that_its_policy_names(client: Client) -> None:
    value = np.array([1.0, 2.0, 3.0, 10.0])
    given = [put("features", value, "FP64")]
    assert client.infer("score", given).as_numpy("score").tolist() == [4.0]
    assert client.infer("score", given, model_version="1").as_numpy("score").tolist() == [10.0]
    with pytest.raises(InferenceServerException) as raised:
        client.infer("score", given, model_version="2")
    assert "NOT_FOUND" in str(raised.value.status())
