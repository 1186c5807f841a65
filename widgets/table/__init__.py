"""A table over a frame of any length: sort, filter, page, select, copy, export."""

from widgets.table.model import TableModel
from widgets.table.view import HoldingsTable

__all__ = ["HoldingsTable", "TableModel"]
