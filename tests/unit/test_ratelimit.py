"""Fixed windows: counted per caller and bucket, half as many for strangers, with headers the client reads."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from openhood.base.errors import TooManyRequests
from openhood.base.settings import RateLimits
from openhood.domain.access import ANONYMOUS, Viewer
from openhood.http.ratelimit import Allowance, Windows

# huggingface_hub 2.4 `utils/_http.py`.
CLIENT_RATE = re.compile(r"\"(?P<resource_type>\w+)\"\s*;\s*r\s*=\s*(?P<r>\d+)\s*;\s*t\s*=\s*(?P<t>\d+)")
CLIENT_POLICY = re.compile(r"q\s*=\s*(?P<q>\d+).*?w\s*=\s*(?P<w>\d+)")


class Caller:
    """What the windows ask of a call."""

    def __init__(self, viewer: Viewer, host: str = "10.0.0.1") -> None:
        self.request = SimpleNamespace(client=SimpleNamespace(host=host))
        self._viewer = viewer

    async def viewer(self) -> Viewer:
        return self._viewer


ALICE = Viewer(user_id=1, name="alice")
BOB = Viewer(user_id=2, name="bob")


class Desk:
    """Windows of 100 seconds, with a clock of the test's own; they begin with a window."""

    def __init__(self, **limits: Any) -> None:
        self.moment = datetime(2027, 1, 1, tzinfo=UTC)
        self._windows = Windows(RateLimits(window_s=100, **limits), self)

    def now(self) -> datetime:
        return self.moment

    def take(self, viewer: Viewer, bucket: str = "api", host: str = "10.0.0.1") -> Allowance | None:
        return asyncio.run(self._windows.take(Caller(viewer, host), bucket))  # type: ignore[arg-type]


def test_nothing_is_counted_where_no_limit_is_set() -> None:
    desk = Desk()
    assert desk.take(ALICE) is None
    assert desk.take(ALICE, "") is None


def test_the_window_fills_and_opens_again() -> None:
    desk = Desk(api=3)
    left = [allowance.remaining for _ in range(3) if (allowance := desk.take(ALICE)) is not None]
    assert left == [2, 1, 0]
    desk.moment += timedelta(seconds=40)
    with pytest.raises(TooManyRequests) as refused:
        desk.take(ALICE)
    assert refused.value.facts["retry_after_s"] == 60
    assert "Retry after 60 seconds" in refused.value.message
    desk.moment += timedelta(seconds=60)
    again = desk.take(ALICE)
    assert again is not None
    assert again.remaining == 2


def test_callers_and_buckets_are_counted_apart() -> None:
    desk = Desk(api=1, pages=1)
    desk.take(ALICE)
    for viewer, bucket in ((BOB, "api"), (ALICE, "pages")):
        allowance = desk.take(viewer, bucket)
        assert allowance is not None
        assert allowance.remaining == 0


def test_strangers_get_a_share_per_address() -> None:
    desk = Desk(api=4)
    desk.take(ANONYMOUS)
    desk.take(ANONYMOUS)
    with pytest.raises(TooManyRequests):
        desk.take(ANONYMOUS)
    other = desk.take(ANONYMOUS, host="10.0.0.2")
    assert other is not None
    assert other.quota == 2


def test_the_headers_are_what_the_client_parses() -> None:
    headers = Allowance("api", quota=500, window_s=300, remaining=489, reset_s=189).headers()
    rate = CLIENT_RATE.search(headers["RateLimit"])
    policy = CLIENT_POLICY.search(headers["RateLimit-Policy"])
    assert rate is not None
    assert rate.groupdict() == {"resource_type": "api", "r": "489", "t": "189"}
    assert policy is not None
    assert policy.groupdict() == {"q": "500", "w": "300"}
