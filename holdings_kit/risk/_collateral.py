"""What each holding is worth as collateral; the account is in `margin`.

Value = quantity × previous close × (1 − haircut) [exchange and broker texts].
Collateral is a view of the same shares, not further wealth: never add it to value.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Final, Literal, TypeAlias, get_args

import polars as pl

from holdings_kit.errors import ConfigError, FrameError, require_known
from holdings_kit.market._days import day_of
from holdings_kit.risk._margin_rules import Practice, Rules, as_rules
from holdings_kit.schema import (
    HOLDINGS,
    MONEY,
    RATE,
    VALUE,
    Frame,
    conform,
    require_columns,
)

Quantity: TypeAlias = Literal["pledged", "pledgeable", "owned"]
Cash: TypeAlias = Decimal | float | pl.DataFrame | pl.LazyFrame

COLLATERAL: Final = pl.Schema(
    {
        "snapshot_id": pl.String(),
        "account_id": pl.String(),
        "holding_no": pl.Int64(),
        "instrument_id": pl.String(),
        "symbol": pl.String(),
        "collateral_quantity": MONEY,
        "price": MONEY,  # previous close
        "haircut": RATE,
        "haircut_basis": pl.String(),  # published | given
        "haircut_date": pl.Date(),  # of the haircut given; null: published, or undated
        "haircut_age_days": pl.Int64(),  # calendar days from it to the snapshot
        "eligible": pl.Boolean(),  # null: no list says
        "cash_equivalent": pl.Boolean(),  # null: no master says; counted as non-cash
        "collateral_value": VALUE,
        "reason": pl.String(),  # why the value is unknown or nil, in words
    }
)

_KEYS: Final = ("snapshot_id", "account_id", "holding_no", "instrument_id", "symbol")
LIKE_CASH: Final = pl.col("cash_equivalent").fill_null(value=False)
"""Tell collateral that counts as cash."""
_ZERO: Final = pl.lit(0, VALUE)
_WIDE: Final = pl.Decimal(38, 14)  # 4 + 4 + 6 places: the product is formed exactly
_CLOSE: Final = timedelta(hours=15, minutes=30)  # trading ends, the close is known
_QUANTITIES: Final = {
    "pledged": pl.col("pledged_quantity"),
    "pledgeable": pl.col("settled_quantity").cast(VALUE).floor().cast(MONEY),
    "owned": pl.col("owned_quantity"),
}
_UNKNOWN: Final = {
    "pledged": "pledged quantity unknown",
    "pledgeable": "settled quantity unknown",
    "owned": "owned quantity unknown",
}


def collateral(
    holdings: Frame,
    *,
    quantity: Quantity = "pledged",
    haircuts: pl.DataFrame | pl.LazyFrame | None = None,
    max_haircut_age: int | None = None,
    cash: Cash | None = None,
    rules: Rules | Practice | None = None,
    instruments: pl.DataFrame | pl.LazyFrame | None = None,
) -> Frame:
    """Value each holding as collateral: quantity × previous close × (1 − haircut).

    Parameters
    ----------
    holdings
        HOLDINGS; lazy stays lazy.
    quantity
        ``pledged``: what counts today. ``pledgeable``: what could be pledged now,
        settled and free shares in whole units. ``owned``: every share.
    haircuts
        ``instrument_id, haircut[, date]``, fractions: a model's `HAIRCUTS` of one
        name, the exchange's `MARGINS` (of each day the last file), or the clearing
        corporation's list. A row here replaces the published haircut; where it is
        missing or null the published one stays. With `date`, the newest row known at
        the instant of the snapshot counts: a haircut uses the close of its date, so it
        is known from 15:30 in India on, and a snapshot of 10:15 has that of an earlier
        day. A list is in force from its date on; what is not on it is not eligible.
    max_haircut_age
        Calendar days after which a dated haircut counts no more, and the published one
        stays; None: it never ages. `haircut_date` and `haircut_age_days` say how old
        each is.
    cash
        Rupees of one account, or a frame ``account_id, cash_value``. Adds
        ``usable_value`` under `rules`, filled in row order, so that its sum over an
        account is exact. Cash equivalents count as cash. Null where cash is unknown.
    rules
        A `Rules`, or ``"strict"`` (the default), or ``"broker"``.
    instruments
        The master (INSTRUMENTS): says on which days an instrument is eligible and
        whether it is a cash equivalent. Without it both stay null; a haircut does
        not prove that the instrument is eligible.

    Returns
    -------
    COLLATERAL
        One row per holding, in the order given. `collateral_value` in rupees, exact
        to 8 places. Null where quantity, close or haircut is unknown (a published
        haircut of 0 without a close is unknown), with the reason in words. 0 where
        nothing is held under `quantity`, or the list says not eligible.

    Raises
    ------
    ConfigError
        An unknown `quantity`, a negative age, or one sum of cash for several accounts.
    FrameError
        A frame lacks a column, or has two rows for one key.

    Notes
    -----
    Unsettled shares, fractions and off-list securities cannot be pledged, and the
    previous close is the price [exchange and broker texts]. Strict rule: usable =
    cash + min(non-cash, cash). With ``Rules(security_cap=…)`` a non-cash security
    counts for at most that share of the account's cash and known collateral.

    Examples
    --------
    >>> from holdings_kit.schema import HOLDINGS
    >>> row = {"symbol": "IDEA", "settled_quantity": 771, "close_price": "9.93"}
    >>> holdings = pl.DataFrame([row | {"haircut": "0.2707"}]).cast(
    ...     {"settled_quantity": MONEY, "close_price": MONEY, "haircut": RATE}
    ... )
    >>> blank = [
    ...     pl.lit(None, t).alias(c) for c, t in HOLDINGS.items() if c not in holdings
    ... ]
    >>> holdings = holdings.with_columns(blank).select(HOLDINGS.names())
    >>> collateral(holdings, quantity="pledgeable")["collateral_value"].item()
    Decimal('5583.54267900')
    """
    require_known(quantity, "quantity", get_args(Quantity))
    if max_haircut_age is not None and max_haircut_age < 0:
        raise ConfigError(f"max_haircut_age {max_haircut_age}: cannot be negative")
    chosen = as_rules(rules)
    rows = conform(holdings, HOLDINGS, name="holdings").lazy()
    rows = rows.select(
        *_KEYS,
        _QUANTITIES[quantity].alias("collateral_quantity"),
        pl.col("close_price").alias("price"),
        pl.when((pl.col("haircut") != 0) | pl.col("close_price").is_not_null())
        .then("haircut")
        .alias("haircut"),
        day_of(pl.col("snapshot_at")).alias("on"),
        # the day whose close is known at the instant of the snapshot
        day_of(pl.col("snapshot_at") - _CLOSE).alias("closed"),
    )
    rows = _add_haircuts(rows, haircuts, max_haircut_age)
    rows = _add_eligibility(rows, instruments)
    by_master = pl.coalesce("eligible", "listed")
    rows = rows.with_columns(
        pl.when(~pl.col("listed")).then("listed").otherwise(by_master).alias("eligible")
    )
    rows = rows.with_columns(_explain_unknown(quantity), _compute_collateral_value())
    if cash is not None:
        rows = _add_usable_value(rows, read_account_sums(cash, rows, "cash"), chosen)
    out = rows.select(
        *COLLATERAL.names(), *(["usable_value"] if cash is not None else [])
    )
    if isinstance(holdings, pl.DataFrame):
        return out.collect()
    return out


def _compute_collateral_value() -> pl.Expr:
    """Form the product where `_reason` has nothing to say; nil where none counts."""
    quantity, price, haircut = map(pl.col, ("collateral_quantity", "price", "haircut"))
    kept = pl.lit(1, RATE) - haircut
    nil = (quantity == 0) | ~pl.col("eligible").fill_null(value=True)
    known = (quantity > 0) & (price > 0) & haircut.is_between(0, 1)
    return (
        pl.when(nil)
        .then(_ZERO)
        .when(known)
        .then((quantity.cast(_WIDE) * price * kept).cast(VALUE))
        .alias("collateral_value")
    )


def _explain_unknown(quantity: Quantity) -> pl.Expr:
    said = pl.lit("not eligible on ") + pl.col("on").dt.to_string("%Y-%m-%d")
    return (
        pl.when(pl.col("collateral_quantity").is_null())
        .then(pl.lit(_UNKNOWN[quantity]))
        .when(pl.col("collateral_quantity") == 0)
        .then(pl.lit(None, pl.String()))
        .when(pl.col("collateral_quantity") < 0)
        .then(pl.lit("quantity is negative"))
        .when(~pl.col("eligible"))
        .then(said)
        .when(pl.col("price").is_null())
        .then(pl.lit("no close"))
        .when(pl.col("price") <= 0)
        .then(pl.lit("close is not positive"))
        .when(pl.col("haircut").is_null())
        .then(pl.lit("no haircut"))
        .when(~pl.col("haircut").is_between(0, 1))
        .then(pl.lit("haircut outside 0 to 1"))
        .alias("reason")
    )


def refuse_duplicates(
    frame: pl.DataFrame, keys: list[str], *, name: str
) -> pl.DataFrame:
    """Refuse a frame given from outside that has two rows for one key."""
    twice = frame.filter(frame.select(keys).is_duplicated())
    if twice.height:
        key = " ".join(str(part) for part in twice.select(keys).row(0))
        raise FrameError(name, keys[0], f"two rows for {key}; keep one")
    return frame


def _add_haircuts(
    rows: pl.LazyFrame,
    haircuts: pl.DataFrame | pl.LazyFrame | None,
    max_age: int | None,
) -> pl.LazyFrame:
    """Let the haircuts given replace the published ones, and say which is which."""
    basis = pl.when(pl.col("haircut").is_not_null()).then(pl.lit("published"))
    unknown = pl.lit(None, pl.Boolean())
    rows = rows.with_columns(basis.alias("haircut_basis"), unknown.alias("listed"))
    undated = pl.lit(None, pl.Date()).alias("haircut_date")
    if haircuts is None:
        none = pl.lit(None, pl.Int64()).alias("haircut_age_days")
        return rows.with_columns(undated, none)
    table = haircuts.lazy().collect()
    require_columns(table.columns, ("instrument_id", "haircut"), name="haircuts")
    dated = "date" in table.columns
    keys = ["instrument_id", "date"] if dated else ["instrument_id"]
    if {"var_margin", "elm", "file_no"} <= set(table.columns):
        table = take_last_files(table, keys)
    for column in ("name", "model"):
        if column in table.columns and table[column].n_unique() > 1:
            names = ", ".join(map(repr, table[column].unique().sort().head(3)))
            raise FrameError("haircuts", column, f"has several, {names}; filter one")
    is_list = dated and "valuation_price" in table.columns
    table = table.filter(pl.col("haircut").is_not_null()).with_columns(
        pl.col("haircut").cast(RATE).alias("given")
    )
    table = refuse_duplicates(table.select(*keys, "given"), keys, name="haircuts")
    if is_list:
        rows = _join_list(rows, table)
    elif dated:
        newest = table.with_columns(haircut_date="date")
        rows = _join_newest(rows, newest, "closed", by="instrument_id")
    else:
        rows = rows.join(
            table.lazy(), on="instrument_id", how="left", maintain_order="left"
        ).with_columns(undated)
    age = (pl.col("on") - pl.col("haircut_date")).dt.total_days()
    rows = rows.with_columns(age.cast(pl.Int64()).alias("haircut_age_days"))
    if max_age is not None:
        fresh = (pl.col("haircut_age_days") <= max_age).fill_null(value=True)
        rows = rows.with_columns(
            pl.when(fresh).then(column).alias(column)
            for column in ("given", "haircut_date", "haircut_age_days")
        )
    return rows.with_columns(
        pl.coalesce("given", "haircut").alias("haircut"),
        pl.when(pl.col("given").is_not_null())
        .then(pl.lit("given"))
        .otherwise("haircut_basis")
        .alias("haircut_basis"),
    )


def take_last_files(margins: Frame, keys: list[str]) -> Frame:
    """Take of each instrument and day the last margin file, of its main series."""
    have = margins.collect_schema()
    order = (
        [pl.col("series").eq("EQ").fill_null(value=False)] if "series" in have else []
    )
    if "file_no" in have:
        order.append(pl.col("file_no"))
    ordered = margins.sort(order, maintain_order=True) if order else margins
    return ordered.unique(keys, keep="last", maintain_order=True)


def _join_list(rows: pl.LazyFrame, table: pl.DataFrame) -> pl.LazyFrame:
    """Join the newest list up to the day of the snapshot, and say who is on it."""
    days = table.select("date").unique().with_columns(haircut_date="date")
    found = _join_newest(rows, days, "on").join(
        table.lazy().rename({"date": "haircut_date"}),
        on=["instrument_id", "haircut_date"],
        how="left",
        maintain_order="left",
    )
    on_list = pl.when(pl.col("haircut_date").is_not_null()).then(
        pl.col("given").is_not_null()
    )
    return found.with_columns(on_list.alias("listed"))


def _join_newest(
    rows: pl.LazyFrame, table: pl.DataFrame, day: str, *, by: str | None = None
) -> pl.LazyFrame:
    """Join the newest row of a table up to a day of each row; to no day, none."""
    placed = rows.with_row_index("_place").with_columns(pl.col(day).alias("date"))
    known = placed.filter(pl.col("date").is_not_null()).sort("date")
    dated = known.join_asof(
        table.sort("date").lazy(), on="date", by=by, check_sortedness=False
    )
    rest = placed.filter(pl.col("date").is_null())
    both = pl.concat([dated, rest], how="diagonal").sort("_place")
    return both.drop("_place", "date")


def _add_eligibility(
    rows: pl.LazyFrame, instruments: pl.DataFrame | pl.LazyFrame | None
) -> pl.LazyFrame:
    """Add what the dated list and the master say; null where they do not say."""
    if instruments is None:
        unknown = pl.lit(None, pl.Boolean())
        return rows.with_columns(eligible=unknown, cash_equivalent=unknown)
    marks = (
        instruments.lazy()
        .group_by("instrument_id")
        .agg(pl.col("cash_equivalent").min())
    )
    periods = (
        instruments.lazy()
        .filter(pl.col("eligible_from").is_not_null())
        .select("instrument_id", "eligible_from", "eligible_to")
        .unique()
    )
    placed = rows.with_row_index("_place")
    until = pl.col("eligible_to").is_null() | (pl.col("on") <= pl.col("eligible_to"))
    covered = (pl.col("on") >= pl.col("eligible_from")) & until
    said = (
        placed.select("_place", "instrument_id", "on")
        .join(periods, on="instrument_id")
        .group_by("_place")
        .agg(covered.any(ignore_nulls=False).alias("eligible"))
    )
    return (
        placed.join(said, on="_place", how="left", maintain_order="left")
        .join(marks, on="instrument_id", how="left", maintain_order="left")
        .drop("_place")
    )


def read_account_sums(
    given: Cash | None, rows: pl.LazyFrame, name: str, *, of: str = "holdings"
) -> pl.LazyFrame:
    """Read a sum for one account, or a frame of them, as one row per account."""
    column = f"{name}_value"
    if isinstance(given, pl.DataFrame | pl.LazyFrame):
        table = given.lazy().collect()
        require_columns(table.columns, ("account_id", column), name=name)
        table = table.select("account_id", pl.col(column).cast(VALUE))
        return refuse_duplicates(table, ["account_id"], name=name).lazy()
    accounts = rows.select(pl.col("account_id").unique()).collect()
    if given is not None and accounts.height > 1:
        raise ConfigError(
            f"{name} is one sum but {of} has {accounts.height} accounts; "
            f"pass a frame (account_id, {column})"
        )
    amount = None if given is None else Decimal(str(given))
    return accounts.lazy().with_columns(pl.lit(amount, VALUE).alias(column))


def join_account(rows: pl.LazyFrame, table: pl.LazyFrame) -> pl.LazyFrame:
    """Join a frame of one row per account, in the order of `rows`."""
    return rows.join(
        table, on="account_id", how="left", maintain_order="left", nulls_equal=True
    )


def cap_each_security(rules: Rules) -> pl.Expr:
    """Value of each row that counts after the cap per security; needs ``cash_value``.

    A non-cash security counts for at most its share of the account's cash and known
    collateral. Null where the value is, or the cash under a cap.
    """
    value = pl.col("collateral_value")
    if rules.security_cap is None:
        return value
    known = value.fill_null(_ZERO)
    gross = pl.col("cash_value") + known.sum().over("account_id")
    limit = gross * pl.lit(rules.security_cap).cast(VALUE)
    before = known.cum_sum().over("account_id", "instrument_id") - known
    capped = pl.min_horizontal(value, pl.max_horizontal(limit - before, _ZERO))
    says = value.is_not_null() & limit.is_not_null()
    return pl.when(LIKE_CASH).then(value).when(says).then(capped)


def _add_usable_value(
    rows: pl.LazyFrame, cash: pl.LazyFrame, rules: Rules
) -> pl.LazyFrame:
    """Add what of each row's collateral the rules let count."""
    rows = join_account(rows, cash).with_columns(
        cap_each_security(rules).alias("_counts")
    )
    value = pl.col("_counts")
    if rules.practice == "broker":
        return rows.with_columns(value.alias("usable_value"))
    other = pl.when(~LIKE_CASH).then(value).fill_null(_ZERO)
    equal = pl.when(LIKE_CASH).then(value).fill_null(_ZERO)
    factor = pl.lit(rules.non_cash_per_cash).cast(VALUE)
    before = other.cum_sum().over("account_id") - other
    room = (pl.col("cash_value") + equal.sum().over("account_id")) * factor - before
    filled = pl.min_horizontal(value, pl.max_horizontal(room, _ZERO))
    return rows.with_columns(
        pl.when(LIKE_CASH)
        .then(value)
        .when(room.is_not_null() & value.is_not_null())
        .then(filled)
        .alias("usable_value")
    )
