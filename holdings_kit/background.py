"""Serve an ASGI application in a thread, on this machine only."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import uvicorn

from holdings_kit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Generator

    from starlette.types import ASGIApp

__all__ = ["serving"]

_PATIENCE: Final = 10.0  # seconds to start and to stop


@contextmanager
def serving(app: ASGIApp, *, port: int = 0) -> Generator[str]:
    """Serve while the block runs; works inside a notebook's running event loop.

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
    """
    with socket.socket() as listening:
        try:
            listening.bind(("127.0.0.1", port))
        except OSError as error:
            raise ConfigError(f"port {port} cannot be used: {error}") from None
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_config=None,
                log_level="critical",
                access_log=False,
                ws="none",
                timeout_graceful_shutdown=2,
            )
        )
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listening]}, daemon=True
        )
        thread.start()
        try:
            until = time.monotonic() + _PATIENCE
            while not server.started:
                if not thread.is_alive() or time.monotonic() > until:
                    raise ConfigError("the application did not start")
                time.sleep(0.005)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(_PATIENCE)
