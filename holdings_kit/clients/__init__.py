# pyright: basic
"""The clients of the two sources; the only part that talks HTTP."""

from holdings_kit.errors import attach_room

__getattr__, __dir__, __all__ = attach_room(__name__, __file__)
