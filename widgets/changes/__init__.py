"""What changed between two snapshots, why, and which payload says so."""

from widgets.changes.model import ComparisonModel
from widgets.changes.view import SnapshotComparison

__all__ = ["ComparisonModel", "SnapshotComparison"]
