"""Each picture is labelled, carries its alt text, and draws what the frame says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import polars as pl
import pytest

import holdings_kit as hk
from holdings_kit.changes import timeline
from holdings_kit.display import plot
from holdings_kit.errors import FrameError

Lines = Callable[..., pl.DataFrame]
ENDS = ("before", "after")
LATER = datetime(2026, 1, 6, 12, 30, tzinfo=UTC)


@pytest.fixture
def sides(lines: Lines) -> tuple[pl.DataFrame, pl.DataFrame]:
    before = "IDEA 100 @10 =11; SBIN 5 @800 =850; YES 9 @20 =22"
    after = "IDEA 40+60p @10 =12; SBIN 5 @800 =840; NEW 0+3t @7 =7"
    return lines(before, bystanders=3), lines(after, at=LATER, bystanders=3)


@pytest.fixture
def changes(sides: tuple[pl.DataFrame, pl.DataFrame]) -> pl.DataFrame:
    return hk.compare(*sides)


def drawn(figure: Any) -> Any:
    """Render the figure, so that what cannot be drawn fails here."""
    figure.savefig(BytesIO(), format="png", dpi=40)
    return figure.axes[0]


@pytest.mark.parametrize("of", ["value", "collateral", "pnl"])
def test_the_waterfall_ends_where_the_bridge_ends(
    changes: pl.DataFrame, of: Any
) -> None:
    total = hk.bridge(changes, by=(), of=of)
    figure = plot.value_waterfall(total)
    axes = drawn(figure)
    *steps, change = [bar.get_width() for bar in axes.patches]
    before, after = (float(total[f"value_{end}"].item() or 0) for end in ENDS)
    assert sum(steps) == pytest.approx(change)
    assert change == pytest.approx(after - before)
    assert axes.patches[-1].get_x() == axes.patches[0].get_x() == 0
    names = {"value": "value", "collateral": "collateral", "pnl": "unrealized P&L"}
    assert plot.alt_text(figure).startswith(f"Waterfall of {names[of]} from ₹")
    assert names[of] in figure.texts[1].get_text()
    assert "₹" in figure.texts[1].get_text()
    labels = [label.get_text().lower() for label in axes.get_yticklabels()]
    assert [f"{label.replace(' ', '_')}_effect" for label in labels[:-1]] == [
        column for column in total.columns if column.endswith("_effect")
    ]
    _, right = axes.get_xlim()  # the figure beside the farthest bar stays inside
    assert right > max(bar.get_x() + bar.get_width() for bar in axes.patches)


def test_the_collateral_bridge_is_the_bridge_of_collateral(
    changes: pl.DataFrame,
) -> None:
    total = hk.bridge(changes, by=(), of="collateral")
    drawn(plot.collateral_bridge(changes))
    assert plot.alt_text(plot.collateral_bridge(changes)) == plot.alt_text(
        plot.value_waterfall(total)
    )


def test_a_waterfall_wants_a_total(changes: pl.DataFrame) -> None:
    with pytest.raises(FrameError, match="not a total"):
        plot.value_waterfall(hk.bridge(changes))


def test_cause_counts_are_the_counts(changes: pl.DataFrame) -> None:
    figure = plot.cause_counts(changes)
    axes = drawn(figure)
    told = {
        t.get_text(): b.get_width()
        for t, b in zip(axes.get_yticklabels(), axes.patches, strict=True)
    }
    assert told == {"pledged": 1, "closed": 1, "opened": 1}
    assert "count" in figure.texts[1].get_text()
    assert "4 moved in price only" in plot.alt_text(figure)


def test_the_ladder_stacks_the_buckets(changes: pl.DataFrame) -> None:
    figure = plot.quantity_ladder(changes, account_id="A1", instrument_id="NSE:IDEA")
    axes = drawn(figure)
    assert sum(bar.get_height() for bar in axes.patches) == 200
    assert plot.alt_text(figure) == (
        "Quantities of IDEA before and after (pledged): "
        "100 free before, 40 free after, 60 pledged after."
    )
    assert "units" in figure.texts[1].get_text()
    with pytest.raises(FrameError, match="no line"):
        plot.quantity_ladder(changes, account_id="A1", instrument_id="X")


def test_the_timeline_marks_every_event(
    sides: tuple[pl.DataFrame, pl.DataFrame],
) -> None:
    told = timeline(pl.concat(sides))
    figure = plot.change_timeline(told, account_id="A1")
    axes = drawn(figure)
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert sorted(names) == ["IDEA", "NEW", "YES"]
    assert sum(len(dots.get_offsets()) for dots in axes.collections) == 3
    assert "UTC" in axes.get_xlabel()
    empty = plot.change_timeline(told, account_id="nobody")
    assert plot.alt_text(empty) == "Timeline of account nobody: nothing happened."


def test_a_waterfall_of_nothing_known_does_not_say_zero(lines: Lines) -> None:
    changes = hk.compare(lines("X 10 @5 =?"), lines("X 12 @5 =?"))
    words = plot.alt_text(plot.value_waterfall(hk.bridge(changes, by=())))
    assert words == "Waterfall: nothing in it has a known value."


def test_each_cause_has_a_colour_and_mark_of_its_own() -> None:
    from holdings_kit.changes import CAUSES
    from holdings_kit.display.plot._changes import _LOOKS

    assert set(_LOOKS) == set(CAUSES)
    assert len(set(_LOOKS.values())) == len(CAUSES)
