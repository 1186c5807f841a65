"""Pictures say what they find, in which unit, on what basis, in both themes."""

from __future__ import annotations

import re
import warnings
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from itertools import combinations
from pathlib import Path
from typing import Any

import matplotlib as mpl
import polars as pl
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

import holdings_kit as hk
from holdings_kit.display import plot
from holdings_kit.display._tokens import colours_of_theme, read_mark
from holdings_kit.errors import ConfigError
from holdings_kit.haircuts import backtest, basel, ewma
from holdings_kit.portfolio import PERFORMANCE
from holdings_kit.schema import POSITIONS

LONG = "A name of sixty characters that no picture has the room for."
START = date(2025, 1, 1)
DAYS = [START + timedelta(days=n) for n in range(60)]
PRICES = pl.DataFrame(
    {
        "instrument_id": LONG,
        "date": DAYS,
        "close": [100.0 - 3 * (n % 7) + n / 10 for n in range(60)],
    }
)


def positions(pnl: list[float | None]) -> pl.DataFrame:
    count = len(pnl)
    return pl.DataFrame(
        {
            **{
                name: pl.Series([None] * count, dtype=t)
                for name, t in POSITIONS.items()
            },
            "instrument_id": [f"{LONG} {n}" for n in range(count)],
            "market_value": pl.Series([100.0] * count).cast(POSITIONS["market_value"]),
            "unrealized_pnl": pl.Series(pnl, dtype=pl.Float64()).cast(
                POSITIONS["unrealized_pnl"]
            ),
        }
    )


def performance(days: int) -> pl.DataFrame:
    rows = {
        "date": DAYS[:days],
        "flow": [1000.0] * days,
        "value_after": [-100.0 * n for n in range(days)],
        "twr": [None if n == 3 else n / 100 for n in range(days)],
    }
    return pl.DataFrame(rows, schema_overrides={"twr": pl.Float64()})


def bridge(*effects: float) -> pl.DataFrame:
    names = ["price_effect", "trade_effect", "coverage_effect", "unexplained_effect"]
    steps = {name: [effect] for name, effect in zip(names, effects, strict=False)}
    return pl.DataFrame(
        {"value_before": [-50.0], **steps, "value_after": [sum(effects) - 50]}
    )


def activity(causes: int) -> pl.DataFrame:
    at = [datetime(2026, 1, day, tzinfo=UTC) for day in (5, 6)]
    return pl.DataFrame(
        [(when, f"cause {n}", n + 1) for when in at for n in range(causes)],
        schema=["after_at", "cause", "lines_count"],
        orient="row",
    )


def distribution(measure: str) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "measure": [measure] * 4,
            "lower": [None, 0.0, 0.1, None],
            "upper": [0.0, 0.1, None, None],
            "accounts_count": [2, 5, 1, 3],
            "known": [True, True, True, False],
        }
    )


def models(count: int) -> pl.DataFrame:
    one = ewma(PRICES)
    return pl.concat(
        one.with_columns(
            model=pl.lit(f"model {n}"), haircut=pl.col("haircut") + n / 500
        )
        for n in range(count)
    )


