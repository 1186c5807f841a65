"""The shared look: colours, a figure with alt text, rupees on an axis."""

from __future__ import annotations

from colorsys import hls_to_rgb
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from matplotlib import rcParams
from matplotlib.colors import to_hex
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter

from holdings_kit.errors import ConfigError, FrameError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

# The stubs leave the keyword arguments of every drawing method untyped.
Axes: TypeAlias = Any
Axis: TypeAlias = Any

__all__ = [
    "BLACK",
    "BLUE",
    "COLOURS",
    "FLOW",
    "GAIN",
    "GREEN",
    "GREY",
    "LOSS",
    "ORANGE",
    "PURPLE",
    "SKY",
    "VERMILION",
    "YELLOW",
    "Axes",
    "Axis",
    "alt_text",
    "colours_of",
    "date_axis",
    "distinct_colours",
    "ink",
    "ink_on",
    "legend_outside",
    "need",
    "new_figure",
    "nothing",
    "percent_axis",
    "rupee_axis",
    "rupees",
    "split_series",
    "tidy",
]

# Okabe and Ito: eight colours that colour-blind readers tell apart.
ORANGE: Final = "#E69F00"
SKY: Final = "#56B4E9"
GREEN: Final = "#009E73"
YELLOW: Final = "#F0E442"
BLUE: Final = "#0072B2"
VERMILION: Final = "#D55E00"
PURPLE: Final = "#CC79A7"
BLACK: Final = "#000000"
GREY: Final = "#999999"
COLOURS: Final = (BLUE, ORANGE, GREEN, VERMILION, SKY, PURPLE, YELLOW, BLACK)
# Money made and lost; the same as in tokens.css, and apart for colour-blind readers.
GAIN: Final = "#2A9D8F"
LOSS: Final = "#DA6F38"
FLOW: Final = "#5A8FD8"

_DARK: Final = 0.6  # share of the colour scale beyond which text turns white
_CRORE: Final = 10_000_000
_LAKH: Final = 100_000


def new_figure(
    alt: str,
    *,
    size: tuple[float, float] = (7.0, 4.0),
    columns: int = 1,
    rows: int = 1,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
) -> tuple[Any, list[Axes]]:
    """Make a figure that carries its alt text, and its axes row by row.

    `figsize` takes the place of `size`. With `ax`, the caller's axes (a list of them
    where there are several), nothing new is made, and the alt text joins that of
    their figure.

    Examples
    --------
    >>> figure, (axes,) = new_figure("An empty picture.")
    >>> alt_text(figure)
    'An empty picture.'
    >>> new_figure("Another.", ax=axes)[0] is figure, alt_text(figure)
    (True, 'An empty picture. Another.')
    """
    if ax is None:
        figure: Any = Figure(figsize=figsize or size, layout="constrained")
        figure.set_label(alt)
        axes: list[Axes] = list(figure.subplots(rows, columns, squeeze=False).flat)
    else:
        if figsize is not None:
            raise ConfigError("figsize beside ax: the size is that of the axes' figure")
        axes = list(ax) if hasattr(ax, "__iter__") else [ax]
        if len(axes) != rows * columns:
            raise ConfigError(
                f"ax: {len(axes)} axes where {rows * columns} are drawn on"
            )
        figure = axes[0].figure
        figure.set_label(f"{figure.get_label()} {alt}".strip())
    for each in axes:
        tidy(each)
    return figure, axes


