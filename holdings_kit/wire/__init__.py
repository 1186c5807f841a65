# pyright: basic
"""The wire formats: bytes in, frames out, no I/O.

One field table per format; signing; a source's refusals as errors.
"""

from holdings_kit.errors import attach_room

__getattr__, __dir__, __all__ = attach_room(__name__, __file__)
