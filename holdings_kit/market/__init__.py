# pyright: basic
"""The Indian market: trading calendar and how old a snapshot is in trading time."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
