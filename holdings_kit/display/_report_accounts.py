"""The accounts, each with its coverage; of many, how their returns are spread."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import polars as pl

from holdings_kit.display._numbers import number_of, percent, quantity
from holdings_kit.display._page import safe, unknown
from holdings_kit.display._report_facts import NO_COST, say_no_value
from holdings_kit.display._report_marks import (
    span,
    write_amount,
    write_card,
    write_gain,
    write_partly,
    write_share,
)

if TYPE_CHECKING:
    from holdings_kit.display._report_facts import Row

_ACCOUNTS: Final = 20
_EDGES: Final = (-0.5, -0.2, -0.1, -0.05, 0.0, 0.05, 0.1, 0.2, 0.5)


def write_accounts(totals: pl.DataFrame, snapshots: pl.DataFrame) -> str:
    """List the accounts, each with its coverage, also those of which nothing counts."""
    current = snapshots.filter(status="current").unique("account_id")
    rows = totals.join(
        current.select("account_id", "broker", "source"),
        on="account_id",
        how="left",
        nulls_equal=True,
    ).sort("market_value", descending=True, nulls_last=True)
    silent = (
        snapshots.join(totals, on="account_id", how="anti", nulls_equal=True)
        .unique("account_id")
        .sort("account_id", nulls_last=True)
    )
    whole = float(rows["market_value"].abs().sum()) or 1.0
    body = "".join(_write_account(row, whole) for row in rows.iter_rows(named=True))
    body += "".join(_write_silent_account(row) for row in silent.iter_rows(named=True))
    head = (
        '<th scope="col">Account at</th><th scope="col" class="r">Lines</th>'
        '<th scope="col" class="r">Value, ₹</th><th scope="col">Share</th>'
        '<th scope="col" class="r">P&amp;L, ₹</th>'
    )
    sub = "Each account's latest snapshot"
    unvalued = rows.filter(
        (pl.col("unpriced_count") > 0) | pl.col("market_value").is_null()
    ).height
    unvalued += silent.height
    if unvalued:
        lacking = number_of(unvalued, "account")
        sub += f"; the value of {lacking} is not, or not all, known"
    return write_card(
        _name_largest(rows, rows.height + silent.height, whole, known=bool(unvalued)),
        f'<table class="tight"><thead><tr>{head}</tr></thead><tbody>{body}</tbody>'
        "</table>",
        sub=sub,
        place="c7",
    )


def _name_largest(rows: pl.DataFrame, count: int, whole: float, *, known: bool) -> str:
    """Say which account holds most of the value, where one has a value."""
    if count == 1:
        return "One account"
    first = rows.head(1).rows(named=True)
    if not first or first[0]["market_value"] is None:
        return f"{number_of(count, 'account')}, none with a known value"
    share = percent(float(first[0]["market_value"]) / whole, places=0)
    of = "known value" if known else "value"
    return f"{_call_account(first[0])} holds {share} of {of}"


def _call_account(row: Row) -> str:
    return str(row["broker"] or row["source"] or row["account_id"] or "unknown")


def _write_account(row: Row, whole: float) -> str:
    value, pnl, share = (
        row[name] for name in ("market_value", "unrealized_pnl", "costed_value_share")
    )
    empty = not row["positions_count"]
    why = "no holdings in the reply" if empty else say_no_value(row)
    bar = (
        span("faint s", why)
        if value is None
        else write_share(float(value) / whole, abs(float(value)) / whole)
    )
    partly = write_partly(share) if pnl is not None else ""
    count, unpriced = row["positions_count"], row["unpriced_count"]
    less = span("nm", f"{quantity(count - unpriced)} priced") if unpriced else ""
    figure = unknown(why if value is None else NO_COST)
    if pnl is not None:
        figure = write_gain(pnl)
    return (
        f"{_write_name(row)}"
        f'<td class="r cnt">{quantity(count)}{less}</td><td class="r">'
        f"{unknown(why) if value is None else write_amount(value)}</td>"
        f'<td class="wt">{bar}</td><td class="r nw">{partly}{figure}</td></tr>'
    )


def _write_name(row: Row) -> str:
    return (
        f'<tr><th scope="row">{safe(_call_account(row))}'
        f'<span class="nm acct">{safe(row["account_id"] or "no id")}</span></th>'
    )


def _write_silent_account(row: Row) -> str:
    """Write an account none of whose snapshots counts: nothing of it is known."""
    why = f"no snapshot that counts: {row['status_reason'] or row['status']}"
    dash = f'<td class="r">{unknown(why)}</td>'
    return (
        f'{_write_name(row)}{dash}{dash}<td class="wt"><span class="faint s">no '
        f"snapshot that counts</span></td>{dash}</tr>"
    )


def write_population(totals: pl.DataFrame, snapshots: pl.DataFrame) -> str:
    """Draw how accounts' returns are spread, and list those that cannot be judged."""
    known = totals.filter(pl.col("return").is_not_null())
    median = known["return"].median()
    below = [int((known["return"] < edge).sum()) for edge in _EDGES]
    counts = [high - low for low, high in pairwise([0, *below, known.height])]
    most = max(counts) or 1
    labels = [
        f"under {percent(_EDGES[0], places=0)}",
        *(
            f"{percent(low, places=0)} to {percent(high, places=0)}"
            for low, high in pairwise(_EDGES)
        ),
        f"{percent(_EDGES[-1], places=0)} and more",
    ]
    bars = "".join(
        f'<tr><th scope="row">{label}</th><td class="r">{quantity(count)}</td>'
        f'<td class="wt"><span class="wbar" style="--p:{count / most:.4f}"></span></td>'
        "</tr>"
        for label, count in zip(labels, counts, strict=True)
    )
    finding = (
        "No account has a return"
        if median is None
        else f"Half of the accounts returned {percent(median, sign=True)} or more"
    )
    spread = write_card(
        finding,
        '<table class="tight"><thead><tr><th scope="col">Return on known cost</th>'
        '<th scope="col" class="r">Accounts</th><th scope="col">Count, from zero</th>'
        f"</tr></thead><tbody>{bars}</tbody></table>",
        sub=f"{quantity(known.height)} of {number_of(totals.height, 'account')} "
        "have a return; each account counts once",
        place="c7",
    )
    return spread + _write_unjudged(totals, snapshots)


