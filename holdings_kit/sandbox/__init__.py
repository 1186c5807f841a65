# pyright: basic
"""Simulated brokers and gateway on this machine: both APIs, no keys, no network.

`serve` runs them; `life` tells the same lives as frames, with their ground truth.
What is documented, observed or invented stands in ``docs/fidelity.md``.
"""

from holdings_kit.errors import attach_room

__getattr__, __dir__, __all__ = attach_room(__name__, __file__)
