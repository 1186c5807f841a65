# pyright: basic
"""The wire formats: bytes in, frames out, no I/O.

One field table per format; signing; a source's refusals as errors.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
