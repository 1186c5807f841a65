"""The haircut laboratory: build models, backtest them, see where they fail."""

from widgets.laboratory.model import LabModel
from widgets.laboratory.view import HaircutLab

__all__ = ["HaircutLab", "LabModel"]
