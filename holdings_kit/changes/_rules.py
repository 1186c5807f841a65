"""Why a line changed: every rule, in the order in which it is asked.

The first rule that holds names the cause; every rule that holds is a part. To add a
cause, add a row here and a line in the table of transitions of the tests.
"""

from __future__ import annotations

from string import Formatter
from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl

from holdings_kit.changes._actions import ISIN
from holdings_kit.changes._crossings import RIGHTS
from holdings_kit.schema import MONEY

if TYPE_CHECKING:
    from collections.abc import Iterable

_PAIRS: Final = {
    "owned": "owned_quantity",
    "free": "settled_quantity",
    "t1": "t1_quantity",
    "position": "position_quantity",
    "pledged": "pledged_quantity",
    "average": "average_price",
    "cost": "cost_value",
    "price": "price",
    "haircut": "haircut",
}


def text(number: pl.Expr) -> pl.Expr:
    """Write a decimal without its trailing zeros; ``unknown`` for null."""
    shown = number.cast(pl.String()).str.strip_chars_end("0").str.strip_chars_end(".")
    return shown.fill_null("unknown")


def sentence(template: str, **figures: pl.Expr) -> pl.Expr:
    """Fill figures into a sentence.

    ``{owned}`` is both sides (``10 → 35``), ``{owned.after}`` one of them, so for
    every figure of a line; any other name is a number of `figures`, or a column of
    text where `figures` has no such name.

    >>> line = pl.DataFrame({"symbol": ["IDEA"]})
    >>> line.select(sentence("{symbol} {n}", n=pl.lit("7.50"))).item()
    'IDEA 7.5'
    """
    parts: list[pl.Expr] = []
    for words, name, _, _ in Formatter().parse(template):
        parts.append(pl.lit(words))
        if name is None:
            continue
        figure, _, side = name.partition(".")
        if name in figures:
            parts.append(text(figures[name]))
        elif figure not in _PAIRS:
            parts.append(pl.col(name).cast(pl.String()).fill_null("unknown"))
        elif side:
            parts.append(text(pl.col(f"{_PAIRS[figure]}_{side}")))
        else:
            before, after = (f"{_PAIRS[figure]}_{end}" for end in ("before", "after"))
            parts += [text(pl.col(before)), pl.lit(" → "), text(pl.col(after))]
    return pl.concat_str(parts)


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
_OK: Final = ~pl.col("_suspect")
_NEW_NAME: Final = pl.col("_link").is_not_null() & ~pl.col("_same_share")
_CROSS: Final = pl.col("_cross")
_CROSSED: Final = _CROSS.is_not_null()
_ODD: Final = pl.col("_half_known") | pl.col("_against") | pl.col("_free")
_BOTH: Final = (_Q0 != 0) & (_Q1 != 0) & ~_ODD & _OK
_ALONE: Final = pl.col("_link").is_null() & (_SENT == 0) & ~_CROSSED & _OK
_LISTING: Final = ~(
    pl.col("instrument_id").str.contains(ISIN)
    | pl.col("instrument_id_before").str.contains(ISIN)
)
# sold and bought back within the pair: moved out of the free shares into T+1
_CHURN: Final = pl.col("_churn").fill_null(_ZERO)
_CALLED: Final = (pl.col("paid_value") > 0) & (_CROSS.ne_missing("rights"))
_BOUGHT: Final = pl.max_horizontal(_TRADE, _ZERO) + _CHURN
_SOLD: Final = pl.max_horizontal(-_TRADE, _ZERO) + _CHURN
_MIXED: Final = pl.col("_mixed")
_PENDING: Final = pl.col("_pending") | (pl.col("_cross_pending") & ~_CROSSED)
_TO_COME: Final = pl.coalesce("_pending_words", "_cross_words")
_SAME_AVERAGE: Final = pl.col("average_price_before") == pl.col("average_price_after")
_UNKNOWN_AVERAGES: Final = pl.col("average_price_after").is_null()
_PRICED: Final = (
    pl.when(pl.col("_odd_price"))
    .then(0.6)
    .when(_UNKNOWN_AVERAGES)
    .then(pl.when(pl.col("t1_quantity_after") > 0).then(0.9).otherwise(0.6))
    .when(pl.col("_implied").is_null() | pl.col("price_after").is_null())
    .then(0.8)
    .otherwise(0.95)
)


