"""What if: shock prices and haircuts, plan a pledge, look through to the shares."""

from widgets.risk.model import RiskModel
from widgets.risk.view import RiskExplorer

__all__ = ["RiskExplorer", "RiskModel"]