UGLY = {
    "no gain": lambda: plot.pnl_bars(positions([-5.0, -3.0])),
    "27 positions": lambda: plot.pnl_bars(
        positions([1e7 - 7e5 * n for n in range(30)])
    ),
    "nothing known": lambda: plot.pnl_bars(positions([None, None])),
    "one day": lambda: plot.performance_lines(performance(1)),
    "negative value": lambda: plot.performance_lines(performance(20)),
    "no day": lambda: plot.performance_lines(pl.DataFrame(schema=PERFORMANCE)),
    "negative bridge": lambda: plot.value_waterfall(bridge(-2e7, 5e6, -1e3, 0.0)),
    "bridge of zeros": lambda: plot.value_waterfall(bridge(0.0, 0.0)),
    "30 causes": lambda: plot.activity_lines(activity(30)),
    "one cause": lambda: plot.activity_lines(activity(1)),
    "returns": lambda: plot.distribution_bars(distribution("return")),
    "values": lambda: plot.distribution_bars(distribution("market_value")),
    "30 models": lambda: plot.breach_plot(models(30), PRICES, instrument_id=LONG),
    "one model": lambda: plot.breach_plot(basel(PRICES), PRICES, instrument_id=LONG),
    "zones": lambda: plot.rolling_zones(
        models(3), PRICES, instrument_id=LONG, window=20
    ),
    "points": lambda: plot.haircut_drawdown(models(9), PRICES, horizon=1),
    "heat": lambda: plot.adequacy_heatmap(
        backtest(models(2), PRICES, by=("instrument_id", "model", "year"))
    ),
    "weights": lambda: plot.concentration(positions([1.0]), positions([1.0, 2.0])),
}


@pytest.fixture(scope="module", params=UGLY)
def drawn(request: pytest.FixtureRequest) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a sign that no font has, a layout that fails
        figure = UGLY[request.param]()
        figure.savefig(BytesIO(), format="png", dpi=50)
    return figure


def test_every_picture_has_a_finding_a_unit_and_a_basis(drawn: Any) -> None:
    if not all(axes.axison for axes in drawn.axes):
        pytest.skip("it says that there is nothing to show")
    finding, unit, basis = (text.get_text() for text in drawn.texts)
    assert len(finding) > 15
    assert re.search(r"₹|%|count|security", unit)
    assert re.search(r"\d|paisa", basis)
    words = [text.get_text() for text in drawn.findobj(Text)]
    assert not any(re.search(r"\bRs\b|e[+-]\d\d", text) for text in words)


def test_no_words_leave_the_picture_or_lie_on_each_other(drawn: Any) -> None:
    canvas: Any = drawn.canvas
    canvas.draw()
    whole = drawn.bbox.padded(2)
    boxes = [
        (text.get_text(), text.get_window_extent())
        for axes in drawn.axes
        for text in axes.texts
        if text.get_text().strip() and text.get_visible()
    ]
    boxes += [(text.get_text(), text.get_window_extent()) for text in drawn.texts]
    for words, box in boxes:
        assert box.x0 >= whole.x0, words
        assert box.x1 <= whole.x1, words
    for (one, a), (other, b) in combinations(boxes, 2):
        wide = min(a.x1, b.x1) - max(a.x0, b.x0)
        high = min(a.y1, b.y1) - max(a.y0, b.y0)
        assert wide <= 1 or high <= 3, (one, other)


def test_a_notebook_gets_one_drawing_in_the_colours_of_its_page(drawn: Any) -> None:
    page = drawn._repr_svg_()
    assert page.count("<svg") == 1
    assert "<script" not in page
    assert 'role="img" aria-label="' in page
    assert len(page) < 200_000
    style, _, drawing = page.partition("</style>")
    for where in ("prefers-color-scheme:dark", "[data-jp-theme-light=false]"):
        assert where in style
    light = set(colours_of_theme("light").values())
    assert not light & set(re.findall(r"#[0-9a-f]{6}\b", drawing))
    assert "var(--ink" in drawing
    assert LONG not in drawing


def test_what_jupyter_cuts_off_are_no_words(drawn: Any) -> None:
    """Its pictures are cut to what is drawn: to the box of all that has a place."""
    drawn.canvas.draw()
    box = drawn.get_tightbbox()
    for text in drawn.texts:
        spot = text.get_window_extent().transformed(drawn.dpi_scale_trans.inverted())
        assert box.y0 <= spot.y0 + 0.01
        assert spot.y1 - 0.01 <= box.y1


def test_a_drawing_is_the_same_each_time() -> None:
    first: Any = UGLY["returns"]()
    second: Any = UGLY["returns"]()
    assert first._repr_svg_() == second._repr_svg_()


