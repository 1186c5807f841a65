# pyright: basic
"""What is held and what it is worth: positions, totals, exposure."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
