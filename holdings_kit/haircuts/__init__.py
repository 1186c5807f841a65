# pyright: basic
"""The haircut laboratory: models, rules, overlays, tests and adequacy.

A model is a function prices → `HAIRCUTS`; the haircut at a date uses closes up to and
including that date and covers the loss from that close. Losses and VaR are positive,
returns are signed. Needs the extra ``risk`` (numpy, scipy).
"""

from holdings_kit.errors import attach_room

__getattr__, __dir__, __all__ = attach_room(__name__, __file__)
