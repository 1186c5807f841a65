"""The controls of a tool: native, labelled HTML inputs bound to a view-model."""

from widgets.panel import controls
from widgets.panel.view import Panel, Results

__all__ = ["Panel", "Results", "controls"]
