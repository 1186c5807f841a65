# pyright: basic
"""What a person sees: pictures, the report, and how numbers are written."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
