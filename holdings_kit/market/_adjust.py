"""Prices before a corporate action in the shares of today, histories joined into one.

Back-adjustment: a price of before an ex-date is multiplied by what one share of before
is worth in shares of after. Splits, bonuses and consolidations have exact factors.
Rights and demergers need a price of the market: the theoretical price after rights is
(old × close + new × issue price) / (old + new); after a demerger the base is the price
at which the exchange discovered the share on the ex-date, its open.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, Literal

import polars as pl

from holdings_kit.errors import FrameError
from holdings_kit.read.identity import isin_ok
from holdings_kit.schema import ACTIONS, MONEY, conform

if TYPE_CHECKING:
    from datetime import date

_JOINING: Final = (
    "split",
    "bonus",
    "consolidation",
    "isin_change",
    "rename",
    "capital_reduction",
)
"""Kinds after which the instrument goes on under its new identity."""
_FACTORED: Final = (
    "split",
    "bonus",
    "consolidation",
    "isin_change",
    "capital_reduction",
    "rights",
    "demerger",
)
_PRICES: Final = ("close_price", "open_price", "high_price", "low_price", "last_price")
_WORDS: Final = {"known": "adjustments", "open": "unadjusted"}
_HOPS: Final = 8  # identities of one security, one after the other
_ISSUER: Final = 7  # letters of an ISIN that name the issuer


def adjust(
    prices: pl.DataFrame | pl.LazyFrame, actions: pl.DataFrame | pl.LazyFrame
) -> pl.DataFrame:
    """Back-adjust prices for corporate actions, and join renamed histories.

    Every price of before an ex-date is multiplied by the factors of all later actions
    of the instrument. Histories are joined where an action names the new identity,
    and where one symbol goes on under another ISIN of the same issuer. Dividends,
    buybacks and calls change no price here.

    Parameters
    ----------
    prices
        `PRICES`, as published; at least ``instrument_id``, ``date``, ``close_price``.
    actions
        `ACTIONS`. Rows that say the same are one.

    Returns
    -------
    polars.DataFrame
        The rows and columns of `prices` under the latest identity, prices adjusted
        and rounded to four places, and `close` (Float64, adjusted, not rounded),
        `raw_close_price`, `raw_instrument_id`, `factor` (Float64), `adjustments`
        (which actions made the factor, null where none) and `unadjusted` (actions of
        which the factor is not known, null where none). Quantities and traded values
        stay as published.

    Raises
    ------
    FrameError
        A column is missing or of another type; the ratio of an action cannot be read.

    Examples
    --------
    >>> from datetime import date
    >>> from decimal import Decimal
    >>> days = [date(2022, 7, 27), date(2022, 7, 28)]  # Tata Steel, 1:10
    >>> closes = [Decimal("959.40"), Decimal("98.10")]
    >>> table = {"instrument_id": ["T"] * 2, "date": days, "close_price": closes}
    >>> prices = pl.DataFrame(table, schema_overrides={"close_price": MONEY})
    >>> split = {"instrument_id": "T", "ex_date": days[1], "kind": "split"}
    >>> actions = pl.DataFrame([split | {"ratio": "1:10"}], schema=ACTIONS)
    >>> adjusted = adjust(prices, actions)
    >>> adjusted.select("close_price", "adjustments").rows()
    [(Decimal('95.9400'), 'split 1:10 on 2022-07-28'), (Decimal('98.1000'), None)]
    """
    rows = _check_prices(prices)
    table = (
        conform(actions.lazy(), ACTIONS, name="actions")
        .collect()
        .unique(
            ["instrument_id", "ex_date", "kind", "ratio", "new_instrument_id"],
            maintain_order=True,
        )
    )
    table = table.drop_nulls(["instrument_id", "ex_date", "kind"])
    table = _rename_to_price_identity(table, rows)
    edges = _list_renames(rows, table)
    joined = _follow_renames(rows, edges, "date")
    joined = joined.with_columns(_own=pl.col("raw_instrument_id").eq("instrument_id"))
    joined = (
        joined.sort("instrument_id", "date", "_own", descending=[False, False, True])
        .unique(["instrument_id", "date"], keep="first", maintain_order=True)
        .drop("_own")
    )
    steps = _give_own_factors(joined, table, edges)
    return _apply_factors(joined, steps)


def _check_prices(prices: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    rows = prices.lazy().collect()
    if "close_price" not in rows.columns and "close" in rows.columns:
        rows = rows.with_columns(
            close_price=pl.col("close").cast(pl.String()).cast(MONEY)
        )
    needed = {"instrument_id": pl.String(), "date": pl.Date(), "close_price": MONEY}
    conform(rows, pl.Schema(needed), name="prices")
    if rows.select("instrument_id", "date").null_count().sum_horizontal().item():
        raise FrameError("prices", "date", "a row names no instrument or no day")
    return rows.with_columns(
        raw_instrument_id="instrument_id", raw_close_price="close_price"
    )


def _rename_to_price_identity(
    actions: pl.DataFrame, rows: pl.DataFrame
) -> pl.DataFrame:
    """Put actions of a listing under the ISIN that its prices have before the day."""
    listed = ~pl.col("instrument_id").is_in(rows["instrument_id"].unique().implode())
    listed &= pl.col("instrument_id").str.contains(":", literal=True)
    asked = actions.with_row_index("_row").filter(listed & (pl.col("kind") != "rename"))
    if asked.is_empty():
        return actions
    known = _name_listings(rows).select(instrument_id="_listing", _id="_id", _at="date")
    known = known.unique().sort("_at")
    found: list[pl.DataFrame] = []
    ways: tuple[Literal["backward", "forward"], ...] = ("backward", "forward")
    for way in ways:
        matched = (
            asked.select("_row", "instrument_id", "ex_date")
            .sort("ex_date")
            .join_asof(
                known,
                left_on="ex_date",
                right_on="_at",
                by="instrument_id",
                strategy=way,
                allow_exact_matches=way == "forward",
                check_sortedness=False,
            )
            .filter(pl.col("_id").is_not_null())
            .select("_row", "_id")
        )
        found.append(matched)
        asked = asked.join(matched, on="_row", how="anti")
    return (
        actions.with_row_index("_row")
        .join(pl.concat(found), on="_row", how="left", maintain_order="left")
        .with_columns(instrument_id=pl.coalesce("_id", "instrument_id"))
        .drop("_row", "_id")
    )


def _name_listings(rows: pl.DataFrame) -> pl.DataFrame:
    """Give the listing of each price of a symbol, beside its identity and day."""
    exchange = pl.col("exchange") if "exchange" in rows.columns else pl.lit("NSE")
    symbol = pl.col("symbol") if "symbol" in rows.columns else pl.lit(None, pl.String())
    return rows.select(
        _exchange=exchange,
        _symbol=symbol,
        _listing=pl.format("{}:{}", exchange.fill_null("NSE"), symbol),
        _id="instrument_id",
        date="date",
    ).drop_nulls("_symbol")


def _list_renames(rows: pl.DataFrame, actions: pl.DataFrame) -> pl.DataFrame:
    """Give old identity, new identity and the day from which on the new one holds."""
    named = actions.filter(
        pl.col("kind").is_in(_JOINING)
        & pl.col("new_instrument_id").is_not_null()
        & (pl.col("new_instrument_id") != pl.col("instrument_id"))
    ).select("instrument_id", "new_instrument_id", day="ex_date")
    edges = pl.concat([named, _find_symbol_successors(rows, actions)])
    if edges.is_empty():
        return edges
    # an action may name a listing whose prices stand under its ISIN
    listed = (
        _name_listings(rows)
        .group_by("_listing", "_id")
        .agg(pl.col("date").min())
        .filter(pl.col("_listing") != pl.col("_id"))
        .sort("date")
        .unique("_listing", keep="last", maintain_order=True)
        .select("_id", new_instrument_id="_listing")
    )
    if listed.is_empty():
        return edges
    return (
        edges.join(listed, on="new_instrument_id", how="left", maintain_order="left")
        .with_columns(new_instrument_id=pl.coalesce("_id", "new_instrument_id"))
        .drop("_id")
        .filter(pl.col("instrument_id") != pl.col("new_instrument_id"))
        .unique(maintain_order=True)
    )


def _find_symbol_successors(rows: pl.DataFrame, actions: pl.DataFrame) -> pl.DataFrame:
    """Find symbols that go on under another ISIN of the same issuer."""
    key = ["_exchange", "_symbol"]
    spans = (
        _name_listings(rows)
        .rename({"_id": "instrument_id"})
        .filter(isin_ok("instrument_id").fill_null(value=False))
        .group_by(*key, "instrument_id")
        .agg(first=pl.col("date").min(), last=pl.col("date").max())
        .sort(*key, "first", "instrument_id")
    )
    later = spans.with_columns(
        new_instrument_id=pl.col("instrument_id").shift(-1).over(key),
        _next=pl.col("first").shift(-1).over(key),
    ).filter(
        (pl.col("_next") > pl.col("last"))
        & (
            pl.col("instrument_id").str.slice(0, _ISSUER)
            == pl.col("new_instrument_id").str.slice(0, _ISSUER)
        )
    )
    # the ex-date, where an action of the old ISIN explains it, else the first day
    known = actions.filter(pl.col("kind").is_in(_JOINING)).select(
        "instrument_id", "ex_date"
    )
    return (
        later.join(known, on="instrument_id", how="left", maintain_order="left")
        .with_columns(
            day=pl.when(
                (pl.col("ex_date") > pl.col("last"))
                & (pl.col("ex_date") <= pl.col("_next"))
            )
            .then("ex_date")
            .otherwise("_next")
        )
        .group_by("instrument_id", "new_instrument_id", maintain_order=True)
        .agg(pl.col("day").min())
    )


def _follow_renames(rows: pl.DataFrame, edges: pl.DataFrame, day: str) -> pl.DataFrame:
    """Put the latest identity in place of each earlier one, for rows of before it."""
    if edges.is_empty():
        return rows
    right = (
        edges.sort("day")
        .unique(["instrument_id", "day"], keep="first", maintain_order=True)
        .select("instrument_id", _new="new_instrument_id", _day="day")
    )
    for _ in range(_HOPS):
        moved = (
            rows.with_row_index("_row")
            .select("_row", "instrument_id", day)
            .join(right, on="instrument_id", how="semi")
            .sort(day)
            .join_asof(
                right.sort("_day"),
                left_on=day,
                right_on="_day",
                by="instrument_id",
                strategy="forward",
                allow_exact_matches=False,
                check_sortedness=False,
            )
            .filter(pl.col("_new").is_not_null())
            .select("_row", "_new")
        )
        if moved.is_empty():
            break
        rows = (
            rows.with_row_index("_row")
            .join(moved, on="_row", how="left", maintain_order="left")
            .with_columns(instrument_id=pl.coalesce("_new", "instrument_id"))
            .drop("_row", "_new")
        )
    return rows


def _give_own_factors(
    rows: pl.DataFrame, actions: pl.DataFrame, edges: pl.DataFrame
) -> pl.DataFrame:
    """Give each action of an instrument its own factor, null where it is not known."""
    own = actions.filter(pl.col("kind").is_in(_FACTORED)).with_columns(
        _before=pl.col("ex_date").dt.offset_by("-1d")
    )
    placed = _follow_renames(own, edges, "_before").unique(
        ["instrument_id", "ex_date", "kind", "ratio"], maintain_order=True
    )
    placed = placed.join(
        rows.select("instrument_id").unique(), on="instrument_id", how="semi"
    )
    cum = rows.select(
        "instrument_id", _at="date", _cum=pl.col("raw_close_price")
    ).filter(pl.col("_cum").is_not_null())
    placed = (
        placed.sort("ex_date")
        .join_asof(
            cum.sort("_at"),
            left_on="ex_date",
            right_on="_at",
            by="instrument_id",
            strategy="backward",
            allow_exact_matches=False,
            check_sortedness=False,
        )
        .drop("_at")
    )
    opened = "open_price" if "open_price" in rows.columns else pl.lit(None, MONEY)
    opens = rows.select("instrument_id", ex_date="date", _open=opened)
    placed = placed.join(
        opens, on=["instrument_id", "ex_date"], how="left", maintain_order="left"
    )
    found: list[tuple[str, date, float | None, str]] = []
    for row in placed.sort("instrument_id", "ex_date", maintain_order=True).iter_rows(
        named=True
    ):
        factor, basis = _compute_factor(row)
        ratio = f" {row['ratio']}" if row["ratio"] else ""
        word = f"{row['kind']}{ratio} on {row['ex_date']}{basis}"
        if factor == 1 and row["kind"] == "isin_change":
            continue
        value = None if factor is None else float(factor)
        found.append((row["instrument_id"], row["ex_date"], value, word))
    return pl.DataFrame(
        found,
        schema={
            "instrument_id": pl.String(),
            "ex_date": pl.Date(),
            "step": pl.Float64(),
            "word": pl.String(),
        },
        orient="row",
    )


def _compute_factor(action: dict[str, Any]) -> tuple[Fraction | None, str]:
    """Give what one share of before is worth in shares of after, and from what."""
    kind: str = action["kind"]
    ratio = _parse_ratio(action)
    if kind == "demerger":
        return _compute_demerger_factor(action)
    if ratio is None:
        return (Fraction(1) if kind == "isin_change" else None), ""
    first, second = ratio
    if kind == "rights":
        return _compute_rights_factor(action, first, second)
    low, high = sorted(ratio)
    factors = {
        "split": low / high,
        "bonus": second / (first + second),
        "consolidation": high / low,
        "capital_reduction": high / low,
        "isin_change": second / first,
    }
    return factors[kind], ""


def _compute_demerger_factor(action: dict[str, Any]) -> tuple[Fraction | None, str]:
    base, cum = action["_open"], action["_cum"]
    if base is None or cum is None or not 0 < base < cum:
        return None, ""
    return Fraction(base) / Fraction(cum), f" (base: the open {base.normalize():f})"


def _compute_rights_factor(
    action: dict[str, Any], first: Fraction, second: Fraction
) -> tuple[Fraction | None, str]:
    price, cum = action["cash_per_unit"], action["_cum"]
    if price is None or cum is None:
        return None, ""
    if price >= cum:
        return Fraction(1), " (not below the market)"
    worth = second * Fraction(cum) + first * Fraction(price)
    return worth / ((first + second) * Fraction(cum)), f" (at {price.normalize():f})"


def _parse_ratio(action: dict[str, Any]) -> tuple[Fraction, Fraction] | None:
    """Read ``10`` or ``42:25`` as two numbers; ``10`` is ten to one."""
    text = (action["ratio"] or "").strip()
    if text in ("", "-"):
        return None
    first, _, second = text.partition(":")
    try:
        one, other = Fraction(first.strip()), Fraction(second.strip() or "1")
    except (ValueError, ZeroDivisionError):
        one = other = Fraction(0)
    if one <= 0 or other <= 0:
        where = f"{action['kind']} of {action['instrument_id']} on {action['ex_date']}"
        raise FrameError("actions", "ratio", f"{text[:40]!r} of {where} is no ratio")
    return one, other


def _apply_factors(rows: pl.DataFrame, steps: pl.DataFrame) -> pl.DataFrame:
    """Multiply each price by the factors of the actions after its day."""
    last = ["instrument_id", "ex_date"]
    daily = (
        steps.group_by(last, maintain_order=True)
        .agg(
            pl.col("step").fill_null(1.0).product(),
            known=pl.col("word").filter(pl.col("step").is_not_null()).str.join(", "),
            open=pl.col("word").filter(pl.col("step").is_null()).str.join(", "),
        )
        .sort(last, descending=[False, True])
        .with_columns(factor=pl.col("step").cum_prod().over("instrument_id"))
    )
    # the words of this action and of all later ones, the earliest first
    table = daily.select(
        "instrument_id",
        "ex_date",
        words=pl.struct(
            "factor",
            *(_gather_later_words(name).over("instrument_id") for name in _WORDS),
        ),
    )
    made = _join_factors(rows, table, "_factor", inclusive=False)
    if "previous_close_price" in rows.columns:
        # the close before belongs to the day before: an ex-date counts for it too
        made = _join_factors(made, table, "_previous", inclusive=True)
        made = made.with_columns(
            _scale_price(
                "previous_close_price", pl.col("_previous").struct.field("factor")
            )
        ).drop("_previous")
    factor = pl.col("_factor").struct.field("factor").fill_null(1.0)
    columns = [name for name in _PRICES if name in rows.columns]
    blank_to_null = [
        pl.when(pl.col("_factor").struct.field(name) != "")
        .then(pl.col("_factor").struct.field(name))
        .alias(ours)
        for name, ours in _WORDS.items()
    ]
    return made.with_columns(
        (pl.col("close_price").cast(pl.Float64()) * factor).alias("close"),
        *(_scale_price(name, factor) for name in columns),
        factor.alias("factor"),
        *blank_to_null,
    ).drop("_factor")


def _gather_later_words(column: str) -> pl.Expr:
    """Join the words so far, the last first; rows without any add none."""
    words = pl.element().filter(pl.element() != "").reverse().str.join(", ")
    return pl.col(column).cumulative_eval(words)


def _join_factors(
    rows: pl.DataFrame, table: pl.DataFrame, name: str, *, inclusive: bool
) -> pl.DataFrame:
    """Put beside each row the first action after its day, with all that follow."""
    return (
        rows.with_row_index("_row")
        .sort("date")
        .join_asof(
            table.rename({"words": name}).sort("ex_date"),
            left_on="date",
            right_on="ex_date",
            by="instrument_id",
            strategy="forward",
            allow_exact_matches=inclusive,
            check_sortedness=False,
        )
        .sort("_row")
        .drop("_row", "ex_date", strict=False)
    )


def _scale_price(column: str, factor: pl.Expr) -> pl.Expr:
    """Multiply a price, rounded to four places; exactly as it was where by one."""
    product = (pl.col(column).cast(pl.Float64()) * factor).round(4).cast(MONEY)
    return (
        pl.when(factor.fill_null(1.0) == 1.0)
        .then(pl.col(column))
        .otherwise(product)
        .alias(column)
    )
