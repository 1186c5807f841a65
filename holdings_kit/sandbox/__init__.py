"""Simulated brokers and gateway on this machine: both APIs, no keys, no network.

`serve` runs them; `life` tells the same lives as frames, with their ground truth.
What is documented, observed or invented stands in ``docs/fidelity.md``.
"""

from __future__ import annotations

from holdings_kit.sandbox.clock import Clock
from holdings_kit.sandbox.faults import parse_faults
from holdings_kit.sandbox.life import Life, life
from holdings_kit.sandbox.server import Sandbox, serve

__all__ = ["Clock", "Life", "Sandbox", "life", "parse_faults", "serve"]
