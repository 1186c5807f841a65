# pyright: basic
"""The clients of the two sources; the only part that talks HTTP."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
