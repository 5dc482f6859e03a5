"""Fixed-window rate limits with the Hub's headers, per signed-in user or per address.

Counters live in this process: with several replicas each allows the configured share, which the
operators' guide says. Off unless a limit is set.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from openhood.base.clock import Clock
from openhood.base.errors import TooManyRequests
from openhood.base.settings import RateLimits
from openhood.http.context import Call

_MAX_CALLERS = 100_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a caller's window after this request."""

    bucket: str
    quota: int
    window_s: int
    remaining: int
    reset_s: int

    def headers(self) -> dict[str, str]:
        """Return the ``RateLimit`` headers as huggingface_hub parses them (``utils/_http.py``)."""
        return {
            "RateLimit": f'"{self.bucket}";r={self.remaining};t={self.reset_s}',
            "RateLimit-Policy": f'"fixed window";"{self.bucket}";q={self.quota};w={self.window_s}',
        }


class Windows:
    """Counts requests per bucket and caller in the present window. Used from the event loop only."""

    def __init__(self, limits: RateLimits, clock: Clock) -> None:
        self._limits = limits
        self._clock = clock
        self._window = 0
        self._counts: dict[tuple[str, str], int] = {}

    async def take(self, call: Call, bucket: str) -> Allowance | None:
        """Count one request; None where the bucket has no limit. Raises TooManyRequests."""
        # No bucket: the route takes signed links, whose callers' credentials belong to something else.
        quota: int = getattr(self._limits, bucket) if bucket else 0
        if quota == 0:
            return None
        viewer = await call.viewer()
        if viewer.is_anonymous:
            client = call.request.client
            caller = f"address {client.host if client else ''}"
            quota = max(1, int(quota * self._limits.anonymous_share))
        else:
            caller = f"user {viewer.user_id}"
        return self._count(bucket, caller, quota)

    def _count(self, bucket: str, caller: str, quota: int) -> Allowance:
        now = self._clock.now().timestamp()
        window = int(now // self._limits.window_s)
        if window != self._window or len(self._counts) > _MAX_CALLERS:
            self._window = window
            self._counts.clear()
        reset_s = math.ceil((window + 1) * self._limits.window_s - now)
        used = self._counts.get((bucket, caller), 0) + 1
        self._counts[bucket, caller] = used
        allowance = Allowance(bucket, quota, self._limits.window_s, max(0, quota - used), reset_s)
        if used > quota:
            raise TooManyRequests(
                f"You have sent more than {quota} requests in {self._limits.window_s} seconds. "
                f"Retry after {reset_s} seconds.",
                retry_after_s=reset_s,
                allowance=allowance,
            )
        return allowance