def test_many_accounts_are_grouped_as_money_is() -> None:
    counts = {
        "measure": ["return"] * 2,
        "lower": [None, 0.0],
        "upper": [0.0, None],
        "accounts_count": [120_000, 5],
        "known": [True, False],
    }
    said = plot.alt_text(plot.distribution_bars(pl.DataFrame(counts)))
    assert "1,20,005 accounts" in said
    assert "most (1,20,000)" in said


def test_no_series_is_dropped() -> None:
    labels = {
        str(line.get_label()).partition(",")[0]
        for axes in UGLY["30 models"]().axes
        for line in axes.lines
    }
    assert {f"model {n}" for n in range(30)} <= labels
    words = [t.get_text() for axes in UGLY["30 causes"]().axes for t in axes.texts]
    assert len([text for text in words if text.startswith("cause ")]) == 30
    with pytest.raises(ConfigError, match="at most 8 can be told apart"):
        plot.activity_lines(activity(30), ax=Figure().subplots())


def test_dark_is_dark_everywhere_and_transparent_has_no_ground() -> None:
    with mpl.rc_context(plot.style("dark")):
        figure: Any = UGLY["returns"]()
    assert to_hex(figure.get_facecolor()) == colours_of_theme("dark")["card"]
    page = figure._repr_svg_()
    assert f"--ink:{colours_of_theme('dark')['ink']}" in page
    assert "prefers-color-scheme" not in page
    with mpl.rc_context(plot.style("light", transparent=True)):
        clear: Any = UGLY["returns"]()
    assert clear.get_facecolor()[3] == 0
    assert "var(--ink)" in clear._repr_svg_()
    with pytest.raises(ConfigError, match="light or dark"):
        plot.style("blue")  # type: ignore[arg-type]


def test_what_the_caller_set_wins() -> None:
    mine: Any = {"font.size": 7.0, "figure.facecolor": "#ffeecc", "xtick.labelsize": 5}
    with mpl.rc_context(mine):
        figure: Any = UGLY["returns"]()
    assert to_hex(figure.get_facecolor()) == "#ffeecc"
    assert figure.axes[0].get_xticklabels()[0].get_fontsize() == 5
    assert figure._repr_svg_() is None  # then a notebook shows it as it is
    figure = plot.pnl_bars(positions([1.0]), title="Mine", figsize=(4, 2))
    assert figure.texts[0].get_text() == "Mine"
    assert tuple(figure.get_size_inches()) == (4, 2)


@pytest.mark.parametrize("suffix", ["pdf", "svg", "png"])
def test_a_picture_can_be_printed(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    UGLY["negative bridge"]().savefig(path)
    assert path.stat().st_size > 3000


def test_gain_and_loss_are_told_without_hue() -> None:
    figure: Any = plot.pnl_bars(positions([5.0, -3.0]))
    words = [text.get_text() for text in figure.axes[0].texts]
    assert words == ["▼ −₹3", "▲ +₹5"]
    light = colours_of_theme("light")
    bars = [to_hex(bar.get_facecolor()) for bar in figure.axes[0].patches]
    assert bars == [light["lossbar"], light["gainbar"]]


def test_the_pictures_and_the_pages_read_the_same_colours() -> None:
    css = Path(hk.__file__).with_name("display").joinpath("tokens.css").read_text()
    for theme in ("light", "dark"):
        settings = plot.style(theme)
        colours = [settings["text.color"], settings["hatch.color"]]
        colours += [each["color"] for each in settings["axes.prop_cycle"]]
        assert len(set(colours)) == 10
        assert all(f": {colour};" in css for colour in colours)


def test_the_mark_has_the_colours_of_the_pages() -> None:
    light, dark = read_mark().split("@media(prefers-color-scheme:dark)")
    for drawn, theme in ((light, "light"), (dark, "dark")):
        colours = colours_of_theme(theme)
        shades = set(re.findall(r"#[0-9a-f]{6}", drawn))
        assert shades == {colours["accent"], colours["onaccent"]}
