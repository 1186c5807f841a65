"""Why a line changed: every rule, in the order in which it is asked.

The first rule that holds names the cause; every rule that holds is a part. To add a
cause, add a row here and a line in the table of transitions of the tests.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import polars as pl

from holdings_kit.changes._words import sentence
from holdings_kit.schema import MONEY

__all__ = ["CALM", "RULES", "STATES", "Rule"]


class Rule(NamedTuple):
    """One cause: when it holds, of how many units, how sure, and in which words."""

    cause: str
    when: pl.Expr
    quantity: pl.Expr
    confidence: pl.Expr
    evidence: pl.Expr


_ZERO: Final = pl.lit(0, MONEY)
_NONE: Final = pl.lit(None, MONEY)
_Q0: Final = pl.col("owned_quantity_before")
_Q1: Final = pl.col("owned_quantity_after")
_TRADE: Final = pl.col("traded_quantity")
_SENT: Final = pl.col("transferred_quantity")
_PLEDGE: Final = pl.col("_pledge")
# a source may leave the field out when nothing is pledged
_PLEDGE_SURE: Final = pl.when(pl.col("_guessed")).then(0.6).otherwise(0.98)
_LINK: Final = pl.col("_link").is_not_null()
_OK: Final = ~pl.col("_suspect")
_ODD: Final = pl.col("_half_known") | pl.col("_against") | pl.col("_free")
_BOTH: Final = (_Q0 != 0) & (_Q1 != 0) & ~_ODD & _OK
_FRESH: Final = ~_LINK & (_SENT == 0) & _OK
_ISIN: Final = r"^[A-Z]{2}[A-Z0-9]{9}[0-9]$"
_LISTING: Final = ~(
    pl.col("instrument_id").str.contains(_ISIN)
    | pl.col("instrument_id_before").str.contains(_ISIN)
)
# sold and bought back within the pair: moved out of the free shares into T+1
_CHURN: Final = pl.col("_churn").fill_null(_ZERO)
_BOUGHT: Final = pl.max_horizontal(_TRADE, _ZERO) + _CHURN
_SOLD: Final = pl.max_horizontal(-_TRADE, _ZERO) + _CHURN
# the price that the change of cost implies, against the prices of both days
_LOW: Final = pl.min_horizontal("price_before", "price_after").cast(pl.Float64())
_HIGH: Final = pl.max_horizontal("price_before", "price_after").cast(pl.Float64())
_IMPLIED: Final = pl.col("_implied")
_PRICED: Final = (
    pl.when(_IMPLIED.is_null() | _LOW.is_null())
    .then(0.8)
    .when(_IMPLIED.is_between(0.8 * _LOW, 1.25 * _HIGH))
    .then(0.95)
    .otherwise(0.6)
)
_SAME_AVERAGE: Final = pl.col("average_price_before") == pl.col("average_price_after")


def _action(kind: str) -> Rule:
    """Build the rule of a corporate action, applied or still waiting."""
    factor = (pl.col("_num") / pl.col("_den")).round(4).cast(pl.String())
    done = sentence(
        "quantity ×{factor} ({owned}), average {average}, cost {cost}, price {price}: "
        "{_action} {ratio}, {_action_words}",
        factor=factor,
    )
    waiting = sentence(
        "{_action} {ratio} of {ex_date}: quantity {owned}, price {price}; "
        "shares not credited yet, P&L not reliable"
    )
    twin = pl.lit("; split and bonus of one factor look alike, a table decides")
    return Rule(
        kind,
        (pl.col("_action") == kind) & _OK,
        _Q1 - _Q0 - _TRADE - _SENT,
        pl.col("_action_confidence"),
        pl.when(pl.col("_pending"))
        .then(waiting)
        .when(pl.col("_twin"))
        .then(done + twin)
        .otherwise(done),
    )


RULES: Final = (
    Rule(
        "suspect_fetch",
        pl.col("_suspect"),
        _NONE,
        pl.when(pl.col("_rows_after") == 0).then(0.9).otherwise(0.75),
        sentence(
            "{_missing} of the account's {_lines_before} lines are gone at once and "
            "{_rows_after} rows are left: fetch again before calling it a sale"
        ),
    ),
    Rule(
        "unexplained",
        _ODD & _OK,
        _TRADE,
        pl.lit(0.5),
        pl.when(pl.col("_half_known"))
        .then(sentence("owned {owned}: a quantity is unknown"))
        .when(pl.col("_free"))
        .then(sentence("owned {owned}, cost {cost}: no price paid, no usual ratio"))
        .otherwise(sentence("owned {owned}, cost {cost}: they move apart")),
    ),
    Rule(
        "transfer_out",
        (_SENT < 0) & _OK,
        -_SENT,
        pl.col("_transfer_confidence"),
        sentence(
            "{n} left at average {average.before} and arrived in the same person's "
            "account {transfer_account_id}",
            n=-_SENT,
        ),
    ),
    Rule(
        "transfer_in",
        (_SENT > 0) & _OK,
        _SENT,
        pl.col("_transfer_confidence"),
        sentence(
            "{n} arrived, average here {average.after}; they left the same person's "
            "account {transfer_account_id} at average {sent}",
            n=_SENT,
            sent=pl.col("transfer_average_price"),
        ),
    ),
    _action("split"),
    _action("bonus"),
    _action("consolidation"),
    Rule(
        "isin_change",
        _LINK & ~_LISTING,
        _NONE,
        pl.col("_link_confidence"),
        sentence(
            "{instrument_id_before} → {instrument_id}: {_link} "
            "(quantity {owned}, cost {cost})"
        ),
    ),
    Rule(
        "opened",
        (_Q0 == 0) & (_Q1 != 0) & _FRESH,
        _Q1,
        pl.when(pl.col("_lines_before") == 0).then(0.7).otherwise(0.95),
        sentence(
            "{owned.after} held at average {average.after}, none before; the account "
            "had {_lines_before} lines"
        ),
    ),
    Rule(
        "closed",
        (_Q0 != 0) & (_Q1 == 0) & _FRESH,
        _Q0,
        pl.when(pl.col("_lines_after") == 0).then(0.7).otherwise(0.95),
        sentence(
            "{owned.before} held before, none now; the account has {_lines_after} lines"
        ),
    ),
    Rule(
        "bought",
        _BOTH & ((pl.col("_traded") & (_TRADE > 0)) | (_CHURN > 0)),
        _BOUGHT,
        _PRICED,
        sentence("bought {n}: owned {owned}, cost {cost}, price {price}", n=_BOUGHT),
    ),
    Rule(
        "sold",
        _BOTH & ((pl.col("_traded") & (_TRADE < 0)) | (_CHURN > 0)),
        _SOLD,
        pl.when(_SAME_AVERAGE).then(0.95).otherwise(_PRICED.clip(None, 0.8)),
        sentence("sold {n}: owned {owned}, average {average}", n=_SOLD),
    ),
    Rule(
        "pledged",
        (_PLEDGE > 0) & _OK,
        _PLEDGE,
        _PLEDGE_SURE,
        sentence("pledged {n}: pledged {pledged}, free {free}", n=_PLEDGE),
    ),
    Rule(
        "unpledged",
        (_PLEDGE < 0) & _OK,
        -_PLEDGE,
        _PLEDGE_SURE,
        sentence("released {n}: pledged {pledged}, free {free}", n=-_PLEDGE),
    ),
    Rule(
        "settled",
        (pl.col("_settle") > 0) & _OK,
        pl.col("_settle"),
        pl.lit(0.97),
        pl.when(pl.col("t1_quantity_before") > 0)
        .then(sentence("settled {n}: T+1 {t1}, free {free}", n=pl.col("_settle")))
        .otherwise(
            sentence("booked {n}: day trades {position}", n=pl.col("_settle")),
        ),
    ),
    Rule(
        "average_restated",
        pl.col("_restated"),
        _NONE,
        pl.lit(0.9),
        sentence("average {average} with quantity {owned}: the broker restated it"),
    ),
    Rule(
        "symbol_rename",
        (pl.col("_renamed") | (_LINK & _LISTING)) & _OK,
        _NONE,
        pl.when(_LISTING & _LINK).then(pl.col("_link_confidence")).otherwise(0.98),
        sentence("symbol {symbol_before} → {symbol}, same security"),
    ),
    Rule(
        "haircut_changed",
        pl.col("_haircut_moved") & _OK,
        _NONE,
        pl.lit(1.0),
        sentence("haircut {haircut}"),
    ),
)

STATES: Final = (
    Rule(
        "price_only",
        pl.col("_price_moved"),
        _NONE,
        pl.when(pl.col("_jump")).then(0.5).otherwise(1.0),
        pl.when(pl.col("_jump"))
        .then(sentence("price {price}: perhaps a corporate action not credited yet"))
        .otherwise(sentence("price {price}, nothing else")),
    ),
    Rule(
        "unchanged",
        pl.lit(value=True),
        _NONE,
        pl.lit(1.0),
        pl.lit("all figures equal"),
    ),
)
"""Asked last: what holds when nothing happened to the line."""

CALM: Final = (
    *(
        rule._replace(when=pl.col("_haircut_moved"))
        for rule in RULES
        if rule.cause == "haircut_changed"
    ),
    *STATES,
)
"""What can be said of lines in which only price and haircut can have moved."""
