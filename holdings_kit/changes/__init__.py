# pyright: basic
"""What happened between two snapshots of holdings, and how sure that is.

`_explain` holds the question. `_order` puts the two sides line by line; `_still`
answers at once for lines of which nothing but price and haircut moved. The others pass,
in this order, `_links` (one share under two names), `_listed` and `_unlisted` (mergers,
demergers, rights: by the table, by equal costs; `_crossings` adds them up), `_factors`
(splits, bonuses) with `_actions` (the table), `_transfers` and `_facts`; then `_rules`,
the declared table of causes, is asked. `_timeline` does so for many snapshots,
`_bridge` adds the changes up.
"""

from holdings_kit.errors import attach_room

__getattr__, __dir__, __all__ = attach_room(__name__, __file__)
