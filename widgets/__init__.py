"""The notebooks' own package: a view-model and a thin view per tool."""

from widgets.table import HoldingsTable, TableModel

__all__ = ["HoldingsTable", "TableModel"]
