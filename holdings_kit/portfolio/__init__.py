# pyright: basic
"""What is held and what it is worth: positions, totals, exposure."""

from holdings_kit.errors import attach_room

__getattr__, __dir__, __all__ = attach_room(__name__, __file__)
