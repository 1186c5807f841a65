# pyright: basic
"""What a person sees: pictures, the report, and how numbers are written."""

from holdings_kit.errors import attach_room

__getattr__, __dir__, __all__ = attach_room(__name__, __file__)
