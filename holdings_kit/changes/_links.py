"""The same security under a new name: ISIN changes and renamed listings.

An Indian ISIN is country (2), issuer type (1), issuer (4), security type (2),
serial (2), check digit (1): two ISINs that share the first nine characters are
successive ISINs of one class of shares; another class differs in them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from holdings_kit.changes._actions import ISIN, with_root
from holdings_kit.changes._facts import plain_symbol
from holdings_kit.changes._order import is_held

if TYPE_CHECKING:
    from collections.abc import Sequence

_ACCOUNT: Final = ("_rows_after", "_lines_before", "_lines_after")
_OLD: Final = pl.col("_old_id")
_NEW: Final = pl.col("_new_id")
_OLD_IS_ISIN: Final = _OLD.str.contains(ISIN)
_NEW_IS_ISIN: Final = _NEW.str.contains(ISIN)
# of two ISINs one is right; of an ISIN and a listing, or two listings, both may be
_TWO_ISINS: Final = _OLD_IS_ISIN & _NEW_IS_ISIN
_SYMBOL: Final = pl.col("_old_symbol") == pl.col("_new_symbol")
_ISSUER: Final = _TWO_ISINS & (_OLD.str.head(7) == _NEW.str.head(7))
_CLASS: Final = (
    _TWO_ISINS & (_OLD.str.head(9) == _NEW.str.head(9)) & _OLD.str.contains("^INE")
)
_NAME: Final = pl.col("_old_name") == pl.col("_new_name")
_TOKEN: Final = (pl.col("_old_exchange") == pl.col("_new_exchange")) & (
    pl.col("_old_token") == pl.col("_new_token")
)
_COLUMNS: Final = (
    "symbol",
    "name",
    "exchange",
    "token",
    "owned_quantity",
    "cost_value",
)
_EQUAL: Final = pl.col("_equal_quantity") & pl.col("_equal_cost")
_ONE_SHARE: Final = ~_TWO_ISINS & _SYMBOL

LINK_RULES: Final = (
    ("the actions table names the new identity", pl.col("_named"), 0.99),
    ("one listing, its ISIN is not known on both sides", _ONE_SHARE, 0.97),
    (
        "one listing and token, its ISIN is not known on both sides",
        _TOKEN & ~(_OLD_IS_ISIN | _NEW_IS_ISIN),
        0.9,
    ),
    ("one token, its ISIN is not known on both sides", ~_TWO_ISINS & _TOKEN, 0.9),
    (
        "same symbol and issuer, quantity and cost equal",
        _SYMBOL & _ISSUER & _EQUAL,
        0.97,
    ),
    (
        "same symbol and issuer, cost equal",
        _SYMBOL & _ISSUER & pl.col("_equal_cost"),
        0.96,
    ),
    ("same symbol, issuer and class of shares", _SYMBOL & _CLASS, 0.92),
    ("same listing, quantity and cost equal", _TOKEN & _EQUAL, 0.88),
    ("same name, quantity and cost equal", _NAME & _EQUAL, 0.88),
    ("same issuer and class, quantity and cost equal", _CLASS & _EQUAL, 0.88),
    ("same symbol, quantity and cost equal", _SYMBOL & _EQUAL, 0.75),
)
"""Reason, condition, confidence: first match wins; a tie links nothing."""


def _take_end(
    rows: pl.LazyFrame, keys: Sequence[str], old: str, end: str
) -> pl.LazyFrame:
    return rows.select(
        *keys,
        pl.col("instrument_id").alias(f"_{old}_id"),
        *(
            pl.col(f"{column}_{end}").alias(f"_{old}_{column}")
            for column in _COLUMNS
            if column != "symbol"
        ),
        plain_symbol(f"symbol_{end}").alias(f"_{old}_symbol"),
    )


def _pair_candidates(
    gone: pl.LazyFrame, came: pl.LazyFrame, keys: Sequence[str], actions: pl.DataFrame
) -> pl.LazyFrame:
    """Pair what went with what came, where a name, an issuer or an action is shared."""
    issuer = [
        side.with_columns(pl.col(f"_{end}_id").str.head(7).alias("_issuer"))
        for side, end in ((gone, "old"), (came, "new"))
    ]
    named = (
        with_root(gone.collect(), actions, "_old_id")
        .join(with_root(came.collect(), actions, "_new_id"), on=[*keys, "_root"])
        .lazy()
    )
    where = list(keys)
    pairs = [
        named.with_columns(_named=pl.lit(value=True)),
        *(
            gone.join(
                came,
                left_on=[*where, *(f"_old_{name}" for name in shared)],
                right_on=[*where, *(f"_new_{name}" for name in shared)],
                coalesce=False,
            )
            for shared in (("symbol",), ("name",), ("exchange", "token"))
        ),
        issuer[0].join(issuer[1], on=[*where, "_issuer"]),
    ]
    columns = [
        *keys,
        *(f"_{end}_{c}" for end in ("old", "new") for c in ("id", *_COLUMNS)),
    ]
    return pl.concat(
        [
            pair.select(
                *columns,
                (pl.col("_named") if n == 0 else pl.lit(value=False)).alias("_named"),
            )
            for n, pair in enumerate(pairs)
        ]
    )


def _choose_links(
    gone: pl.LazyFrame,
    came: pl.LazyFrame,
    keys: Sequence[str],
    actions: pl.DataFrame,
    tolerance: float,
) -> pl.LazyFrame:
    """Choose at most one partner for each line that went or came."""
    gone, came = (
        _take_end(gone, keys, "old", "before"),
        _take_end(came, keys, "new", "after"),
    )
    q0, q1 = pl.col("_old_owned_quantity"), pl.col("_new_owned_quantity")
    c0, c1 = pl.col("_old_cost_value"), pl.col("_new_cost_value")
    slack = (q0 + q1).cast(pl.Float64()) * tolerance / 2
    score = pl.coalesce(
        pl.when(when).then(pl.lit(confidence)) for _, when, confidence in LINK_RULES
    )
    reason = pl.coalesce(
        pl.when(when).then(pl.lit(words)) for words, when, _ in LINK_RULES
    )
    ranked = (
        _pair_candidates(gone, came, keys, actions)
        .with_columns(
            _equal_quantity=(q0 == q1).fill_null(value=False),
            _equal_cost=((c1 - c0).cast(pl.Float64()).abs() <= slack).fill_null(
                value=False
            ),
        )
        .with_columns(_link_confidence=score, _link=reason)
        .filter(pl.col("_link").is_not_null())
        .sort("_link_confidence", descending=True)
        .unique([*keys, "_old_id", "_new_id"], keep="first", maintain_order=True)
    )
    best = pl.col("_link_confidence") == pl.col("_link_confidence").max()
    for end in ("_old_id", "_new_id"):
        here = [*keys, end]
        ranked = ranked.filter(best.over(here)).filter(pl.len().over(here) == 1)
    return ranked.select(
        *keys,
        "_old_id",
        "_new_id",
        "_link",
        "_link_confidence",
        _same_share=_ONE_SHARE.fill_null(value=False) & ~pl.col("_named"),
    )


def with_links(
    rows: pl.DataFrame,
    keys: Sequence[str],
    actions: pl.DataFrame,
    tolerance: float,
) -> pl.DataFrame:
    """Make one row of an old and a new identity of the same security."""
    alone = rows.with_columns(
        _link=pl.lit(None, pl.String()),
        _link_confidence=pl.lit(None, pl.Float64()),
        _same_share=pl.lit(value=False),
    )
    lines = rows.select(
        *keys,
        "_group",
        "instrument_id",
        *(f"{column}_{end}" for column in _COLUMNS for end in ("before", "after")),
        _before=is_held("before"),
        _after=is_held("after"),
    )
    gone = lines.filter("_before", ~pl.col("_after"))
    came = lines.filter("_after", ~pl.col("_before"))
    # only an account in which something came has a new name for what went
    gone = gone.join(came, on="_group", how="semi")
    came = came.join(gone, on="_group", how="semi")
    if gone.is_empty():
        return alone
    links = _choose_links(gone.lazy(), came.lazy(), keys, actions, tolerance).collect()
    if links.is_empty():
        return alone
    names = rows.columns
    apart = ("snapshot_at_before", "snapshot_at_after", *_ACCOUNT)
    before = [c for c in names if c.endswith("_before") and c not in apart]
    after = [c for c in names if c.endswith("_after") and c not in apart]
    old = rows.select(
        *keys, "_group", pl.col("instrument_id").alias("_old_id"), *before, *apart
    )
    new = rows.select(*keys, pl.col("instrument_id").alias("_new_id"), *after)
    merged = (
        links.join(old, on=[*keys, "_old_id"])
        .join(new, on=[*keys, "_new_id"])
        .rename({"_new_id": "instrument_id"})
    )
    for end in ("_old_id", "_new_id"):
        alone = alone.join(
            links, left_on=[*keys, "instrument_id"], right_on=[*keys, end], how="anti"
        )
    return pl.concat([alone, merged.select(alone.columns)])
