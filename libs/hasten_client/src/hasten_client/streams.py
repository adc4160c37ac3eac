"""What both clients share of streaming inference."""

from typing import Final

from hasten.inference.v2 import inference_pb2 as pb
from hasten_client.errors import HastenError
from hasten_client.operations import INFERENCE, Pairs, Stream
from hasten_client.request import message
from hasten_client.result import Result, result

INFER: Final = Stream(INFERENCE["ModelStreamInfer"], message, pb.ModelStreamInferResponse)

# Asks the server to end the stream with a status, reason and all, instead of a sentence
# inside the stream.
_STATUS_ERRORS: Final[Pairs] = (("triton_grpc_error", "true"),)


def metadata(of_client: Pairs, of_call: Pairs) -> Pairs:
    """Extra metadata of a stream, for gRPC."""
    return (*of_client, *of_call, *_STATUS_ERRORS)


def answer(wire: pb.ModelStreamInferResponse) -> Result:
    """One answer of a stream.

    Raises:
        HastenError: The server put a failure into the stream, as servers do that cannot
            end it with a status; only its sentence is known.
    """
    if wire.error_message:
        raise HastenError(wire.error_message)
    return result(wire.infer_response)
