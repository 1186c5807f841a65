"""The shared look: the colours of the tokens, a figure with its words, labels."""

from __future__ import annotations

import re
from functools import wraps
from io import StringIO
from math import inf
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeAlias

import matplotlib as mpl
from cycler import cycler
from matplotlib import rcParams, rcParamsDefault
from matplotlib.colors import to_rgb
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

from holdings_kit.display._numbers import compact_rupees, percent
from holdings_kit.display._tokens import Theme, colours_of_theme
from holdings_kit.errors import ConfigError, FrameError, suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import polars as pl

# The stubs leave the keyword arguments of every drawing method untyped.
Axes: TypeAlias = Any
Axis: TypeAlias = Any

_Asked = ParamSpec("_Asked")
_UNTYPED: Any = mpl

SERIES: Final = tuple(f"s{number}" for number in range(1, 9))
"""Names of the colours of series; more series than these are no longer told apart."""
_HEX: Final = re.compile(r"#[0-9a-f]{6}\b")
_LONG_NUMBER: Final = re.compile(r"(\d+\.\d)\d+")
_PATH: Final = re.compile(r' d="[^"]*"')
_NAME: Final = 28  # characters of a name in a picture
_GAP: Final = 11.5  # points between two labels
_LETTER: Final = {12.5: 0.103, 9.5: 0.074, 8.0: 0.062}  # inches of a letter, by size
_BRIGHT: Final = 0.5
_SIZE: Final = (7.4, 4.1)  # inches of a picture, unless it says another


def style(theme: Theme = "light", *, transparent: bool = False) -> dict[Any, Any]:
    """Give the settings of the pictures' look, for ``matplotlib.rc_context``.

    The functions of this module use the light ones by themselves, and the dark ones
    where ``text.color`` is bright; what you set in ``rcParams`` wins over both.

    Parameters
    ----------
    theme
        ``light`` or ``dark``.
    transparent
        No ground: what is behind the picture shows through.

    Raises
    ------
    ConfigError
        Another theme.

    Examples
    --------
    >>> import matplotlib as mpl
    >>> from holdings_kit.display import plot
    >>> with mpl.rc_context(plot.style("dark", transparent=True)):
    ...     mpl.rcParams["text.color"], mpl.rcParams["figure.facecolor"]
    ('#e8edf3', 'none')
    """
    if theme not in {"light", "dark"}:
        raise ConfigError(f"theme {theme!r}: light or dark")
    ink = colours_of_theme(theme)
    return {
        "figure.facecolor": "none" if transparent else ink["card"],
        "savefig.facecolor": "auto",
        "axes.facecolor": "none",
        "text.color": ink["ink"],
        "axes.edgecolor": ink["line2"],
        "axes.labelcolor": ink["ink2"],
        "axes.prop_cycle": cycler(color=[ink[name] for name in SERIES]),
        "axes.linewidth": 0.8,
        "axes.titlesize": 10.0,
        "axes.labelsize": 9.0,
        "font.size": 9.5,
        "grid.color": ink["line"],
        "grid.linewidth": 0.8,
        "hatch.color": ink["hatch"],
        "hatch.linewidth": 0.7,
        "legend.frameon": False,
        "legend.fontsize": 9.0,
        "lines.linewidth": 1.8,
        "lines.solid_capstyle": "round",
        "xtick.color": ink["line2"],
        "ytick.color": ink["line2"],
        "xtick.labelcolor": ink["ink2"],
        "ytick.labelcolor": ink["ink2"],
        "xtick.labelsize": 9.0,
        "ytick.labelsize": 9.0,
        "xtick.major.size": 3.0,
        "ytick.major.size": 0.0,
    }


def themed(draw: Callable[_Asked, Figure]) -> Callable[_Asked, Figure]:
    """Draw with the look of the theme, wherever the caller's rcParams set nothing."""

    @wraps(draw)
    def run(*args: _Asked.args, **kwargs: _Asked.kwargs) -> Figure:
        known: Any = rcParams
        usual: Any = rcParamsDefault
        ours = style(_find_theme())
        settings: Any = {k: v for k, v in ours.items() if known[k] == usual[k]}
        families = list(known["font.family"])
        if "DejaVu Sans" not in families:  # it has the sign of the rupee
            settings["font.family"] = [*families, "DejaVu Sans"]
        with _UNTYPED.rc_context(settings):
            return draw(*args, **kwargs)

    return run


