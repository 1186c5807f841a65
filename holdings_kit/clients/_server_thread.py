"""Serve an ASGI application in a thread, on this machine only."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import uvicorn

from holdings_kit.errors import ConfigError, readable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from starlette.types import ASGIApp

_PATIENCE: Final = 10.0  # seconds to start and to stop


@readable
class Background:
    """An application that is served from now on until `close`.

    Works in a script and inside a notebook's running event loop.

    Parameters
    ----------
    app
        Any ASGI application.
    port
        0 for a free one.
    host
        Address to listen on; ``0.0.0.0`` for all of this machine's.
    before_close
        Called in the server's own event loop before it waits for the requests under
        way, to wake those that sleep.

    Attributes
    ----------
    url
        The address, ``http://127.0.0.1:…``, answering.

    Raises
    ------
    ConfigError
        The port is taken, the address is not this machine's, or the application did
        not start.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        before_close: Callable[[], object] | None = None,
    ) -> None:
        self._socket = open_socket(host, port, way_out="pass port=0")
        number: int = self._socket.getsockname()[1]
        everywhere = host.strip("0.") == ""  # 0.0.0.0, all of this machine's addresses
        shown = "127.0.0.1" if everywhere else host
        self.url = f"http://{shown}:{number}"
        settings = uvicorn.Config(
            app,
            log_config=None,
            log_level="critical",
            access_log=False,
            ws="none",
            timeout_graceful_shutdown=2,
        )
        self._server = _Server(settings, before_close)
        self._thread = threading.Thread(
            target=self._server.run,
            kwargs={"sockets": [self._socket]},
            name=f"background-{number}",
            daemon=True,
        )
        self._thread.start()
        self._wait_until_up()

    def close(self) -> None:
        """Stop the server and free the port; a second call does nothing."""
        self._server.should_exit = True
        self._thread.join(_PATIENCE)
        self._socket.close()

    def _wait_until_up(self) -> None:
        until = time.monotonic() + _PATIENCE
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > until:
                self.close()
                raise ConfigError("the application did not start")
            time.sleep(0.005)


@contextmanager
def serving(app: ASGIApp, *, port: int = 0) -> Generator[str]:
    """Serve while the block runs.

    Parameters
    ----------
    app
        Any ASGI application, such as `webhook_app`.
    port
        0 for a free one.

    Yields
    ------
    str
        The address, ``http://127.0.0.1:…``, answering.

    Raises
    ------
    ConfigError
        The port is taken, or the application did not start.

    Examples
    --------
    >>> from urllib.request import urlopen
    >>> from starlette.applications import Starlette
    >>> from starlette.responses import PlainTextResponse
    >>> from starlette.routing import Route
    >>> app = Starlette(routes=[Route("/", lambda _: PlainTextResponse("here"))])
    >>> with serving(app) as address, urlopen(address) as reply:
    ...     reply.read()
    b'here'
    """
    background = Background(app, port=port)
    try:
        yield background.url
    finally:
        background.close()


class _Server(uvicorn.Server):
    """Says that it closes before it does."""

    def __init__(
        self, settings: uvicorn.Config, before_close: Callable[[], object] | None
    ) -> None:
        super().__init__(settings)
        self._before_close = before_close

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._before_close is not None:
            self._before_close()
        await super().shutdown(sockets)


def open_socket(
    host: str,
    port: int,
    *,
    family: int = socket.AF_INET,
    queue: int | None = None,
    way_out: str,
) -> socket.socket:
    """Take a port; with `queue`, so many connections may wait on it from now on.

    Raises
    ------
    ConfigError
        The port is taken, or the address not this machine's; `way_out` says what now.
    """
    made = socket.socket(family, proto=socket.IPPROTO_TCP)  # or Nagle stays on
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
        if queue is not None:
            made.listen(queue)
    except OSError as error:
        made.close()
        raise ConfigError(
            f"cannot listen on {host}:{port} ({error.strerror}); {way_out}"
        ) from None
    return made
