"""Rate limits: requests per minute from one account, or from one address without an account.

Each has a token bucket in this process's memory, which holds a minute's worth and fills steadily. So each replica
counts separately and needs no database. Attempts such as logins are counted by all replicas together: see
`accounts/throttling.py`. The headers follow draft-ietf-httpapi-ratelimit-headers-10.
"""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from starlette.requests import Request

from video2mp3.accounts.throttling import network_of
from video2mp3.errors import RateLimited
from video2mp3.settings import Settings

_WINDOW_S = 60
# The least recently used buckets are dropped first; a full bucket loses nothing by that.
_MAX_BUCKETS = 20_000

_SEND_FILES = (
    ("POST", "/v1/uploads"),
    ("POST", "/v1/conversions"),
    ("PUT", "/v1/mp3"),
    ("PUT", "/v1/mp3/{name:path}"),
    ("POST", "/upload"),
    ("POST", "/upload_video"),
)
KINDS: Mapping[tuple[str, str], str] = {
    **dict.fromkeys(_SEND_FILES, "uploads"),
    ("POST", "/v1/probe"): "probes",
    ("POST", "/v1/split-preview"): "probes",
}
"""The second policy that requests to these routes count against."""


@dataclass(frozen=True)
class Share:
    """What remains of a caller's quota under one policy."""

    policy: str
    quota: int
    """Per minute."""
    remaining: int
    full_in_s: int


class Rates:
    """The buckets of one process."""

    def __init__(self, settings: Settings, now_s: Callable[[], float] = time.monotonic) -> None:
        """Takes the quotas from the settings; 0 there means no limit."""
        self._quotas = {
            "requests": settings.requests_per_minute,
            "uploads": settings.uploads_per_minute,
            "probes": settings.probes_per_minute,
            "anonymous": settings.anonymous_per_minute,
        }
        self._now_s = now_s
        self._lock = threading.Lock()
        # The remaining tokens and their time; the least recently used bucket first.
        self._buckets: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()

    def count_user(self, request: Request, user_id: str) -> None:
        """Counts a request of an account; raises RateLimited if it exceeds the quota."""
        self._count(request, "requests", user_id)
        kind = KINDS.get((request.method, getattr(request.scope.get("route"), "path", "")))
        if kind:
            self._count(request, kind, user_id)

    def count_more(self, request: Request, policy: Literal["uploads"], user_id: str, number: int) -> None:
        """Counts one request as `number`; raises RateLimited if no token is left.

        With fewer tokens left the request is admitted, and the bucket goes below zero: otherwise a quota below `number`
        would never admit it.
        """
        self._count(request, policy, user_id, number)

    def count_address(self, request: Request) -> None:
        """Counts a request without an account; raises RateLimited if it exceeds the quota."""
        self._count(request, "anonymous", network_of(request.client.host if request.client else None))

    def _count(self, request: Request, policy: str, key: str, number: int = 1) -> None:
        quota = self._quotas[policy]
        if not quota:
            return
        before = self._take(policy, key, quota, number)
        left = before - number
        shares = request.scope.setdefault("state", {}).setdefault("rate_shares", [])
        shares.append(Share(policy, quota, max(0, int(left)), math.ceil((quota - left) * _WINDOW_S / quota)))
        if before < 1:
            raise RateLimited(retry_after_s=max(1, math.ceil((1 - before) * _WINDOW_S / quota)))

    def _take(self, policy: str, key: str, quota: int, number: int) -> float:
        """Takes `number` tokens if at least one is left; returns how many there were."""
        with self._lock:
            now_s = self._now_s()
            left, at_s = self._buckets.pop((policy, key), (float(quota), now_s))
            left = min(float(quota), left + (now_s - at_s) * quota / _WINDOW_S)
            self._buckets[policy, key] = (left - number if left >= 1 else left, now_s)
            while len(self._buckets) > _MAX_BUCKETS:
                self._buckets.popitem(last=False)
        return left


def headers_of(state: Mapping[str, Any]) -> dict[str, str]:
    """Returns the headers with the remaining quotas; empty if nothing was counted."""
    shares: list[Share] = state.get("rate_shares", [])
    if not shares:
        return {}
    return {
        "RateLimit-Policy": ", ".join(f'"{share.policy}";q={share.quota};w={_WINDOW_S}' for share in shares),
        "RateLimit": ", ".join(f'"{share.policy}";r={share.remaining};t={share.full_in_s}' for share in shares),
    }


def rates_of(request: Request) -> Rates:
    """Returns the buckets of the application that the request came to."""
    rates = request.app.state.rates
    assert isinstance(rates, Rates)
    return rates
