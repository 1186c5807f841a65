"""What could be pledged, and how concentrated the value is."""

from __future__ import annotations

from decimal import Decimal

import polars as pl

from holdings_kit.display._numbers import number_of, percent, quantity, rupees
from holdings_kit.display._page import unknown
from holdings_kit.display._report_facts import sum_known, with_smallcase_value
from holdings_kit.display._report_marks import cover, write_card
from holdings_kit.portfolio import concentration


def write_collateral(rows: pl.DataFrame, holdings: pl.DataFrame) -> str:
    """Say what counts as collateral today and what could be pledged: both floors."""
    items = ""
    could, now = (rows.filter(quantity=kind) for kind in ("pledgeable", "pledged"))
    for part, label in (
        (now, "Pledged today, after haircut"),
        (could, "Could be pledged, after haircut"),
    ):
        known, every = part["collateral_value"].count(), part.height
        worth = sum_known(part["collateral_value"])
        words = f"known for {quantity(known)} of {number_of(every, 'line')}"
        figure = unknown(_say_no_collateral(part)) if worth is None else rupees(worth)
        items += (
            f"<div><dt>{label}</dt><dd>{figure}</dd>"
            f"<dd>{cover(known / every if every else 0.0, words)}</dd></div>"
        )
    no_need = "no margin need is given to a report"
    items += (
        f"<div><dt>Headroom</dt><dd>{unknown(no_need)}</dd>"
        f'<dd class="s quiet">{no_need}: hk.margin takes one</dd></div>'
    )
    given = could.filter(haircut_basis="given").height
    says = could["haircut"].count()
    inside = holdings.filter(pl.col("smallcase_quantity") > 0).height
    smallcases = (
        f"{number_of(inside, 'line')} with shares inside smallcases counted: whether "
        "these may be pledged, the replies do not say. "
        if inside
        else ""
    )
    return write_card(
        _say_what_could_be_pledged(could),
        f'<dl class="kv">{items}</dl><p class="note">Previous close × (1 − haircut); '
        f"settled shares in whole units. Haircuts: {quantity(says - given)} published "
        f"in replies, {quantity(given)} from the files given; none is estimated. "
        f"{smallcases}A floor: lines without a haircut, close or quantity count as "
        "nothing here. Under the 50:50 rule at least half of a margin must be "
        "cash.</p>",
        place="c12",
    )


def _say_no_collateral(part: pl.DataFrame) -> str:
    """Say why no line has a value as collateral."""
    if part.is_empty():
        return "no lines"
    reasons = part["reason"].drop_nulls().unique().sort().to_list()
    return "; ".join(reasons[:3]) or "not known"


def _say_what_could_be_pledged(could: pl.DataFrame) -> str:
    worth = sum_known(could["collateral_value"])
    silent = could["collateral_value"].null_count()
    if worth is None:
        return "What could be pledged is not known"
    if worth:
        least = "At least " if silent else ""
        return f"{least}{rupees(worth)} could be pledged"
    if silent:
        return f"What {number_of(silent, 'line')} could be pledged for is not known"
    return "Nothing could be pledged"


def write_concentration(through: pl.DataFrame) -> str:
    """Compare concentration as listed with looked through, at the same prices.

    `through` is HOLDINGS looked through, valued by account: a smallcase's shares are
    one line of their account before, and lines of their own after.
    """
    through = with_smallcase_value(through)
    after_rows = through.select("instrument_id", "market_value")
    inside = pl.col("_inside").fill_null(Decimal(0))
    before_rows = pl.concat(
        [
            through.select(
                "instrument_id", market_value=pl.col("market_value") - inside
            ),
            through.filter(inside != 0).select(
                instrument_id=pl.format(
                    "smallcases of {}", pl.col("account_id").fill_null("unknown")
                ),
                market_value="_inside",
            ),
        ],
        how="vertical_relaxed",
    ).filter(pl.col("market_value").is_null() | (pl.col("market_value") != 0))
    before, after = (
        concentration(rows).row(0, named=True) for rows in (before_rows, after_rows)
    )
    if after["largest_share"] is None:
        why = "no position has a known value"
        title = "How concentrated the value is is not known"
        return write_card(title, f"<p>{why}</p>")
    rows = "".join(
        _write_shift(label, before[name], after[name])
        for label, name in (
            ("Largest holding", "top_1_share"),
            ("Five largest", "top_5_share"),
            ("Ten largest", "top_10_share"),
        )
    )
    names = dict(through.select("instrument_id", "symbol").rows())
    largest = names.get(after["largest_id"]) or after["largest_id"]
    known = "known value" if through["market_value"].null_count() else "value"
    finding = f"{largest} is {percent(after['largest_share'])} of {known}"
    if through.filter(pl.col("_inside") != 0).height:
        finding = (
            f"Looked through, {largest} is {percent(after['largest_share'])}; "
            f"the largest line as listed is {percent(before['largest_share'])}"
        )
    note = _describe_sides(through)
    counts = [f"{row['effective_number']:.1f}" for row in (before, after)]
    return write_card(
        finding,
        '<div class="dumbs"><div class="dumb head"><span></span><span>as listed</span>'
        '<span class="axis"><span>0</span><span>share of value</span><span>100 %</span>'
        f"</span><span>looked through</span></div>{rows}"
        f'<div class="dumb eff"><span>Effective number</span><span class="num">'
        f'{counts[0]}</span><span class="s quiet">1 ÷ Σ weight²</span>'
        f'<b class="num">{counts[1]}</b></div></div><p class="note">{note} '
        "Same prices, same total on both sides.</p>",
        place="c12",
    )


def _describe_sides(through: pl.DataFrame) -> str:
    """Say what makes the two sides differ, and what of it is not known."""
    inside = through.filter(pl.col("smallcase_quantity") != 0)
    if inside.is_empty():
        silent = through["smallcase_quantity"].null_count()
        if silent:
            return (
                "No shares in smallcases are reported, so both sides are the same; of "
                f"{number_of(silent, 'line')} the replies do not say."
            )
        return "No shares are held in smallcases, so both sides are the same."
    worth = sum_known(inside["_inside"])
    if worth is None:
        lines = number_of(inside.height, "line")
        return (
            f"What smallcases hold, in {lines}, has no known price, so both sides "
            "leave it out."
        )
    unpriced = inside["_inside"].null_count()
    least = "at least " if unpriced else ""
    return (
        f"Smallcases hold {least}{rupees(worth)} of value; as listed, those of one "
        "account are one line."
    )


def _write_shift(label: str, before: float, after: float) -> str:
    left, width = min(before, after) * 100, abs(after - before) * 100
    return (
        f'<div class="dumb"><span>{label}</span><span class="num">{percent(before)}'
        f'</span><span class="track"><i class="seg" style="left:{left:.2f}%;'
        f'width:{width:.2f}%"></i><i class="was" style="left:{before * 100:.2f}%"></i>'
        f'<i class="is" style="left:{after * 100:.2f}%"></i></span>'
        f'<b class="num">{percent(after)}</b></div>'
    )
