# pyright: basic
"""The notebooks' tools: another name of the package ``widgets``, the same module.

Examples
--------
>>> import widgets
>>> from holdings_kit.widgets import RiskExplorer
>>> RiskExplorer is widgets.RiskExplorer
True
"""

import sys
from typing import TYPE_CHECKING

import widgets
from holdings_kit.errors import ConfigError

if TYPE_CHECKING:
    from widgets import (
        HaircutLab as HaircutLab,
        HoldingsTable as HoldingsTable,
        ImportTrigger as ImportTrigger,
        RiskExplorer as RiskExplorer,
        SnapshotComparison as SnapshotComparison,
    )

if "RiskExplorer" not in dir(widgets):
    raise ConfigError(
        f"holdings_kit.widgets: {widgets.__file__} hides the package widgets that came "
        "with holdings-kit; rename that file or folder"
    )
sys.modules[__name__] = widgets
