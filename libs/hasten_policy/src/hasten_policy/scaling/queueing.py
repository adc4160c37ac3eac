"""How many servers keep a promise: Erlang C, and the rate of a server that runs batches."""

from dataclasses import dataclass
from math import ceil, exp, inf
from typing import Final

SERVERS_MAX: Final = 100_000
"""Nobody is told to have more."""


@dataclass(frozen=True, slots=True)
class BatchCurve:
    """Seconds of a batch of b rows: alpha_s + beta_s * b.

    Attributes:
        alpha_s: Fixed part.
        beta_s: Seconds a row.
        batch_max: Most rows in a batch.
        lanes: Batches that a worker runs at once.
    """

    alpha_s: float
    beta_s: float
    batch_max: int = 1
    lanes: int = 1

    def rows_per_s(self, slack_s: float, workers: int = 1) -> float:
        """Rows a second of one worker that keeps a deadline.

        With b* the largest batch for which alpha_s + beta_s * b, times 1 + 1 / workers, fits into
        the slack: a call may have to wait for the end of the batch before its own (Symphony,
        arXiv 2308.07470). A batch of one row where not even that fits.

        Args:
            slack_s: From the arrival of a call to its deadline; inf for none.
            workers: Workers that share the calls.
        """
        room_s = slack_s / (1.0 + 1.0 / max(1, workers))
        fits = (room_s - self.alpha_s) / self.beta_s if self.beta_s else inf
        rows = int(max(1.0, min(float(self.batch_max), fits)))
        seconds = self.alpha_s + self.beta_s * rows
        return self.lanes * rows / seconds if seconds > 0.0 else inf


def erlang_c(servers: int, offered: float) -> float:
    """P(a call has to wait) in M/M/c.

    Args:
        servers: c, at least 1.
        offered: Arrival rate over the rate of one server, in servers.

    Returns:
        1 where there are no more servers than are offered work.
    """
    if offered >= servers:
        return 1.0
    blocked = 1.0
    for count in range(1, servers + 1):
        blocked = _blocked(count, offered, blocked)
    return _waits(servers, offered, blocked)


def wait_above(
    servers: int, offered: float, rate_per_s: float, wait_s: float, variability: float = 1.0
) -> float:
    """P(a call waits longer than wait_s): Erlang C times the decay of the wait.

    For other than Poisson arrivals and exponential runs the exponent is multiplied by
    2 / (Ca^2 + Cs^2), the heavy-traffic approximation of G/G/c (Kingman 1962).

    Args:
        servers: c, at least 1.
        offered: Arrival rate over the rate of one server.
        rate_per_s: Of one server.
        wait_s: The bound.
        variability: (Ca^2 + Cs^2) / 2; 1 for M/M/c.
    """
    decay = (servers - offered) * rate_per_s * wait_s / variability
    return erlang_c(servers, offered) * exp(-max(0.0, decay))


def servers_for(
    offered: float, rate_per_s: float, wait_s: float, share: float, variability: float = 1.0
) -> int:
    """The least number of servers at which no more than `share` of the calls wait longer.

    Args:
        offered: Arrival rate over the rate of one server; 0 needs no server.
        rate_per_s: Of one server.
        wait_s: The bound; inf where any wait is short enough.
        share: Of the calls, above 0.
        variability: As `wait_above`.
    """
    if offered <= 0.0:
        return 0
    blocked, count = 1.0, 0
    while count < SERVERS_MAX:
        count += 1
        blocked = _blocked(count, offered, blocked)
        if count > offered:
            decay = (count - offered) * rate_per_s * wait_s / variability
            if _waits(count, offered, blocked) * exp(-decay) <= share:
                return count
    return SERVERS_MAX


def at_use(offered: float, use: float) -> int:
    """Servers of which a share `use` is busy."""
    # A hair less: 0.7 / 0.1 is 7 and not 8.
    return max(0, ceil(offered / use - 1e-9))


def _blocked(count: int, offered: float, before: float) -> float:
    """Erlang B of `count` servers from that of one less: stable for any number."""
    return offered * before / (count + offered * before)


def _waits(count: int, offered: float, blocked: float) -> float:
    """Erlang C from Erlang B."""
    return blocked / (1.0 - offered / count * (1.0 - blocked))
