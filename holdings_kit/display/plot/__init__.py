# pyright: basic
"""Pictures: a frame in, a matplotlib `Figure` out; each carries its alt text.

No figure is shown or kept by this package: the last line of a notebook cell shows it,
and ``figure.savefig`` writes it.
"""

from holdings_kit.errors import attach_room

__getattr__, __dir__, __all__ = attach_room(__name__, __file__)
