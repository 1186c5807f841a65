"""The start page in JupyterLab's own server, behind its token: an extension of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_server.base.handlers import JupyterHandler
from tornado import web

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp


class StartHandler(JupyterHandler):
    """Gives the page; a token in the address becomes a cookie and goes."""

    @web.authenticated
    def get(self) -> None:
        """Answer with the page that ``HOLDINGS_KIT_START`` names."""
        if self.get_argument("token", ""):
            self.redirect("/start")
            return
        page = Path(os.environ["HOLDINGS_KIT_START"]).read_text(encoding="utf-8")
        self.finish(page)  # pyright: ignore[reportUnknownMemberType]


def _jupyter_server_extension_points() -> list[dict[str, str]]:  # pyright: ignore[reportUnusedFunction], by its name the server finds it
    return [{"module": __name__}]


def _load_jupyter_server_extension(server: ServerApp) -> None:  # pyright: ignore[reportUnusedFunction]
    server.web_app.add_handlers(".*$", [("/start", StartHandler)])
