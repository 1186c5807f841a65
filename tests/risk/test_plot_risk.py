from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

import holdings_kit as hk
from holdings_kit.display import plot
from holdings_kit.display.plot._style import alt_text
from holdings_kit.errors import FrameError
from holdings_kit.portfolio import open_funds
from holdings_kit.risk import grid

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _drawn(figure: Figure) -> Any:
    """Draw it: layout and text problems only show then, and warnings are errors."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=40)
    assert out.getvalue().startswith(b"\x89PNG")
    return figure.axes[0]


def test_grid_shows_every_cell(seed: pl.DataFrame) -> None:
    table = grid(
        hk.consolidate(seed),
        price_shocks=[-0.5, -0.1, 0.0],
        haircut_adds=[0.0, 0.2],
        collateral=hk.collateral(seed, quantity="pledgeable"),
        cash=8_000,
        need=20_000,
        rules="broker",
    )
    figure = plot.shock_grid(table)
    axes = _drawn(figure)
    shown = [text.get_text() for text in axes.texts]
    # headroom at (0, 0): 8000 + 18483.27 − 20000
    assert "₹6,483" in shown
    assert len(shown) == 6
    assert len(axes.patches) == 6
    assert "3 price shocks by 2 haircut rises" in alt_text(figure)


def test_grid_without_need_says_so(seed: pl.DataFrame) -> None:
    table = grid(hk.consolidate(seed), price_shocks=[-0.5], haircut_adds=[0.0])
    figure = plot.shock_grid(table)
    _drawn(figure)
    assert "nothing is known" in alt_text(figure)
    _drawn(plot.shock_grid(table, value="value_effect"))
    with pytest.raises(FrameError, match="nonsense"):
        plot.shock_grid(table, value="nonsense")


def test_concentration_before_and_after(seed: pl.DataFrame) -> None:
    positions = hk.consolidate(seed)
    fund = positions["instrument_id"][0]
    table = pl.DataFrame({"fund_id": [fund], "instrument_id": ["NEW"], "weight": [0.5]})
    after = open_funds(positions, table)
    figure = plot.concentration(open_funds(positions), after, top=4)
    axes = _drawn(figure)
    widths = [bar.get_width() for bar in axes.patches]
    assert len(widths) == 8
    assert max(widths) == pytest.approx(after["weight"].max(), abs=0.2)
    number = hk.concentration(after)["effective_number"].item()
    assert f"{number:.1f} after" in alt_text(figure)
    _drawn(plot.concentration(positions.clear(), positions.clear()))


def test_pledge_plan_bars_are_the_plan(seed: pl.DataFrame) -> None:
    plan = hk.pledge_plan(seed, need=20_000, cash=8_000, rules="broker")
    figure = plot.pledge_plan(plan)
    axes = _drawn(figure)
    now = sum(bar.get_width() for bar in axes.containers[0])
    assert now == pytest.approx(float(plan.collateral_value))
    assert "cost ₹127.20" in alt_text(figure)
    hopeless = hk.pledge_plan(seed, need=90_000, cash=8_000, rules="broker")
    figure = plot.pledge_plan(hopeless)
    _drawn(figure)
    assert "infeasible" in alt_text(figure)


def test_shock_effects_name_what_is_unknown(seed: pl.DataFrame) -> None:
    shocked = hk.shock(hk.consolidate(seed), "march_2020")
    figure = plot.shock_effects(shocked)
    axes = _drawn(figure)
    widths = [bar.get_width() for bar in axes.patches]
    assert widths == pytest.approx([float(x) for x in shocked["value_effect"]])
    assert "Unknown: collateral, usable margin, headroom" in alt_text(figure)
    with pytest.raises(FrameError, match="step"):
        plot.shock_effects(shocked.drop("step"))
