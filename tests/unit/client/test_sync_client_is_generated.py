"""The tool that writes the synchronous client from the asyncio one."""

import inspect

import pytest

import hasten_client as hc
from tools import sync_client


def methods(client: type) -> dict[str, list[str]]:
    return {
        name: list(inspect.signature(method).parameters)
        for name, method in vars(client).items()
        if callable(method) and not name.startswith("_")
    }


SOURCE = (sync_client.CLIENT / "aio.py").read_text()


@pytest.mark.parametrize(
    ("asynchronous", "synchronous"),
    [(hc.AsyncClient, hc.Client), (hc.AsyncTaskClient, hc.TaskClient)],
    ids=["inference", "tasks"],
)
def test_both_clients_offer_the_same_calls_with_the_same_arguments(
    asynchronous: type, synchronous: type
) -> None:
    assert methods(synchronous) == methods(asynchronous) != {}


@pytest.mark.parametrize(("source", "target"), sync_client.FILES.items())
def test_the_committed_client_is_what_the_tool_writes(source: str, target: str) -> None:
    text = (sync_client.CLIENT / source).read_text()
    wanted = sync_client.formatted(sync_client.synchronous(text, source), target)
    assert (sync_client.CLIENT / target).read_text() == wanted


@pytest.mark.parametrize("line", ["asyncio.sleep(1)", "class AsyncThing:", "grpc.aio.Channel"])
def test_a_word_without_a_synchronous_form_stops_the_tool(line: str) -> None:
    with pytest.raises(ValueError, match="change WORDS"):
        sync_client.synchronous(f"{SOURCE}\n{line}\n", "aio.py")


def test_a_sentence_that_is_gone_stops_the_tool() -> None:
    with pytest.raises(ValueError, match="change SENTENCES"):
        sync_client.synchronous(SOURCE.replace("in `async with`", ""), "aio.py")
