# pyright: basic
"""What happened between two snapshots of holdings, and how sure that is.

`explain` holds the question, `rules` the declared table of causes, `decide` asks them.
`order` and `pairs` put the two sides line by line; `calm` tells at once of the lines
that stayed as they were. For the others `links`, `actions` with `ratios`, `transfers`
and `facts` prepare, in that order, what the rules ask about; `shape` gives the columns.
"""

from holdings_kit.errors import attach_room

__getattr__, __dir__, __all__ = attach_room(__name__, __file__)