def _write_unjudged(totals: pl.DataFrame, snapshots: pl.DataFrame) -> str:
    held = snapshots.filter(status="quarantined")["account_id"].unique()
    whys = totals.with_columns(
        why=pl.when(pl.col("account_id").is_in(held.implode()))
        .then(pl.lit("its newest snapshot is quarantined"))
        .when(pl.col("positions_count") == 0)
        .then(pl.lit("no holdings in the reply"))
        .when(pl.col("market_value").is_null())
        .then(pl.lit("no holding has a price"))
        .when(pl.col("return").is_null())
        .then(pl.lit("no holding has a known cost"))
        .when(pl.col("unreconciled_count") > 0)
        .then(pl.lit("quantities do not add up"))
    ).filter(pl.col("why").is_not_null())
    reasons = whys.group_by("why").len().sort("len", "why", descending=[True, False])
    items = "".join(
        f'<div><dt>{safe(why)}</dt><dd>{quantity(count)}</dd><dd class="s quiet">'
        f"{_list_first_accounts(whys.filter(why=why))}</dd></div>"
        for why, count in reasons.iter_rows()
    )
    return write_card(
        f"{number_of(whys.height, 'account')} cannot be judged",
        f'<dl class="kv">{items}</dl>' if items else "<p>Every account can.</p>",
        place="c5",
    )


def _list_first_accounts(rows: pl.DataFrame) -> str:
    names = rows["account_id"].sort()
    shown = safe(", ".join(names.head(_ACCOUNTS)))
    left = names.len() - _ACCOUNTS
    return shown + (f" and {quantity(left)} more" if left > 0 else "")
