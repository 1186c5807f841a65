# pyright: basic
"""What may be lost and pledged: collateral, margin, pledge plans, shocks, VaR."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
