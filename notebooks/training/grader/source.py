"""The sandbox that the lessons share: started once, cleared for every lesson."""

from __future__ import annotations

import atexit
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple, Self, cast
from urllib import error, request

from holdings_kit import sandbox
from holdings_kit.sandbox import gateway_client

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from http.client import HTTPResponse

__all__ = ["NOW", "Reply", "Source", "send", "share_source"]

NOW: Final = datetime(2026, 1, 5, 4, 30, tzinfo=UTC)


class Reply(NamedTuple):
    """One HTTP reply: status, headers (names in lower case), body.

    It may be awaited, for who writes ``await get()``.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __await__(self) -> Generator[None, None, Self]:
        """Give itself, at once."""
        return self
        yield


class Source:
    """A sandbox, what it posted, and who has imported."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.sandbox = sandbox.serve(clock=NOW, sender=self._take)
        self.sandbox.register_webhook("http://127.0.0.1:9/webhook")
        self._accounts: dict[str, str] = {}

    def _take(self, _: str, body: bytes) -> int:
        self.bodies.append(body)
        return 200

    def clear(self) -> Self:
        """Forget faults and deliveries; who has imported stays."""
        self.sandbox.set_faults("")
        self.bodies.clear()
        return self

    def import_holdings(self, *keys: str) -> list[bytes]:
        """Take personas through an import; gives what was posted."""
        with gateway_client(self.sandbox) as client:
            for key in keys:
                created = client.create_import()
                self.sandbox.play(created.transaction_id, persona=key)
        self.sandbox.advance(seconds=10)
        self._accounts |= {key: self.sandbox.personas[key].auth_id for key in keys}
        posted = list(self.bodies)
        self.bodies.clear()
        return posted

    def find_account(self, key: str) -> str:
        """Give the smallcaseAuthId of a persona, after an import if there was none."""
        if key not in self._accounts:
            self.import_holdings(key)
        return self._accounts[key]


@cache
def share_source() -> Source:
    """Start the sandbox of this process, or give the one that runs."""
    made = Source()
    atexit.register(made.sandbox.close)
    return made


def send(url: str, headers: Mapping[str, str], *, body: bytes | None = None) -> Reply:
    """Make one request of the sandbox, on this machine; a refusal is a reply too."""
    asked = request.Request(
        url, data=body, headers=dict(headers), method="POST" if body else "GET"
    )
    try:
        reply = cast("HTTPResponse", request.urlopen(asked, timeout=10))
    except error.HTTPError as refused:
        reply = cast("HTTPResponse", refused)
    with reply:
        found = {name.lower(): value for name, value in reply.headers.items()}
        return Reply(reply.status, found, reply.read())
