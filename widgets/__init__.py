"""The notebooks' own package: a view-model and a thin view per tool."""

from widgets.changes import SnapshotComparison
from widgets.importing import ImportTrigger
from widgets.laboratory import HaircutLab
from widgets.risk import RiskExplorer
from widgets.table import HoldingsTable

__all__ = [
    "HaircutLab",
    "HoldingsTable",
    "ImportTrigger",
    "RiskExplorer",
    "SnapshotComparison",
]
