"""A rate limit that many clients and threads share."""

from __future__ import annotations

import time

from pyrate_limiter import Duration, Limiter, Rate

from holdings_kit.errors import ConfigError

__all__ = ["Pace"]


class Pace:
    """At most so many requests per second and per minute, retries included.

    Pass one object to every client that shares a limit. Arrow publishes 10 per second
    and, on an older page, 60 per minute; the first is the default.

    Parameters
    ----------
    per_second, per_minute
        ``None`` for no such limit.

    Raises
    ------
    ConfigError
        A limit below one.

    Examples
    --------
    >>> Pace(per_second=10, per_minute=60)
    Pace(per_second=10, per_minute=60)
    >>> Pace(per_second=0)
    Traceback (most recent call last):
        ...
    holdings_kit.errors.ConfigError: a pace of 0 requests lets nothing through
    """

    def __init__(
        self, *, per_second: int | None = 10, per_minute: int | None = None
    ) -> None:
        self._shown = f"Pace(per_second={per_second}, per_minute={per_minute})"
        spans = ((per_second, Duration.SECOND), (per_minute, Duration.MINUTE))
        limits = [(limit, span) for limit, span in spans if limit is not None]
        for limit, _ in limits:
            if limit < 1:
                raise ConfigError(f"a pace of {limit} requests lets nothing through")
        rates = [Rate(limit, span) for limit, span in limits]
        self._limiter = Limiter(rates) if rates else None

    def __repr__(self) -> str:
        return self._shown

    def wait(self) -> float:
        """Wait for this request's turn; gives the seconds waited."""
        if self._limiter is None:
            return 0.0
        began = time.monotonic()
        self._limiter.try_acquire("requests")
        return time.monotonic() - began
