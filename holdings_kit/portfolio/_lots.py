"""Lots, realised gains and holding periods, from a table of trades and nothing else.

Units of different days are made one by whole numbers, so that no ratio is rounded: a
unit after the actions a₁:b₁ … is worth Π of the later a and of the earlier b, and what
is counted is units times that. A sale takes from purchases in this measure; quantities,
costs and proceeds are rounded once, where they are shown, and add up.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Final, NamedTuple

import polars as pl

from holdings_kit.errors import ConfigError, FrameError, readable
from holdings_kit.schema import (
    ACTIONS,
    MONEY,
    VALUE,
    FrameLike,
    as_frame,
    conform,
    require_columns,
)

_TRADES: Final = pl.Schema(
    {
        "date": pl.Date(),
        "instrument_id": pl.String(),
        "quantity": MONEY,  # bought positive, sold negative
        "price": MONEY,
    }
)
OPEN_LOTS: Final = pl.Schema(
    {
        "account_id": pl.String(),
        "instrument_id": pl.String(),
        "buy_date": pl.Date(),
        "quantity": MONEY,  # of the purchase, what is not sold
        "price": MONEY,
        "cost_value": VALUE,
        "held_days": pl.Int64(),  # up to the day asked about
        "term": pl.String(),  # short | long, would it be sold on that day
        "note": pl.String(),  # what is not counted, or was not bought
    }
)
REALIZED_LOTS: Final = pl.Schema(
    {
        "account_id": pl.String(),
        "instrument_id": pl.String(),
        "buy_date": pl.Date(),
        "sell_date": pl.Date(),
        "quantity": MONEY,
        "buy_price": MONEY,
        "sell_price": MONEY,
        "cost_value": VALUE,
        "sale_value": VALUE,
        "gain_value": VALUE,  # sale − cost, before charges and tax
        "held_days": pl.Int64(),
        "term": pl.String(),  # short | long
        "note": pl.String(),
    }
)
_KEYS: Final = ("account_id", "_chain")
_COUNTED: Final = ("split", "bonus", "consolidation", "isin_change", "rename")
_WIDE: Final = pl.Int128()  # ten-thousandths of a unit, times the factors of a chain
_TEN: Final = pl.lit(10_000, _WIDE)
_NO_ACTIONS: Final = (
    "no actions were given: a split, bonus or new ISIN in between is not counted"
)


@readable
class Lots(NamedTuple):
    """What is left of each purchase, and what each sale took from which purchase.

    Attributes
    ----------
    open
        One row per purchase of which something is left (`OPEN_LOTS`).
    realized
        One row per sale and purchase it took from (`REALIZED_LOTS`).
    """

    open: pl.DataFrame
    realized: pl.DataFrame


def fifo_lots(
    trades: FrameLike | pl.LazyFrame | None,
    *,
    actions: FrameLike | pl.LazyFrame | None = None,
    on: date | None = None,
    long_term_months: int = 12,
) -> Lots:
    """Match sales with purchases, first in, first out.

    No payload says when a share was bought: lots and holding periods cannot be made
    from holdings, and without `trades` this is refused.

    Parameters
    ----------
    trades
        ``date, instrument_id, quantity, price`` and, where there are several,
        ``account_id``: bought positive, sold negative, rupees. Within a day the order
        of the rows counts.
    actions
        `ACTIONS`; trades are then in the units of their own day. Splits and
        consolidations multiply the units of earlier lots and leave date and cost; a
        bonus is a lot of its own, from its ex-date, at no cost; a new identity takes
        the lots along. A fraction of a share that such an action leaves is taken out,
        and `note` names it. Other kinds are not counted, and `note` says so. None:
        trades are in one unit, and every `note` says that nothing is known; an empty
        frame says that there was nothing.
    on
        The day up to which open lots are held; None: their holding period is null.
        Later actions count only where trades follow them.
    long_term_months
        A lot held for more than so many months is ``long``.

    Returns
    -------
    Lots
        Quantities and prices in units of the sale, or of the end where still open.
        Quantities to four places, costs and proceeds to eight, rounded so that the
        parts of a trade add up to it. A fraction was paid in cash nobody names: its
        sale and gain are null. Charges and tax are left out.

    Raises
    ------
    ConfigError
        There are no trades; an action lacks its ratio.
    FrameError
        A column is missing or holds a null; more was sold than had been bought; new
        identities lead in a circle.

    Notes
    -----
    First in, first out is how shares in a demat account are taken: section 45(2A) of
    the Income-tax Act 1961. Listed shares are long-term after more than 12 months,
    section 2(42A). Bonus shares cost nothing, section 55(2)(aa)(iiia), and are held
    from their allotment, section 2(42A), Explanation 1(i)(f); the table has the
    ex-date in its place.

    Examples
    --------
    >>> trades = pl.DataFrame(
    ...     {
    ...         "date": [date(2024, 1, 1), date(2025, 1, 2), date(2025, 1, 10)],
    ...         "instrument_id": ["X"] * 3,
    ...         "quantity": [10, 10, -15],
    ...         "price": [100, 120, 130],
    ...     }
    ... )
    >>> lots = fifo_lots(trades.cast({"quantity": MONEY, "price": MONEY}))
    >>> lots.realized.cast({"gain_value": pl.Int64()}).select(
    ...     "term", "gain_value"
    ... ).rows()
    [('long', 300), ('short', 50)]
    >>> str(lots.open["quantity"].item())
    '5.0000'

    With a split, one becomes two, between the first two trades:

    >>> split = {"instrument_id": "X", "ex_date": date(2024, 6, 3), "kind": "split"}
    >>> actions = pl.DataFrame([split | {"ratio": "1:2"}], schema=ACTIONS)
    >>> lots = fifo_lots(trades, actions=actions)
    >>> lots.realized.cast({"quantity": pl.Int64(), "gain_value": pl.Int64()}).select(
    ...     "quantity", "gain_value"
    ... ).rows()
    [(15, 1200)]
    """
    if trades is None:
        raise ConfigError(
            "no payload says when a share was bought: pass trades with date, "
            "instrument_id, quantity and price"
        )
    if isinstance(on, datetime):
        raise ConfigError(f"on={on!r}: a date")
    rows = _read_trades(trades)
    last = max(
        [day for day in (rows["date"].max(), on) if isinstance(day, date)], default=None
    )
    table = read_ratios(actions) if actions is not None else None
    if table is not None and on is not None and last is not None:
        table = table.filter(pl.col("ex_date") <= last)
    chains = _link_identities(table)
    events, steps = _count_in_one_measure(rows, table, chains)
    parts = _match_sales(events)
    other = _list_uncounted(table, chains)
    noted = _with_notes(parts, other, on=on, known=actions is not None)
    return _make_lots(noted, steps, on=on, months=f"{long_term_months}mo")


# ── reading ─────────────────────────────────────────────────────────────────────────


def _read_trades(trades: FrameLike | pl.LazyFrame) -> pl.DataFrame:
    given = as_frame(trades, _TRADES, name="trades").lazy().collect()
    require_columns(given.columns, _TRADES, name="trades")
    for column in _TRADES:
        if given[column].null_count():
            raise FrameError("trades", column, "holds nulls; fill or drop them first")
    read = conform(given.cast(_TRADES), _TRADES, name="trades")
    if (read["price"] < 0).any():
        raise FrameError(
            "trades", "price", "is negative; a sale has a negative quantity"
        )
    known = "account_id" in read.columns
    account = pl.col("account_id").cast(pl.String()) if known else pl.lit(None)
    return (
        read.filter(pl.col("quantity") != 0)
        # unknown is one account here: a join takes it for none
        .with_columns(account_id=account.fill_null(""))
        .with_row_index("_row")
        .sort("date", "_row")
    )


def read_ratios(actions: FrameLike | pl.LazyFrame) -> pl.DataFrame:
    """Read `ACTIONS` with what each does to units: `_num` new ones for `_den` old.

    A bonus has `_num` more for `_den` held. Rows that say the same are one.

    Raises
    ------
    FrameError
        A column that is needed is missing.
    ConfigError
        A split, bonus, consolidation or merger has no ratio that can be read.
    """
    given = as_frame(actions, ACTIONS, name="actions").lazy().collect()
    require_columns(given.columns, ("instrument_id", "ex_date", "kind"), name="actions")
    missing = [name for name in ACTIONS if name not in given.columns]
    table = given.with_columns(
        pl.lit(None, ACTIONS[name]).alias(name) for name in missing
    ).select(ACTIONS.names())
    first, second = parse_ratio(pl.col("ratio").str.replace_all(" ", ""))
    num, den = turn_ratio(pl.col("_1"), pl.col("_2"))
    kind = pl.col("kind")
    read = table.with_columns(
        kind=kind.str.strip_chars().str.to_lowercase(), _1=first, _2=second
    ).with_columns(_num=num, _den=den)
    needed = kind.is_in(["split", "bonus", "consolidation", "merger"])
    fine = (pl.col("_1") > 0) & (pl.col("_2") > 0)
    wrong = read.filter(needed & ~fine.fill_null(value=False))
    if wrong.height:
        row = wrong.row(0, named=True)
        raise ConfigError(
            f"actions: ratio {row['ratio']!r} of {row['instrument_id']} is none; "
            "write '1:10', '10' or, for a bonus, '1:2'"
        )
    return read.drop("_1", "_2").unique(
        ["instrument_id", "ex_date", "kind", "_num", "_den", "new_instrument_id"],
        maintain_order=True,
    )


def parse_ratio(text: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """Read ``10`` or ``42:25`` as two whole numbers; ``10`` is ten to one."""
    parts = text.str.extract_groups(r"^(\d{1,9})(?:\s*:\s*(\d{1,9}))?$").struct
    first, second = (parts.field(place).cast(pl.Int64()) for place in ("1", "2"))
    return first, pl.coalesce(second, 1)


def turn_ratio(first: pl.Expr, second: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """Say by the kind of an action which is the number of the new units.

    ``1:10``, ``10:1`` and ``10`` are one split, ten for one.
    """
    kind = pl.col("kind")
    low, high = pl.min_horizontal(first, second), pl.max_horizontal(first, second)
    grows, shrinks = kind == "split", kind.is_in(["consolidation", "capital_reduction"])
    return (
        pl.when(grows).then(high).when(shrinks).then(low).otherwise(first),
        pl.when(grows).then(low).when(shrinks).then(high).otherwise(second),
    )


def _link_identities(actions: pl.DataFrame | None) -> pl.DataFrame:
    """Give the last name of every identity that got a new one."""
    if actions is None:
        return pl.DataFrame(
            schema={"instrument_id": pl.String(), "_chain": pl.String()}
        )
    counted = pl.col("kind").is_in(_COUNTED) & pl.col("new_instrument_id").is_not_null()
    links = (
        actions.filter(
            counted & (pl.col("new_instrument_id") != pl.col("instrument_id"))
        )
        .sort("ex_date", maintain_order=True)
        .unique("instrument_id", keep="last", maintain_order=True)
        .select("instrument_id", _chain="new_instrument_id")
    )
    found = links
    further = links.rename({"instrument_id": "_chain", "_chain": "_next"})
    for _ in range(links.height):
        more = found.join(further, on="_chain", how="left", maintain_order="left")
        if more["_next"].null_count() == more.height:
            return found
        found = more.select("instrument_id", _chain=pl.coalesce("_next", "_chain"))
    if links.height:
        name = found["instrument_id"][0]
        raise FrameError("actions", "new_instrument_id", f"{name}: leads in a circle")
    return found


def _join_chain(rows: pl.DataFrame, chains: pl.DataFrame) -> pl.DataFrame:
    joined = rows.join(chains, on="instrument_id", how="left", maintain_order="left")
    return joined.with_columns(_chain=pl.coalesce("_chain", "instrument_id"))


# ── one measure ─────────────────────────────────────────────────────────────────────


def _count_in_one_measure(
    rows: pl.DataFrame, actions: pl.DataFrame | None, chains: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give all trades as `_units` of one measure, and what a unit is after each action.

    `_scale` is the measure of one unit on the day of a trade. Bonus shares and
    fractions are trades beside those of the table.
    """
    steps = _read_steps(actions, chains)
    traded = _join_chain(rows, chains)
    after = steps.select("_chain", "ex_date", "_scale").sort(
        "ex_date", maintain_order=True
    )
    start = steps.group_by("_chain").agg(_start=pl.col("_before").first())
    placed = (
        traded.sort("date")
        .join_asof(
            after,
            left_on="date",
            right_on="ex_date",
            by="_chain",
            check_sortedness=False,
        )
        .join(start, on="_chain", how="left")
        .with_columns(_scale=pl.coalesce("_scale", "_start", pl.lit(1, _WIDE)))
    )
    money = pl.col("quantity", "price").cast(pl.Decimal(38, 4)) * 10_000
    events = placed.with_columns(money.cast(_WIDE)).select(
        *_KEYS,
        "date",
        "instrument_id",
        "price",
        "_scale",
        _units=pl.col("quantity") * pl.col("_scale"),
        _turn=pl.lit(1),  # actions come before the trades of their day
        _row=pl.col("_row").cast(pl.Int64()),
        note=pl.lit(None, pl.String()),
    )
    for number in steps["_no"].unique().sort():
        found = _apply_action(events, steps.filter(_no=number))
        events = pl.concat([events, found.select(events.columns)])
    events = events.sort("date", "_turn", "_row")
    _refuse_short(events)
    return events, steps


