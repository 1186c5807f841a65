# pyright: basic
"""What may be lost and pledged: collateral, margin, pledge plans, shocks, VaR."""

from holdings_kit.errors import attach_room

__getattr__, __dir__, __all__ = attach_room(__name__, __file__)
