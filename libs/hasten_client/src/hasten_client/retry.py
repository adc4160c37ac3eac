"""When to try again: gRFC A6's throttling and backoff, and never past the deadline."""

import threading
from dataclasses import dataclass
from random import Random
from typing import Final

from hasten_client.errors import HastenError, Overloaded, Unavailable

ELSEWHERE_S: Final = 0.001
"""The wait before the first retry where another server may answer at once."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how soon to retry.

    Attributes:
        attempts_max: Most attempts of one call, the first included.
        backoff_s_initial: Upper end of the first random wait, when the server gave no hint.
        backoff_s_max: Upper end that later waits grow to, doubling each time.
        hint_s_max: A server's hint that is longer than this is not waited for.
        tokens_max: Size of the retry budget. A failure costs one token; retries stop while
            half or less is left.
        token_ratio: What each success returns to the budget.
    """

    attempts_max: int = 3
    backoff_s_initial: float = 0.05
    backoff_s_max: float = 1.0
    hint_s_max: float = 30.0
    tokens_max: float = 10.0
    token_ratio: float = 0.1


class RetryBudget:
    """Tokens shared by all calls of a client, so that retries never multiply an outage.

    The rule is that of gRFC A6 (retry throttling). Safe to use from several threads.
    """

    def __init__(self, policy: RetryPolicy) -> None:
        self._tokens_max = policy.tokens_max
        self._token_ratio = policy.token_ratio
        self._tokens = policy.tokens_max
        self._lock = threading.Lock()

    @property
    def tokens(self) -> float:
        """Tokens left."""
        return self._tokens

    def succeeded(self) -> None:
        """A call was answered."""
        with self._lock:
            self._tokens = min(self._tokens_max, self._tokens + self._token_ratio)

    def failed(self) -> bool:
        """A call failed in a way that invites or forbids a retry; True if one is allowed."""
        with self._lock:
            self._tokens = max(0.0, self._tokens - 1.0)
            return self._tokens > self._tokens_max / 2


class Attempts:
    """The attempts of one call: decides after each failure, on the caller's clock."""

    def __init__(
        self,
        policy: RetryPolicy,
        budget: RetryBudget,
        rng: Random,
        *,
        deadline_s: float | None,
        now_s: float,
    ) -> None:
        self._policy = policy
        self._budget = budget
        self._rng = rng
        self._ends_at_s = None if deadline_s is None else now_s + deadline_s
        self._made = 0
        self._may_go_elsewhere = policy.attempts_max > 1

    def time_left_s(self, now_s: float) -> float | None:
        """Seconds until the deadline, at least a little; None without one."""
        return None if self._ends_at_s is None else max(self._ends_at_s - now_s, 1e-6)

    def succeeded(self) -> None:
        """The call was answered."""
        self._budget.succeeded()

    def retry_delay_s(self, error: HastenError, *, now_s: float) -> float | None:
        """Seconds to wait before the next attempt; None to give up with this error.

        UNAVAILABLE is retried, for it means that nothing was processed. An overload is
        retried only when the server said after how long, because a blind retry feeds it. Where
        another server may answer, one more attempt comes at once before each wait.
        """
        if error.elsewhere and self._may_go_elsewhere:
            # Once before each wait, and it costs neither attempt nor budget: one server of several
            # that cannot serve is no outage, and would use up what retries there are.
            self._may_go_elsewhere = False
            return self._in_time(ELSEWHERE_S, now_s)
        self._made += 1
        delay_s = self._delay_s(error)
        if delay_s is None and not error.retry_forbidden:
            return None
        if not self._budget.failed() or delay_s is None:
            return None
        if self._made >= self._policy.attempts_max:
            return None
        self._may_go_elsewhere = True
        return self._in_time(delay_s, now_s)

    def _in_time(self, delay_s: float, now_s: float) -> float | None:
        """The wait, if there is time for it."""
        late = self._ends_at_s is not None and now_s + delay_s >= self._ends_at_s
        return None if late else delay_s

    def _delay_s(self, error: HastenError) -> float | None:
        """The wait that the error asks for, were there budget and time."""
        if error.retry_forbidden or not isinstance(error, Unavailable | Overloaded):
            return None
        if error.retry_after_s is not None:
            return error.retry_after_s if error.retry_after_s <= self._policy.hint_s_max else None
        if isinstance(error, Overloaded):
            return None
        # Full jitter, so that clients that failed together do not return together.
        longest_s = self._policy.backoff_s_initial * 2.0 ** (self._made - 1)
        return self._rng.uniform(0.0, min(self._policy.backoff_s_max, longest_s))
