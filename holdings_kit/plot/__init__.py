"""Pictures: a frame in, a matplotlib `Figure` out; each carries its alt text.

No figure is shown or kept by this package: the last line of a notebook cell shows it,
and ``figure.savefig`` writes it.
"""

from __future__ import annotations

from holdings_kit.plot._style import alt_text
from holdings_kit.plot.risk import concentration, pledge_plan, shock_effects, shock_grid

__all__ = ["alt_text", "concentration", "pledge_plan", "shock_effects", "shock_grid"]