def _write_factor_rule(kind: str) -> Rule:
    """Write the rule of an action that multiplies the units of a line."""
    factor = (pl.col("_num") / pl.col("_den")).round(4).cast(pl.String())
    fraction = (
        pl.when(pl.col("_fraction") > 0)
        .then(sentence("; a fraction of {n} was paid in cash", n=pl.col("_fraction")))
        .otherwise(pl.lit(""))
    )
    names = (
        pl.when(pl.col("_two_names"))
        .then(pl.lit("; split and bonus of one factor look alike, a table decides"))
        .otherwise(pl.lit(""))
    )
    done = sentence(
        "quantity ×{factor} ({owned}), average {average}, cost {cost}, price {price}: "
        f"{kind} {{ratio}}, {{_factor_words}}",
        factor=factor,
    )
    averaged = sentence(
        f"{kind} {{ratio}} of {{ex_date}}: average {{average}}, quantity {{owned}}; "
        "the shares have not come yet, P&L not reliable"
    )
    late = (
        pl.when(pl.col("_late"))
        .then(pl.lit("; the average is not restated yet, P&L not reliable"))
        .otherwise(pl.lit(""))
    )
    return Rule(
        kind,
        pl.col(f"_{kind}") & _OK,
        pl.col("_grown") - pl.col("_base_quantity"),
        pl.col("_factor_confidence"),
        pl.when(pl.col("_only_average"))
        .then(averaged)
        .otherwise(pl.concat_str(done, fraction, late, names)),
    )


def _write_crossing_rule(kind: str) -> Rule:
    """Write the rule of an action that moves shares, cost or cash between lines."""
    return Rule(
        kind,
        (kind == _CROSS) & _OK,
        pl.col("action_quantity"),
        pl.col("_cross_confidence"),
        sentence(f"{kind}: owned {{owned}}, cost {{cost}}; {{_cross_words}}"),
    )