def _read_steps(actions: pl.DataFrame | None, chains: pl.DataFrame) -> pl.DataFrame:
    """Give the actions of each chain in order, and what a unit is around each."""
    schema = {**ACTIONS, "_num": pl.Int64(), "_den": pl.Int64()}
    given = pl.DataFrame(schema=schema) if actions is None else actions
    counted = pl.col("kind").is_in(_COUNTED)
    splits = pl.col("kind") != "bonus"
    one = pl.lit(1, _WIDE)
    steps = (
        _join_chain(given.filter(counted), chains)
        # a split before the bonus of its day; the product is the same
        .sort("ex_date", splits.not_(), maintain_order=True)
        .with_columns(
            _no=pl.int_range(pl.len()).over("_chain"),
            _up=pl.when(splits).then(pl.col("_num").cast(_WIDE)).fill_null(one),
            _down=pl.when(splits).then(pl.col("_den").cast(_WIDE)).fill_null(one),
        )
    )
    later = pl.col("_up").reverse().cum_prod().reverse()
    return steps.with_columns(
        _after=(later // pl.col("_up")).over("_chain"),
        _done=pl.col("_down").cum_prod().over("_chain"),
    ).with_columns(
        _scale=pl.col("_after") * pl.col("_done"),
        _before=pl.col("_after") * pl.col("_up") * (pl.col("_done") // pl.col("_down")),
    )


def _apply_action(events: pl.DataFrame, step: pl.DataFrame) -> pl.DataFrame:
    """Make the bonus shares and the fractions of one action of each chain."""
    facts = step.select(
        "_chain", "ex_date", "kind", "ratio", "_num", "_den", "_no", "_scale", "_before"
    )
    held = (
        events.drop("_scale")
        .join(facts, on="_chain")
        .filter(
            (pl.col("date") < pl.col("ex_date"))
            | ((pl.col("date") == pl.col("ex_date")) & (pl.col("_turn") == 0))
        )
        .group_by(*_KEYS)
        .agg(
            pl.col("_units").sum(),
            pl.col("instrument_id").last(),
            pl.col(facts.columns[1:]).first(),
        )
        .filter(pl.col("_units") > 0)
    )
    owned, share = pl.col("_units"), pl.col("_scale") * _TEN
    bonus, many = pl.col("kind") == "bonus", pl.col("_num").cast(_WIDE)
    due = owned * pl.when(bonus).then(many).otherwise(1)
    each = share * pl.when(bonus).then(pl.col("_den").cast(_WIDE)).otherwise(1)
    # units that were no whole ones before, as of a fund, are cut by nobody
    is_whole = owned % (pl.col("_before") * _TEN) == 0
    rest = pl.when(is_whole).then(due % each).otherwise(0)
    part = (rest.cast(pl.Float64()) / each.cast(pl.Float64())).round(4)
    fraction = pl.when(rest > 0).then(
        pl.format("a fraction of {} of a share was paid in cash", part)
    )
    grown = pl.when(is_whole).then((due // each) * share)
    issued = pl.format("bonus {}, at no cost", pl.col("ratio").str.strip_chars())
    return held.with_columns(
        date="ex_date",
        price=pl.when(bonus).then(pl.lit(0, _WIDE)),
        _units=pl.when(bonus)
        .then(grown.otherwise(due * pl.col("_scale") // (each // _TEN)))
        .otherwise(rest * -1),
        _turn=pl.lit(0),
        _row=pl.col("_no").cast(pl.Int64()),
        note=pl.when(bonus)
        .then(pl.concat_str(issued, fraction, separator="; ", ignore_nulls=True))
        .otherwise(pl.format("{}: its price is unknown", fraction)),
    ).filter(pl.col("_units") != 0)


def _refuse_short(events: pl.DataFrame) -> None:
    owned = events.with_columns(_owned=pl.col("_units").cum_sum().over(_KEYS))
    short = owned.filter(pl.col("_owned") < 0)
    if short.height:
        row = short.row(0, named=True)
        missing = Decimal(-row["_owned"]) / row["_scale"] / 10_000
        reason = (
            f"{row['instrument_id']}: {missing.normalize():f} more sold by "
            f"{row['date']} than bought; are earlier purchases missing, or a split?"
        )
        raise FrameError("trades", "quantity", reason)


# ── matching ────────────────────────────────────────────────────────────────────────


def _match_sales(events: pl.DataFrame) -> pl.DataFrame:
    """Cut the queue where a purchase or a sale ends; each part has one of both."""
    sides: list[pl.DataFrame] = []
    for name, sign in (("buy", 1), ("sell", -1)):
        units = pl.col("_units") * sign
        facts = ("date", "price", "_scale", "note", "instrument_id")
        sides.append(
            events.filter(units > 0)
            .with_columns(_end=units.cum_sum().over(_KEYS))
            .select(
                *_KEYS,
                "_end",
                (pl.col("_end") - units).alias(f"_{name}_start"),
                *(pl.col(fact).alias(f"{name}_{fact.strip('_')}") for fact in facts),
            )
        )
    ends = pl.concat([side.select(*_KEYS, "_end") for side in sides]).unique()
    parts = ends.sort("_end").with_columns(
        _start=pl.col("_end").shift(1).over(_KEYS, order_by="_end").fill_null(0)
    )
    for side in sides:
        parts = parts.join_asof(
            side.sort("_end"),
            on="_end",
            by=list(_KEYS),
            strategy="forward",
            check_sortedness=False,
        )
    return parts.sort(*_KEYS, "_end")


def _list_uncounted(actions: pl.DataFrame | None, chains: pl.DataFrame) -> pl.DataFrame:
    """List the actions that change a lot in a way that is not counted here."""
    if actions is None:
        schema = {"_chain": pl.String(), "ex_date": pl.Date(), "_word": pl.String()}
        return pl.DataFrame(schema=schema)
    others = actions.filter(~pl.col("kind").is_in([*_COUNTED, "dividend"]))
    return _join_chain(others, chains).select(
        "_chain",
        "ex_date",
        _word=pl.format("{} on {} is not counted", "kind", "ex_date"),
    )


def _with_notes(
    parts: pl.DataFrame, other: pl.DataFrame, *, on: date | None, known: bool
) -> pl.DataFrame:
    rows = parts.with_row_index("_part")
    until = pl.coalesce("sell_date", pl.lit(on, pl.Date()), pl.lit(date.max))
    crossed = (
        rows.select("_part", "_chain", "buy_date", _until=until)
        .join(other, on="_chain")
        .filter(
            (pl.col("ex_date") > pl.col("buy_date"))
            & (pl.col("ex_date") <= pl.col("_until"))
        )
        .sort("ex_date", "_word")
        .group_by("_part")
        .agg(_words=pl.col("_word").unique(maintain_order=True).str.join("; "))
    )
    note = pl.concat_str(
        "buy_note",
        "sell_note",
        "_words",
        pl.lit(None if known else _NO_ACTIONS, pl.String()),
        separator="; ",
        ignore_nulls=True,
    )
    return (
        rows.join(crossed, on="_part", how="left")
        .sort("_part")
        .with_columns(note=pl.when(note != "").then(note))
    )


# ── showing ─────────────────────────────────────────────────────────────────────────


def _make_lots(
    parts: pl.DataFrame, steps: pl.DataFrame, *, on: date | None, months: str
) -> Lots:
    last = steps.group_by("_chain").agg(_last=pl.col("_scale").last())
    parts = parts.join(
        last, on="_chain", how="left", maintain_order="left"
    ).with_columns(
        account_id=pl.when(pl.col("account_id") != "").then("account_id"),
        _now=pl.coalesce("sell_scale", "_last", pl.lit(1, _WIDE)),
    )
    day = pl.lit(on, pl.Date())
    left = parts.filter(pl.col("sell_date").is_null())
    gone = parts.filter(pl.col("sell_date").is_not_null())
    scale, buy_scale = pl.col("_now"), pl.col("buy_scale")
    price = pl.col("buy_price") * scale // buy_scale
    cost = _share_out("buy_price", "_buy_start", buy_scale)
    sale = _share_out("sell_price", "_sell_start", scale)
    return Lots(
        left.with_columns(
            instrument_id="_chain",
            quantity=_as_decimal(_count_units(scale, pl.lit(0, _WIDE)), MONEY),
            price=_as_decimal(price, MONEY),
            cost_value=_as_decimal(cost, VALUE),
            held_days=(day - pl.col("buy_date")).dt.total_days(),
            term=_name_term(day, months),
        ).select(pl.col(name).cast(kind) for name, kind in OPEN_LOTS.items()),
        gone.with_columns(
            instrument_id="sell_instrument_id",
            quantity=_as_decimal(_count_units(scale, pl.col("_sell_start")), MONEY),
            buy_price=_as_decimal(price, MONEY),
            sell_price=_as_decimal(pl.col("sell_price"), MONEY),
            cost_value=_as_decimal(cost, VALUE),
            sale_value=_as_decimal(sale, VALUE),
            held_days=(pl.col("sell_date") - pl.col("buy_date")).dt.total_days(),
            term=_name_term(pl.col("sell_date"), months),
        )
        .with_columns(gain_value=pl.col("sale_value") - pl.col("cost_value"))
        .select(pl.col(name).cast(kind) for name, kind in REALIZED_LOTS.items()),
    )


def _count_units(scale: pl.Expr, start: pl.Expr) -> pl.Expr:
    """Give the units of a part, in ten-thousandths; parts add up to the whole."""
    end, begin = pl.col("_end") - start, pl.col("_start") - start
    return end // scale - begin // scale


def _share_out(price: str, start: str, scale: pl.Expr) -> pl.Expr:
    """Give what a part cost or brought; the parts of a trade add up to it."""
    end, begin = (pl.col(at) - pl.col(start) for at in ("_end", "_start"))
    return pl.col(price) * end // scale - pl.col(price) * begin // scale


def _as_decimal(whole: pl.Expr, kind: pl.DataType) -> pl.Expr:
    """Read a count of the last places of a decimal type."""
    places = 4 if kind == MONEY else 8
    wide = whole.cast(pl.Decimal(38, 0)).cast(pl.Decimal(38, places))
    return (wide / pl.lit(10**places, pl.Decimal(38, places))).cast(kind)


def _name_term(day: pl.Expr, months: str) -> pl.Expr:
    anniversary = pl.col("buy_date").dt.offset_by(months)
    return (
        pl.when(day > anniversary)
        .then(pl.lit("long"))
        .when(day.is_not_null())
        .then(pl.lit("short"))
    )