def _find_theme() -> Theme:
    return "dark" if sum(to_rgb(rcParams["text.color"])) / 3 > _BRIGHT else "light"


def colour(name: str) -> str:
    """Give a colour of the tokens in the theme at hand."""
    return colours_of_theme(_find_theme())[name]


class Picture(Figure):
    """A matplotlib figure that a notebook shows in the light or dark of its page."""

    theme: Theme | None = None  # None: its colours are the caller's

    def _repr_svg_(self) -> str | None:
        """Draw it in colours that follow the page; not where they are yours.

        SVG and no HTML: JupyterLab takes drawings out of the HTML of a notebook that
        is not trusted, and would show its words alone; so it shows the PNG beside it.
        """
        return None if self.theme is None else _write_themed(self, self.theme)


def _write_themed(figure: Figure, theme: Theme) -> str:
    """Write a figure as SVG, each colour of the theme as the variable it is."""
    own = {n: c for n, c in colours_of_theme(theme).items() if not n.startswith("on")}
    names = {shade: name for name, shade in reversed(own.items())}
    out = StringIO()
    drawn: Any = figure
    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": str(figure.get_label())}
    with _UNTYPED.rc_context(settings):
        drawn.savefig(out, format="svg", metadata={"Date": None})
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = _PATH.sub(lambda found: _LONG_NUMBER.sub(r"\1", found[0]), svg)
    svg = svg.replace("'DejaVu Sans'", "system-ui")
    used: set[str] = set()

    def name_colour(found: re.Match[str]) -> str:
        if found[0] not in names:
            return found[0]
        used.add(names[found[0]])
        return f"var(--{names[found[0]]})"

    svg = _HEX.sub(name_colour, svg)
    label = re.sub(r'[<>&"]', " ", str(figure.get_label()))
    head, _, rest = svg.partition(">")
    marks = f'class="hkp" role="img" aria-label="{label}"'
    style = _write_variables(sorted(used), theme)
    svg = f"{head.replace('<svg', f'<svg {marks}', 1)}>{style}{rest}"
    return svg.replace("\n", " ")


def _write_variables(names: list[str], theme: Theme) -> str:
    """Set the variables: as an image by the system's theme, in a page by the page's."""
    light, dark = (
        ";".join(f"--{name}:{colours_of_theme(each)[name]}" for name in names)
        for each in ("light", "dark")
    )
    if theme == "dark":
        return f"<style>svg.hkp{{{dark}}}</style>"
    rules = [
        ("[data-jp-theme-light=true] svg.hkp,[data-theme=light] svg.hkp", light),
        ("[data-jp-theme-light=false] svg.hkp,[data-theme=dark] svg.hkp", dark),
    ]
    style = "".join(f"{where}{{{colours}}}" for where, colours in rules)
    night = f"@media(prefers-color-scheme:dark){{svg.hkp{{{dark}}}}}"
    return f"<style>svg.hkp{{{light}}}{night}{style}</style>"