RULES: Final = (
    Rule(
        "suspect_fetch",
        pl.col("_suspect"),
        _NONE,
        pl.when(pl.col("_rows_after") == 0).then(0.85).otherwise(0.75),
        sentence(
            "{_missing} of the account's {_lines_before} lines are gone at once and "
            "{_rows_after} rows are left: fetch again before calling it a sale"
        ),
    ),
    Rule(
        "unexplained",
        _ODD & _OK & ~_CROSSED,
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
            "account {_other_accounts}",
            n=-_SENT,
        ),
    ),
    Rule(
        "transfer_in",
        (_SENT > 0) & pl.col("transfer_account_id").is_not_null() & _OK,
        _SENT,
        pl.col("_transfer_confidence"),
        sentence(
            "{n} arrived, average here {average.after}; they left the same person's "
            "account {transfer_account_id} at average {sent}",
            n=_SENT,
            sent=pl.col("transfer_average_price"),
        ),
    ),
    _write_crossing_rule("merger"),
    _write_crossing_rule("demerger"),
    _write_factor_rule("split"),
    _write_factor_rule("bonus"),
    _write_factor_rule("consolidation"),
    Rule(
        "rights",
        ((_CROSS == "rights") | (pl.col("_entitled") & pl.col("_received"))) & _OK,
        pl.when(_CROSSED).then(pl.col("action_quantity")).otherwise(_SENT),
        pl.coalesce("_cross_confidence", pl.lit(0.9)),
        pl.when(_CROSSED)
        .then(sentence("rights: owned {owned}, cost {cost}; {_cross_words}"))
        .otherwise(sentence("entitlements to buy {owned.after} shares were given")),
    ),
    _write_crossing_rule("buyback"),
    Rule(
        "isin_change",
        _NEW_NAME & ~_LISTING & _OK,
        _NONE,
        pl.col("_link_confidence"),
        sentence(
            "{instrument_id_before} → {instrument_id}: {_link} "
            "(quantity {owned}, cost {cost})"
        ),
    ),
    Rule(
        "delisted",
        ((_CROSS == "delisted") | (pl.col("_price_gone") & pl.col("_suspended"))) & _OK,
        _NONE,
        pl.when(_CROSSED).then(0.97).otherwise(0.9),
        pl.when(_CROSSED)
        .then(sentence("owned {owned}, price {price}: {_cross_words}"))
        .otherwise(
            sentence("price {price}: the payload calls it suspended or delisted")
        ),
    ),
    Rule(
        "opened",
        (_Q0 == 0) & (_Q1 != 0) & _ALONE & ~pl.col("_received"),
        _Q1,
        pl.when(pl.col("_lines_before") == 0)
        .then(0.7)
        .when(_MIXED)
        .then(0.78)
        .otherwise(0.95),
        sentence(
            "{owned.after} held at average {average.after}, none before; the account "
            "had {_lines_before} lines"
        ),
    ),
    Rule(
        "closed",
        (_Q0 != 0) & (_Q1 == 0) & _ALONE,
        _Q0,
        pl.when((pl.col("_lines_after") == 0) | _MIXED)
        .then(0.7)
        .when(pl.col("symbol_before").str.contains(RIGHTS))  # sold, or lapsed
        .then(0.78)
        .otherwise(0.95),
        sentence(
            "{owned.before} held before, none now; the account has {_lines_after} lines"
        ),
    ),
    Rule(
        "received",
        pl.col("_received") & ~pl.col("_entitled") & ~_ODD & _OK,
        _SENT,
        pl.when(pl.col("_unknown_cost") & (_Q0 != 0))
        .then(0.85)
        .when(pl.col("_unknown_cost"))
        .then(0.75)
        .otherwise(0.6),
        pl.when(pl.col("_unknown_cost"))
        .then(
            sentence(
                "{n} came, owned {owned}, at a cost that is not known: an allotment, "
                "a gift or a transfer; no purchase is made of it",
                n=_SENT,
            )
        )
        .otherwise(
            sentence(
                "{n} came, owned {owned}, cost {cost}: no price between {price} makes "
                "it a purchase",
                n=_SENT,
            )
        ),
    ),
    Rule(
        "bought",
        (
            (_BOTH | (_CROSSED & ~pl.col("_half_known") & _OK))
            & ((pl.col("_traded") & (_TRADE > 0)) | (_CHURN > 0))
        )
        | (_CALLED & _OK),
        pl.when(_BOUGHT > 0).then(_BOUGHT),
        _PRICED,
        pl.when(_CALLED)
        .then(sentence("{_cross_words}: {paid} was paid", paid=pl.col("paid_value")))
        .otherwise(
            sentence("bought {n}: owned {owned}, cost {cost}, price {price}", n=_BOUGHT)
        ),
    ),
    Rule(
        "sold",
        (
            _BOTH
            | (_CROSSED & ~pl.col("_half_known") & _OK)
            | ((_SENT != 0) & (_Q1 == 0) & _OK)
        )
        & ((pl.col("_traded") & (_TRADE < 0)) | (_CHURN > 0)),
        _SOLD,
        pl.when(_SAME_AVERAGE).then(0.95).otherwise(0.85),
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
        "pending_action",
        _PENDING & _OK,
        _NONE,
        pl.lit(0.95),
        pl.concat_str(
            _TO_COME.fill_null("an action"),
            sentence(
                ": quantity {owned}, average {average}, price {price}; not credited "
                "yet, P&L not reliable"
            ),
        ),
    ),
    Rule(
        "average_restated",
        pl.col("_restated") & _OK,
        _NONE,
        pl.when(_MIXED & (pl.col("_lines_after") != pl.col("_lines_before")))
        .then(0.78)
        .otherwise(0.9),
        pl.when(pl.col("average_price_before").is_null())
        .then(
            sentence(
                "average {average.after} with quantity {owned.after}: it was not known "
                "before"
            )
        )
        .when(_UNKNOWN_AVERAGES)
        .then(
            sentence(
                "average {average.before} with quantity {owned.after}: it is not known "
                "any more, nor are cost and P&L"
            )
        )
        .otherwise(
            sentence("average {average} with quantity {owned}: the broker restated it")
        ),
    ),
    Rule(
        "symbol_rename",
        ((pl.col("_renamed") & ~pl.col("_same_share")) | (_NEW_NAME & _LISTING)) & _OK,
        _NONE,
        pl.when(_LISTING & _NEW_NAME).then(pl.col("_link_confidence")).otherwise(0.98),
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
        pl.when(pl.col("_jump"))
        .then(0.5)
        .when(pl.col("_price_gone"))
        .then(0.7)
        .otherwise(1.0),
        pl.when(pl.col("_jump"))
        .then(sentence("price {price}: perhaps a corporate action not credited yet"))
        .when(pl.col("_price_gone"))
        .then(sentence("price {price}: not quoted, suspended or delisted"))
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

CAUSES: Final = tuple(rule.cause for rule in (*RULES, *STATES))
"""Every cause, in the order in which the rules are asked."""

STILL: Final = (
    *(
        rule._replace(when=pl.col("_haircut_moved"))
        for rule in RULES
        if rule.cause == "haircut_changed"
    ),
    *STATES,
)
"""What can be said of lines in which only price and haircut can have moved."""


def decide(rows: pl.DataFrame) -> pl.DataFrame:
    """Ask every rule; words and parts are made only where a rule holds."""
    holds = (
        rows.lazy()  # what several rules ask is computed once
        .select(rule.when.fill_null(value=False).alias(rule.cause) for rule in RULES)
        .collect()
    )
    count = holds.select(pl.sum_horizontal(pl.all())).to_series()
    numbered = rows.with_row_index("_row").lazy()  # only what a rule reads is filtered
    rest, *found = pl.collect_all(
        [
            _describe_state(numbered.filter(count == 0)),
            *(
                _write_words(numbered.filter(holds[rule.cause]), rule)
                for rule in RULES
                if holds[rule.cause].any()
            ),
        ]
    )
    answers = [_take_only_cause(rest)]
    if found:
        parts = pl.concat(found)
        alone = count.gather(parts["_row"]) == 1
        answers += [
            _take_only_cause(parts.filter(alone)),
            _join_causes(parts.filter(~alone)),
        ]
    return rows.hstack(pl.concat(answers).sort("_row").drop("_row"))


def _write_words(rows: pl.LazyFrame, rule: Rule) -> pl.LazyFrame:
    """Say of rows what one rule says."""
    return rows.select(
        "_row",
        cause=pl.lit(rule.cause),
        quantity=rule.quantity.cast(MONEY),
        confidence=rule.confidence,
        evidence=rule.evidence,
    )


def _describe_state(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Say of rows in which nothing happened how they are."""

    def first(values: Iterable[pl.Expr]) -> pl.Expr:
        return pl.coalesce(
            pl.when(rule.when).then(value)
            for rule, value in zip(STATES, values, strict=True)
        )

    return rows.select(
        "_row",
        cause=first(pl.lit(rule.cause) for rule in STATES),
        quantity=pl.lit(None, MONEY),
        confidence=first(rule.confidence for rule in STATES),
        evidence=first(rule.evidence for rule in STATES),
    )


def _take_only_cause(parts: pl.DataFrame) -> pl.DataFrame:
    """Take the one thing that happened to each row as all of it."""
    return parts.select(
        "_row",
        "cause",
        "confidence",
        "evidence",
        parts=pl.concat_list(pl.struct("cause", "quantity")),
    )


def _join_causes(parts: pl.DataFrame) -> pl.DataFrame:
    """Put together what happened to each row; the first is the cause."""
    joined = parts.group_by("_row", maintain_order=True).agg(
        pl.col("cause", "confidence").first(),
        "evidence",
        parts=pl.struct("cause", "quantity"),
    )
    return joined.with_columns(pl.col("evidence").list.join("; "))