def split_series(names: Sequence[str], *, ax: Axes | None = None) -> list[list[str]]:
    """Spread series over as many pictures as they need colours: at most eight each.

    Raises
    ------
    ConfigError
        They need more pictures than the axes the caller brought.

    Examples
    --------
    >>> [len(part) for part in split_series([f"model {n}" for n in range(10)])]
    [5, 5]
    >>> split_series(["one"])
    [['one']]
    """
    count = max(1, -(-len(names) // len(COLOURS)))
    if ax is not None and not hasattr(ax, "__iter__") and count > 1:
        raise ConfigError(
            f"{len(names)} lines on one pair of axes: at most {len(COLOURS)} can be "
            "told apart; filter them, or leave out ax= for a picture of each part"
        )
    size = -(-len(names) // count) or 1
    return [list(names[at : at + size]) for at in range(0, len(names), size)] or [[]]


def colours_of(names: Sequence[str]) -> list[tuple[str, str]]:
    """Give each of at most eight series a colour of its own.

    Raises
    ------
    ConfigError
        There are more series than colours.

    Examples
    --------
    >>> colours_of(["ewma", "garch"])
    [('ewma', '#0072B2'), ('garch', '#E69F00')]
    """
    if len(names) > len(COLOURS):
        raise ConfigError(
            f"{len(names)} lines in one picture: at most {len(COLOURS)} can be told "
            "apart; filter them"
        )
    return list(zip(names, COLOURS[: len(names)], strict=True))


def distinct_colours(count: int) -> list[str]:
    """Make as many colours as asked, no two alike: the eight first, then hues between.

    Examples
    --------
    >>> len(set(distinct_colours(40)))
    40
    >>> distinct_colours(2)
    ['#0072B2', '#E69F00']
    """
    more = max(0, count - len(COLOURS))
    hues = [
        to_hex(hls_to_rgb((0.05 + n / more) % 1, (0.35, 0.55, 0.72)[n % 3], 0.55))
        for n in range(more)
    ]
    return [*COLOURS[:count], *hues]


def ink() -> str:
    """Give the colour of text as the caller's rcParams have it: black, or white."""
    return to_hex(rcParams["text.color"])


def alt_text(figure: Figure) -> str:
    """Tell what the picture shows, for readers who cannot see it.

    Examples
    --------
    >>> import polars as pl
    >>> from holdings_kit.display import plot
    >>> from holdings_kit.changes import CHANGES
    >>> plot.alt_text(plot.cause_counts(pl.DataFrame(schema=CHANGES)))
    'Lines by cause: none changed; 0 moved in price only or not at all.'
    """
    return str(figure.get_label())


def tidy(axes: Axes) -> None:
    """Take away the frame's top and right side, put a light grid behind the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    axes.grid(visible=True, color=ink(), alpha=0.12, linewidth=0.6)


def rupees(value: float) -> str:
    """Write rupees short, in lakh and crore from a lakh on.

    Examples
    --------
    >>> rupees(12345.6), rupees(-250_000), rupees(31_000_000), rupees(-0.2)
    ('12,346', '-2.5 L', '3.1 Cr', '0')
    """
    size = abs(value)
    if size >= _CRORE:
        return f"{value / _CRORE:,.3g} Cr"
    if size >= _LAKH:
        return f"{value / _LAKH:,.3g} L"
    text = f"{value:,.0f}"
    return "0" if text == "-0" else text


def _format_tick(value: float, _place: float | None) -> str:
    return rupees(value)


def rupee_axis(axis: Axis, label: str) -> None:
    """Label an axis in rupees."""
    axis.set_major_formatter(FuncFormatter(_format_tick))
    axis.set_label_text(f"{label} (Rs)")


def percent_axis(axis: Axis, label: str) -> None:
    """Label an axis of fractions in percent."""
    axis.set_major_formatter(PercentFormatter(xmax=1.0))
    axis.set_label_text(f"{label} (%)")


def date_axis(axis: Axis) -> None:
    """Label an axis of dates briefly, so that neighbours do not touch."""
    locator = AutoDateLocator()
    axis.set_major_locator(locator)
    axis.set_major_formatter(ConciseDateFormatter(locator))


def nothing(axes: Axes, words: str) -> None:
    """Say in the picture that there is nothing to show, and why."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, words, ha="center", va="center", transform=axes.transAxes)


def legend_outside(axes: Axes) -> None:
    """Put the legend where it hides no figure."""
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=8)


def ink_on(value: float, strongest: float) -> str:
    """Choose the colour of text on a cell of a scale from white to `strongest`.

    Examples
    --------
    >>> ink_on(-9.0, 10.0), ink_on(0.5, 10.0)
    ('white', 'black')
    """
    return "white" if abs(value) > _DARK * strongest else "black"


def need(frame: pl.DataFrame, name: str, columns: tuple[str, ...]) -> None:
    """Refuse a frame that lacks a column.

    Raises
    ------
    FrameError
        A column is missing.
    """
    for column in columns:
        if column not in frame.columns:
            known = ", ".join(repr(other) for other in frame.columns)
            raise FrameError(name, column, f"missing; {name} has {known}")
