"""Asking the rules: what holds of each line, in columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from holdings_kit.changes._rules import RULES, STATES, Rule
from holdings_kit.schema import MONEY

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["decide"]


def decide(rows: pl.DataFrame) -> pl.DataFrame:
    """Ask every rule; words and parts are made only where a rule holds."""
    asked = (
        rows.lazy()  # what several rules ask is computed once
        .select(rule.when.fill_null(value=False).alias(rule.cause) for rule in RULES)
        .collect()
    )
    count = asked.select(pl.sum_horizontal(pl.all())).to_series()
    numbered = rows.with_row_index("_row").lazy()  # only what a rule reads is filtered
    rest, *held = pl.collect_all(
        [
            _state(numbered.filter(count == 0)),
            *(
                _said(numbered.filter(asked[rule.cause]), rule)
                for rule in RULES
                if asked[rule.cause].any()
            ),
        ]
    )
    told = [_one(rest)]
    if held:
        parts = pl.concat(held)
        alone = count.gather(parts["_row"]) == 1
        told += [_one(parts.filter(alone)), _several(parts.filter(~alone))]
    return rows.hstack(pl.concat(told).sort("_row").drop("_row"))


def _said(rows: pl.LazyFrame, rule: Rule) -> pl.LazyFrame:
    """Say of rows what one rule says."""
    return rows.select(
        "_row",
        cause=pl.lit(rule.cause),
        quantity=rule.quantity.cast(MONEY),
        confidence=rule.confidence,
        evidence=rule.evidence,
    )


def _state(rows: pl.LazyFrame) -> pl.LazyFrame:
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


def _one(parts: pl.DataFrame) -> pl.DataFrame:
    """Take the one thing that happened to each row as all of it."""
    return parts.select(
        "_row",
        "cause",
        "confidence",
        "evidence",
        parts=pl.concat_list(pl.struct("cause", "quantity")),
    )


def _several(parts: pl.DataFrame) -> pl.DataFrame:
    """Put together what happened to each row; the first is the cause."""
    return parts.group_by("_row", maintain_order=True).agg(
        pl.col("cause", "confidence").first(),
        pl.col("evidence").str.join("; "),
        parts=pl.struct("cause", "quantity"),
    )
