# pyright: basic
"""Snapshots kept and asked: the store, scans into it, population, cluster."""

from holdings_kit.errors import attach_room

__getattr__, __dir__, __all__ = attach_room(__name__, __file__)
