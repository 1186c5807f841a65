"""The table on the page: a real `<table>` that asks Python for one page at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import anywidget

from widgets.page import read_script, read_style
from widgets.static import StaticFallback
from widgets.table.model import TableModel

_HERE: Final = Path(__file__).parent


class HoldingsTable(StaticFallback, TableModel, anywidget.AnyWidget):
    """Show a polars frame of any length as an accessible table.

    Click or press Enter on a heading to sort; type into the box to filter; tick rows
    to select them; copy and export act on the selection or on all rows found. Read
    back `found` and `selection` as frames.

    Examples
    --------
    >>> import polars as pl
    >>> table = HoldingsTable(pl.DataFrame({"symbol": ["INFY", "SBIN"]}))
    >>> table.query = "sb"
    >>> table.found["symbol"].to_list()
    ['SBIN']
    """

    _esm = read_script(_HERE / "table.js")
    _css = read_style(_HERE / "table.css")
    _display_ = None  # pyright: ignore[reportAssignmentType]: marimo runs one widget

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # pyright: ignore[reportArgumentType]
        self.on_msg(self._answer_message)

    def _answer_message(
        self, _widget: object, content: dict[str, str], _buffers: object
    ) -> None:
        """Send what only Python has, and say that it is there."""
        if content.get("type") == "csv":
            self.send({"type": "csv", "name": self.file_name}, [self.to_csv()])
        elif content.get("type") == "copy":
            self.send({"type": "copy", "text": self.to_tsv()})
        elif content.get("type") == "ping":
            self.send({"type": "pong"})
