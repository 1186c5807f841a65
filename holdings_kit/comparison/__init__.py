"""What happened between two snapshots of holdings, and how sure that is.

`explain` holds the question, `rules` the declared table of causes; `pairs`, `links`,
`ratios`, `transfers` and `facts` prepare, in that order, what the rules ask about.
"""

from holdings_kit.comparison.explain import compare
from holdings_kit.comparison.frames import ACTIONS, CAUSES, CHANGES, MOVES
from holdings_kit.comparison.rules import RULES

__all__ = ["ACTIONS", "CAUSES", "CHANGES", "MOVES", "RULES", "compare"]
