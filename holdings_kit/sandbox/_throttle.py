"""How often each call was made, and a limit on how often it may be."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict, deque
from typing import TYPE_CHECKING

from holdings_kit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Throttle"]


class Throttle:
    """Counts calls by target; refuses what exceeds so many in a second.

    Parameters
    ----------
    per_second
        Calls of one target and app within any second of real time; ``None`` counts
        only.
    ticks
        Source of real seconds.

    Raises
    ------
    ConfigError
        A limit below one.

    Examples
    --------
    >>> throttle = Throttle(1, ticks=lambda: 5.0)
    >>> throttle.wait("limits", "app"), throttle.wait("limits", "app")
    (0.0, 1.0)
    """

    def __init__(
        self,
        per_second: int | None = None,
        *,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        if per_second is not None and per_second < 1:
            raise ConfigError(f"rate_limit is {per_second}; it must be 1 or more")
        self._limit, self._ticks = per_second, ticks
        self._lock = threading.Lock()
        self._calls: Counter[str] = Counter()
        self._recent: dict[tuple[str, str], deque[float]] = defaultdict(deque)

    def count(self, target: str) -> None:
        """Note a call of `target`."""
        with self._lock:
            self._calls[target] += 1

    def calls(self) -> dict[str, int]:
        """Give the number of calls by target."""
        with self._lock:
            return dict(sorted(self._calls.items()))

    def wait(self, target: str, app: str) -> float:
        """Give the seconds until `app` may call again; 0 admits this call."""
        if self._limit is None:
            return 0.0
        with self._lock:
            now, recent = self._ticks(), self._recent[target, app]
            while recent and recent[0] <= now - 1.0:
                recent.popleft()
            if len(recent) >= self._limit:
                return recent[0] + 1.0 - now
            recent.append(now)
            return 0.0
