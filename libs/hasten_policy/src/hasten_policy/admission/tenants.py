"""Tenants pay in predicted service seconds, from a bucket that refills at their share."""


class TenantBuckets:
    """Token buckets of the tenants that have a limit; all others are free.

    Charged at admission with the predicted cost, corrected at the end with the real one.
    """

    __slots__ = ("_burst_s", "_filled_at_s", "_shares", "_tokens_s")

    def __init__(self, shares: tuple[tuple[str, float], ...], burst_s: float) -> None:
        self._shares = dict(shares)
        self._burst_s = burst_s
        self._tokens_s = {tenant: burst_s * share for tenant, share in shares}
        self._filled_at_s = dict.fromkeys(self._shares, 0.0)

    def wait_s(self, tenant: str, now_s: float) -> float:
        """Seconds until the tenant may be admitted again; 0 when it may now."""
        share = self._shares.get(tenant)
        if share is None:
            return 0.0
        if share <= 0:
            return float("inf")
        gained_s = (now_s - self._filled_at_s[tenant]) * share
        tokens_s = min(self._burst_s * share, self._tokens_s[tenant] + gained_s)
        self._tokens_s[tenant] = tokens_s
        self._filled_at_s[tenant] = now_s
        return 0.0 if tokens_s > 0 else -tokens_s / share + 0.001

    def charge(self, tenant: str, cost_s: float) -> None:
        """Takes cost_s (negative: gives back) from the tenant's bucket."""
        if tenant in self._tokens_s:
            self._tokens_s[tenant] -= cost_s
