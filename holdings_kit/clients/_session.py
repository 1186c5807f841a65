"""What every client is: connections that are opened once and closed once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from holdings_kit.clients._http import Http
    from holdings_kit.market._freshness import Clock

__all__ = ["Session"]


class Session:
    """Connections and a clock; close it, or use it in a ``with``.

    Parameters
    ----------
    connections
        Closed together.
    clock
        Gives the instant that stamps what is fetched.
    """

    def __init__(self, *connections: Http, clock: Clock) -> None:
        self._connections, self._clock = connections, clock

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        for connection in self._connections:
            connection.close()
