"""The built documentation, served on this machine while the lab runs."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


class _Quiet(SimpleHTTPRequestHandler):
    """Serves files; what was asked for is written nowhere."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@contextmanager
def serve_site(folder: Path) -> Generator[str]:
    """Serve a folder of pages until the end of the block; empty where it has none.

    The pages are the same for everybody and hold no secret, so they need no token.
    """
    if not (folder / "index.html").is_file():
        yield ""
        return
    handler = partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()
