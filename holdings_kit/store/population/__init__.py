# pyright: basic
"""Questions about all accounts of a store, asked bucket by bucket."""

from holdings_kit.errors import attach_room

__getattr__, __dir__, __all__ = attach_room(__name__, __file__)