def new_figure(
    alt: str,
    *,
    size: tuple[float, float] = _SIZE,
    columns: int = 1,
    rows: int = 1,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    width_ratios: Sequence[float] | None = None,
    share_x: bool = False,
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
        figure: Any = Picture(figsize=figsize or size, layout="constrained")
        figure.set_label(alt)
        ground = rcParams["figure.facecolor"]
        if rcParams["text.color"] == colour("ink") and ground in {
            "none",
            colour("card"),
        }:
            figure.theme = _find_theme()
        axes: list[Axes] = list(
            figure.subplots(
                rows,
                columns,
                squeeze=False,
                sharex=share_x,
                width_ratios=width_ratios,
            ).flat
        )
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


def tell(
    figure: Axes,
    axes: Axes,
    finding: str,
    *,
    unit: str = "",
    foot: str = "",
    title: str | None = None,
    ax: Axes | None = None,
) -> None:
    """Write above a picture what it finds and in which unit, below it on what basis.

    On the caller's axes the finding, or `title`, is the title of the first of them.
    """
    words = title or finding
    if ax is not None:
        axes.set_title(words)
        return
    high, wide = figure.get_figheight(), figure.get_figwidth()

    def write(text: str, size: float, at: float, **look: str) -> int:
        """Write at the left edge, as high as `at` says; gives how many lines it is."""
        lines = wrap(text, max(20, int((wide - 0.3) / _LETTER[size])))
        if lines:
            figure.text(0.12 / wide, at, "\n".join(lines), fontsize=size, **look)
        return len(lines)

    top, low = 0.10, 0.08  # inches from either edge
    count = write(words, 12.5, 1 - top / high, va="top", fontweight="bold")
    top += 0.22 * count + 0.04
    top += 0.17 * write(unit, 9.5, 1 - top / high, va="top", color=colour("ink2"))
    low += 0.14 * write(foot, 8.0, low / high, va="bottom", color=colour("ink3"))
    top, low = top + 0.08, low + 0.05
    rect = (0.06 / wide, low / high, 1 - 0.14 / wide, 1 - (top + low) / high)
    engine: Any = figure.get_layout_engine()
    if engine is not None:
        engine.set(rect=rect)


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
    count = max(1, -(-len(names) // len(SERIES)))
    if ax is not None and not hasattr(ax, "__iter__") and count > 1:
        raise ConfigError(
            f"{len(names)} lines on one pair of axes: at most {len(SERIES)} can be "
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
    [('ewma', '#1c5fb8'), ('garch', '#c2571a')]
    """
    if len(names) > len(SERIES):
        raise ConfigError(
            f"{len(names)} lines in one picture: at most {len(SERIES)} can be told "
            "apart; filter them"
        )
    return [(name, colour(key)) for name, key in zip(names, SERIES, strict=False)]


def clip_name(name: str, most: int = _NAME) -> str:
    """Cut a long name, so that the picture keeps its room.

    Examples
    --------
    >>> clip_name("a name that is longer than any picture likes", most=12)
    'a name that…'
    """
    return name if len(name) <= most else f"{name[: most - 1].rstrip()}…"


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
    """Take away the frame but its foot, put light lines behind the data."""
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_axisbelow(True)
    axes.grid(visible=True, axis="y")


def rupees(value: float | None, *, sign: bool = False) -> str:
    """Write rupees short, in lakh and crore from a lakh on.

    Examples
    --------
    >>> rupees(12345.6), rupees(-250_000).replace(chr(0x202F), " "), rupees(-0.2)
    ('₹12,346', '−₹2.50 L', '₹0')
    """
    text = compact_rupees(value)
    return f"+{text}" if sign and value and value > 0 and text != "₹0" else text


def _format_tick(value: float, _place: float | None) -> str:
    return rupees(value)


def _format_percent(value: float, _place: float | None) -> str:
    text = percent(value)
    return text.replace(".0\u202f", "\u202f")


def rupee_axis(axis: Axis, label: str = "") -> None:
    """Mark an axis in rupees."""
    axis.set_major_locator(MaxNLocator(5))
    axis.set_major_formatter(FuncFormatter(_format_tick))
    if label:
        axis.set_label_text(label)


def percent_axis(axis: Axis, label: str = "") -> None:
    """Mark an axis of fractions in percent."""
    axis.set_major_formatter(FuncFormatter(_format_percent))
    if label:
        axis.set_label_text(label)


def date_axis(axis: Axis) -> None:
    """Label an axis of dates briefly, so that neighbours do not touch."""
    locator = AutoDateLocator(minticks=3, maxticks=7)
    axis.set_major_locator(locator)
    axis.set_major_formatter(ConciseDateFormatter(locator))


def nothing(axes: Axes, words: str) -> None:
    """Say in the picture that there is nothing to show, and why."""
    axes.set_axis_off()
    axes.text(
        0.5,
        0.5,
        words,
        ha="center",
        va="center",
        transform=axes.transAxes,
        color=colour("ink2"),
    )


def draw_nothing(
    alt: str,
    words: str,
    *,
    size: tuple[float, float] = _SIZE,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Make a figure that says nothing but that there is nothing to show, and why."""
    figure, (axes,) = new_figure(alt, size=size, ax=ax, figsize=figsize)
    nothing(axes, words)
    return figure


def write_beside(
    axes: Axes,
    words: str,
    place: tuple[object, object],
    away: tuple[float, float],
    **look: object,
) -> None:
    """Write beside a place, so many points away from it."""
    axes.annotate(words, place, xytext=away, textcoords="offset points", **look)


def finish_bars(
    axes: Axes, names: Sequence[str], *, room: float, zero: str = "line2"
) -> None:
    """Leave of the axes of lying bars their names, and the line at zero."""
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", labelcolor=colour("ink"))
    axes.grid(visible=False)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.axvline(0, color=colour(zero), linewidth=0.9)
    axes.margins(x=room)


def end_labels(
    axes: Axes,
    ends: Sequence[tuple[float, str, str]],
    *,
    scale: Callable[[float], float] = float,
) -> None:
    """Write the name of each line at its right end, none over another.

    Call it last: the limits of the axes must stand. On a scale that is not linear, the
    ends are given as it maps them.
    """
    low, high = (scale(edge) for edge in axes.get_ylim())
    points = 0.72 * axes.figure.get_figheight() * 72 / max(1, _count_panel_rows(axes))
    ordered = sorted(ends)
    spots = [
        (min(max(end, low), high) - low) / ((high - low) or 1) * points
        for end, *_ in ordered
    ]
    heights = [_GAP * (1 + words.count("\n")) for _, words, _ in ordered]
    places = _spread_labels(spots, heights, points + _GAP)
    for spot, place, (_, words, shade) in zip(spots, places, ordered, strict=True):
        write_beside(
            axes,
            words,
            (1, spot / points),
            (6, place - spot),
            xycoords="axes fraction",
            va="center",
            fontsize=9,
            color=shade,
            annotation_clip=False,
        )


def _spread_labels(spots: list[float], heights: list[float], top: float) -> list[float]:
    """Move labels apart that would touch: up, and down again from the top.

    >>> _spread_labels([0.0, 1.0, 99.0], [10.0, 10.0, 10.0], 100.0)
    [0.0, 10.0, 95.0]
    """
    places, free = list[float](), -inf
    for spot, height in zip(spots, heights, strict=True):
        places.append(max(spot, free + height / 2))
        free = places[-1] + height / 2
    free = top
    for at in reversed(range(len(places))):
        places[at] = min(places[at], free - heights[at] / 2)
        free = places[at] - heights[at] / 2
    return places


def _count_panel_rows(axes: Axes) -> int:
    spec = axes.get_subplotspec()
    return spec.get_gridspec().nrows if spec else 1


def draw_unknown(axes: Axes, x: float, y: float, wide: float, high: float) -> None:
    """Hatch a place: what stands there is unknown."""
    axes.add_patch(
        Rectangle(
            (x, y),
            wide,
            high,
            facecolor="none",
            edgecolor=colour("hatch"),
            hatch="//////",
            linewidth=0.8,
        )
    )


def draw_cells(
    axes: Axes,
    cells: Sequence[tuple[int, int, float | None, str]],
    names: tuple[Sequence[str], Sequence[str]],
    *,
    bold: Callable[[float], bool] = lambda _: False,
    size: float = 9.0,
) -> None:
    """Draw a table of coloured cells: column, row, strength from −1 to 1, its words.

    Above zero is vermilion, below blue, both stronger the farther; what has no
    strength and no words is unknown: hatched.
    """
    columns, rows = names
    seen = {(column, row) for column, row, *_ in cells}
    for column, row, strength, words in cells:
        if strength is None and not words:
            seen.discard((column, row))
            continue
        shade = colour("lossbar" if (strength or 0) > 0 else "flow")
        alpha = min(1.0, abs(strength or 0)) * 0.75
        axes.add_patch(
            Rectangle(
                (column - 0.47, row - 0.45),
                0.94,
                0.9,
                facecolor=shade,
                alpha=alpha,
                linewidth=0,
            )
        )
        weight = "bold" if strength is not None and bold(strength) else "normal"
        axes.text(
            column,
            row,
            words,
            ha="center",
            va="center",
            fontsize=size,
            fontweight=weight,
        )
    for column in range(len(columns)):
        for row in range(len(rows)):
            if (column, row) not in seen:
                draw_unknown(axes, column - 0.47, row - 0.45, 0.94, 0.9)
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(visible=False)
    axes.set_xticks(range(len(columns)), list(columns))
    axes.set_yticks(range(len(rows)), list(rows))
    axes.tick_params(length=0, labelcolor=colour("ink"))
    axes.spines[:].set_visible(False)


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
            near = suggest(column, frame.columns)
            raise FrameError(name, column, f"missing{near}; {name} has {known}")
