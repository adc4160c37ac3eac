"""The page that tells callers what each refusal means, made from the one list of reasons.

python -m hasten_runtime.error_docs                 print it
python -m hasten_runtime.error_docs --check FILE    exit 1 if FILE is not what would be printed
"""

import argparse
import sys
from pathlib import Path
from typing import Final

from hasten_policy.reasons import DOMAIN, Reason
from hasten_runtime.errors import ELSEWHERE_MS, STARTED_KEY
from hasten_runtime.problem import CONTENT_TYPE, http_status
from hasten_runtime.protocol_names import RETRY_PUSHBACK, STATUS_DETAILS

_HEAD: Final = f"""\
# Why a request was not answered

<!-- Made by `python -m hasten_runtime.error_docs`; do not edit. -->

Every refusal carries a canonical gRPC status and, in the trailer `{STATUS_DETAILS}`, a
`google.rpc.Status` with these details:

- `ErrorInfo`: `reason` from the table below, `domain` = `{DOMAIN}`, `metadata` with the facts of
  the case. `{STARTED_KEY}` = `true` means that the model had begun to run the request; without it
  the request was not run and may safely be sent elsewhere.
- `RetryInfo`: how long to wait, where a retry can help.
- `QuotaFailure`: whose share is used up, for `{Reason.TENANT_QUOTA.name}`.

The trailer `{RETRY_PUSHBACK}` speaks to clients that retry by service config, by the column
`retry` below:

- `no`: -1, do not retry.
- `yes`: the hint in milliseconds, 1 or more. A wait that the call's own deadline does not allow is
  no help: it is told as -1, without `RetryInfo`. Without a hint, `RESOURCE_EXHAUSTED` has -1, and
  `UNAVAILABLE` has no such trailer: the client's own backoff holds.
- `elsewhere`: {ELSEWHERE_MS}, whatever the hint in `RetryInfo` says of this server. A client of
  several routers asks the next one at once; a client of one has its refusal after its few attempts.

Message and metadata repeat what was sent only in part: all trailers together stay below the 8 KiB
that stock clients take, and what was cut ends with an ellipsis.

A `CANCELLED` without these details, of a call that you did not give up yourself, means `OVERLOADED`
too: more calls came than the server could even refuse, and gRPC cut this one unread
(`grpc.pending_max`). Hasten's own clients say so. A stock client may list `CANCELLED` among its
`retryableStatusCodes`, with a backoff; `clients/service_config.json` does not, as retries feed such
a crowd.

Over [HTTP](http.md) the same refusal is the status of the table and `{CONTENT_TYPE}`: `reason`,
`detail` (the message, also as `error`, where Triton's clients look), `metadata`, `started`, and
where a retry can help `retry_after_ms` and the header `Retry-After` in whole seconds. An unknown
path is 404 and a wrong method 405, both with the reason `{Reason.UNIMPLEMENTED.name}`.

The reason in lower case is the label `reason` of the metric `hasten_refusals_total`.

| reason | status | HTTP | retry | what to do |
|---|---|---|---|---|
"""


def retry_column(reason: Reason) -> str:
    """What the page says of retries: no, yes or elsewhere."""
    if reason.value.elsewhere:
        return "elsewhere"
    return "yes" if reason.value.retryable else "no"


def page() -> str:
    """The whole page."""
    rows = (
        f"| `{reason.name}` | `{reason.status}` | {http_status(reason)} | {retry_column(reason)} "
        f"| {reason.value.advice} |\n"
        for reason in Reason
    )
    return _HEAD + "".join(rows)


def main(argv: list[str] | None = None) -> int:
    """Prints or checks; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", metavar="FILE", type=Path, help="compare instead of printing")
    check: Path | None = parser.parse_args(argv).check
    if check is None:
        sys.stdout.write(page())
        return 0
    present = check.read_text() if check.is_file() else ""
    if present == page():
        return 0
    sys.stderr.write(f"{check} is stale: run python -m hasten_runtime.error_docs > {check}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
