# pyright: basic
"""The doors: payload files, dumps, the instrument master, identity, redaction."""

from holdings_kit.errors import attach_room

__getattr__, __dir__, __all__ = attach_room(__name__, __file__)
