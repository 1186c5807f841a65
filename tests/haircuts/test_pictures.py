from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from matplotlib.figure import Figure

from holdings_kit import haircuts as hc
from holdings_kit.display import plot
from holdings_kit.errors import ConfigError, FrameError


def drawn(figure: Figure) -> list[Any]:
    """Render it whole, as a notebook would, and return its axes."""
    figure.canvas.draw()
    assert len(plot.alt_text(figure)) > 15
    return list(figure.axes)


@pytest.fixture(scope="module")
def models(wide: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([hc.ewma(wide), hc.historical(wide, window=250)])


@pytest.fixture(scope="module")
def wide() -> pl.DataFrame:
    import numpy as np

    rng = np.random.default_rng(7)
    days = pl.date_range(pl.date(2010, 1, 1), pl.date(2011, 12, 31), eager=True)
    return pl.concat(
        pl.DataFrame(
            {
                "instrument_id": name,
                "date": days,
                "close": 100 * np.exp(np.cumsum(rng.standard_t(4, days.len()) * 0.01)),
            }
        )
        for name in "ABC"
    )


def test_breach_plot_marks_every_breach(
    models: pl.DataFrame, wide: pl.DataFrame
) -> None:
    figure = plot.breach_plot(models, wide, instrument_id="A")
    axes = drawn(figure)[0]
    marks = sum(len(points.get_offsets()) for points in axes.collections)
    rows = hc.breaches(models, wide).filter(
        (pl.col("instrument_id") == "A") & pl.col("breach")
    )
    assert marks == rows.height
    assert "ewma" in plot.alt_text(figure)


def counts_in(axes: Any) -> list[int]:
    return [int(text.get_text().lstrip("▲▽ ")) for text in axes.texts]


def test_heat_map_holds_every_count(models: pl.DataFrame, wide: pl.DataFrame) -> None:
    coverage = hc.backtest(
        models.filter(pl.col("model") == "ewma"),
        wide,
        by=("instrument_id", "model", "year"),
    )
    axes = drawn(plot.adequacy_heatmap(coverage))[0]
    assert sorted(counts_in(axes)) == sorted(coverage["breaches"])
    with pytest.raises(FrameError, match="year"):
        plot.adequacy_heatmap(coverage.drop("year"))
    both = hc.backtest(models, wide, by=("instrument_id", "model", "year"))
    maps = drawn(plot.adequacy_heatmap(both))[:2]
    titles = [axes.get_title().partition(":")[0] for axes in maps]
    assert titles == ["ewma", "historical"]
    written = [count for axes in maps for count in counts_in(axes)]
    assert sorted(written) == sorted(both["breaches"])
    odd = both.filter(pl.col("kupiec_p") < 0.05).height
    marks = [t for axes in maps for t in axes.texts if t.get_text()[0] in "▲▽"]
    assert len(marks) == odd


def test_drawdown_points_stand_above_the_line_when_short(
    models: pl.DataFrame, wide: pl.DataFrame
) -> None:
    figure = plot.haircut_drawdown(models, wide, horizon=5)
    axes = drawn(figure)[0]
    points = [tuple(spot) for each in axes.collections for spot in each.get_offsets()]
    assert len(points) == 6
    above = sum(up > across for across, up in points)
    assert f"{above} of 6 points" in plot.alt_text(figure)
    named = [text.get_text() for text in axes.texts]
    assert named
    assert len(named) == len(set(named))  # each security once


def test_rolling_zones_end_where_the_backtest_does(
    models: pl.DataFrame, wide: pl.DataFrame
) -> None:
    figure = plot.rolling_zones(models, wide, instrument_id="B")
    axes = drawn(figure)[0]
    # a reader who sees no red or green reads the zone
    assert [text.get_text() for text in axes.texts][:3] == ["green", "yellow", "red"]
    rows = hc.breaches(models, wide).filter(
        (pl.col("instrument_id") == "B")
        & (pl.col("model") == "ewma")
        & pl.col("breach").is_not_null()
    )
    count = rows["breach"].tail(250).sum()
    assert f"ewma ends at {count}" in plot.alt_text(figure)


def test_comparison_and_procyclicality(
    models: pl.DataFrame, wide: pl.DataFrame
) -> None:
    compared = hc.compare_models(models, wide, confidence_set=False)
    figure = plot.model_comparison(compared)
    left, right = drawn(figure)
    assert [label.get_text() for label in left.get_yticklabels()] == compared.scores[
        "model"
    ].to_list()
    assert len([text for text in right.texts if text.get_text().strip()]) == 2
    axes = drawn(plot.procyclicality(hc.procyclicality(models)))
    assert len(axes) == 2


def test_no_model_is_dropped_and_no_two_share_a_colour(
    models: pl.DataFrame, wide: pl.DataFrame
) -> None:
    one = models.filter(pl.col("model") == "ewma", pl.col("instrument_id") == "A")
    ten = pl.concat(
        one.with_columns(
            model=pl.lit(f"model {n}"), haircut=pl.col("haircut") * (0.5 + n / 10)
        )
        for n in range(10)
    )
    names = {f"model {n}" for n in range(10)}

    def lines_of(figure: Figure) -> list[list[tuple[str, str]]]:
        return [
            [
                (label.partition(",")[0], str(handle.get_color()))
                for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
                if label.startswith("model")
            ]
            for axes in drawn(figure)
        ]

    for figure in (
        plot.breach_plot(ten, wide, instrument_id="A"),
        plot.rolling_zones(ten, wide, instrument_id="A"),
    ):
        panels = lines_of(figure)
        assert {name for panel in panels for name, _ in panel} == names
        for panel in panels:
            colours = [colour for _, colour in panel]
            assert len(set(colours)) == len(colours)
    for figure in (
        plot.haircut_drawdown(ten, wide),
        plot.procyclicality(hc.procyclicality(ten)),
    ):
        labels = {
            label
            for axes in drawn(figure)
            for label in axes.get_legend_handles_labels()[1]
        }
        assert names <= labels
    with pytest.raises(ConfigError, match="at most 8 can be told apart"):
        plot.breach_plot(ten, wide, instrument_id="A", ax=Figure().subplots())


def test_the_callers_theme_is_honoured(
    models: pl.DataFrame, wide: pl.DataFrame
) -> None:
    import matplotlib as mpl

    dark: Any = {"figure.facecolor": "none", "text.color": "#ffffff", "font.size": 7.0}
    with mpl.rc_context(dark):
        figure = plot.breach_plot(models, wide, instrument_id="A")
    assert figure.get_facecolor() == (0.0, 0.0, 0.0, 0.0)
    assert drawn(figure)[0].title.get_color() == "#ffffff"


def test_nothing_to_show_is_said() -> None:
    none = pl.DataFrame(schema=hc.PRICES)
    haircuts = hc.ewma(none)
    drawn(plot.breach_plot(haircuts, none, instrument_id="A"))
    drawn(plot.haircut_drawdown(haircuts, none))
    drawn(plot.rolling_zones(haircuts, none, instrument_id="A"))
    drawn(plot.procyclicality(hc.procyclicality(haircuts)))
    drawn(plot.model_comparison(hc.compare_models(haircuts, none)))
    coverage = hc.backtest(haircuts, none, by=("instrument_id", "model", "year"))
    drawn(plot.adequacy_heatmap(coverage))


def test_a_picture_draws_on_the_axes_and_under_the_title_it_is_given(
    models: pl.DataFrame, wide: pl.DataFrame
) -> None:
    from matplotlib.figure import Figure as Plain

    figure = Plain(figsize=(8, 6))
    left, right = figure.subplots(1, 2)
    same = plot.breach_plot(models, wide, instrument_id="A", ax=left, title="Left")
    plot.haircut_drawdown(models, wide, ax=right, title="Right")
    assert same is figure
    assert (left.get_title(), right.get_title()) == ("Left", "Right")
    assert "Losses of A" in plot.alt_text(figure)
    assert "points lie above" in plot.alt_text(figure)
    wider = plot.rolling_zones(models, wide, instrument_id="A", figsize=(11, 3))
    assert tuple(wider.get_size_inches()) == (11, 3)
    measures = hc.procyclicality(models)
    pair = plot.procyclicality(measures, ax=[left, right], title="Both")
    assert pair is figure
    with pytest.raises(ConfigError, match="2 are drawn on"):
        plot.procyclicality(measures, ax=[left])
    with pytest.raises(ConfigError, match="figsize beside ax"):
        plot.haircut_drawdown(models, wide, ax=left, figsize=(3, 3))
