"""A seeded population: dumps of as many invented accounts and days as asked for.

Accounts, instruments, prices and haircuts are invented; the same seed gives the same
bytes. An account's life does not depend on how many others there are. In it shares are
bought, sold, settled, pledged and released, and one instrument splits, so that two days
differ for every reason a comparison knows.
"""

from __future__ import annotations

from holdings_kit.sandbox._generate._dumps import Wire, generate
from holdings_kit.sandbox._generate._market import Market, invent_market

__all__ = ["Market", "Wire", "generate", "invent_market"]
