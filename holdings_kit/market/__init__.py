# pyright: basic
"""The Indian market: trading calendar and how old a snapshot is in trading time."""

from holdings_kit.errors import attach_room

__getattr__, __dir__, __all__ = attach_room(__name__, __file__)
