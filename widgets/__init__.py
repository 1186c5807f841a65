# pyright: basic
"""The notebooks' own package: a view-model and a thin view per tool."""

from holdings_kit.errors import attach_room

# The public names stand once, in __init__.pyi; each is loaded when it is first used.
__getattr__, __dir__, __all__ = attach_room(__name__, __file__)
