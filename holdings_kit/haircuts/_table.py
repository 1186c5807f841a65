"""Coverage as a table for a paper: great_tables where it is installed, else LaTeX."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import polars as pl

from holdings_kit.errors import ConfigError, load_optional
from holdings_kit.haircuts._frames import check_choice
from holdings_kit.schema import require_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

Shown: TypeAlias = Any  # great_tables.GT, or text: the package may be absent

_HEADS: Final = {
    "instrument_id": "Security",
    "model": "Model",
    "name": "Name",
    "sample": "Sample",
    "year": "Year",
    "window_start": "From",
    "window_end": "To",
    "level": "Level",
    "horizon": "Days",
    "n": "n",
    "breaches": "Breaches",
    "expected": "Expected",
    "ratio": "Ratio",
    "mean_haircut": "Mean haircut",
    "excess": "Excess",
    "worst_shortfall": "Worst shortfall",
    "coverage_p": "p",
    "coverage_test": "Test",
    "detectable_ratio": "Detectable",
}
_PERCENT: Final = {"level", "mean_haircut", "excess", "worst_shortfall"}
_PLACES: Final = {"expected": 1, "ratio": 2, "detectable_ratio": 1}
_WORDS: Final = {"Security", "Model", "Name", "Sample", "Test"}
_SMALL: Final = 0.001
_NOTE: Final = (
    "p: offsets, two-sided, or count under a fitted GARCH, too many breaches only; "
    "detectable: breach rate over the promised one found in 80 of 100 cases."
)
_LATEX: Final = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def table(
    coverage: pl.DataFrame,
    *,
    style: Literal["paper"] = "paper",
    columns: Sequence[str] | None = None,
    title: str | None = None,
    engine: Literal["auto", "great_tables", "latex"] = "auto",
) -> Shown:
    r"""Set a coverage table as a paper would print it.

    Parameters
    ----------
    coverage
        `COVERAGE`, as `backtest` gives it, in the order to print.
    style
        ``paper``: rules above and below, no lines between.
    columns
        Columns to print; besides those of `coverage` there are `coverage_p`, the one
        p-value that speaks of coverage, and `coverage_test`, which it is. By default
        the keys, counts, ratio, that p-value and what it would have found.
    title
        Printed above.
    engine
        ``great_tables`` needs that package (extra ``lab``); ``latex`` gives text for
        `booktabs`; ``auto`` takes the first where it is installed.

    Returns
    -------
    great_tables.GT or str
        Levels and haircuts are in percent; what is not known is a dash.

    Raises
    ------
    ConfigError
        An unknown style or engine.
    FrameError
        A column is not there.
    MissingExtra
        great_tables is asked for and not installed.

    Examples
    --------
    >>> from datetime import date
    >>> from holdings_kit.haircuts import backtest, basel
    >>> days = [date(2026, 1, day) for day in (1, 2, 5)]
    >>> prices = pl.DataFrame(
    ...     {"instrument_id": ["X"] * 3, "date": days, "close": [100.0, 60.0, 61.0]}
    ... )
    >>> shown = backtest(basel(prices), prices)
    >>> columns = ["instrument_id", "level", "n", "ratio", "coverage_p"]
    >>> print(table(shown, columns=columns, engine="latex").splitlines()[4])
    X & 99.0\% & 2 & 50.00 & -- \\
    """
    if style != "paper":
        raise ConfigError(f"style {style!r} is not known; have 'paper'")
    check_choice(engine, "engine", ("auto", "great_tables", "latex"))
    installed = find_spec("great_tables") is not None
    text = _as_text(coverage, columns)
    if engine == "latex" or (engine == "auto" and not installed):
        return _as_latex(text, title)
    package: Any = load_optional("great_tables")
    made = package.GT(text).sub_missing(missing_text="–").tab_source_note(_NOTE)
    numbers = [head for head in text.columns if head not in _WORDS]
    made = made.cols_align(align="right", columns=numbers)
    made = made.opt_row_striping(row_striping=False)
    made = made.tab_options(
        table_body_hlines_style="none",
        table_border_top_color="black",
        table_border_bottom_color="black",
    )
    return made if title is None else made.tab_header(title=title)


def _as_text(coverage: pl.DataFrame, columns: Sequence[str] | None) -> pl.DataFrame:
    """Format each cell; null where there is nothing to say."""
    tests, reason = ("offsets_p", "garch_p"), "missing; pass what backtest gives"
    require_columns(coverage.columns, tests, name="coverage", reason=reason)
    rows = coverage.with_columns(
        pl.coalesce("offsets_p", "garch_p").alias("coverage_p"),
        pl.when(pl.col("offsets_p").is_not_null())
        .then(pl.lit("offsets"))
        .when(pl.col("garch_p").is_not_null())
        .then(pl.lit("count"))
        .alias("coverage_test"),
    )
    if columns is None:
        same = "name" in rows.columns and "model" in rows.columns
        same = same and bool((rows["name"] == rows["model"]).all())
        keys = rows.columns[: rows.columns.index("n")]
        usual = ["n", "breaches", "expected", "ratio", "coverage_p", "coverage_test"]
        chosen = [key for key in keys if not (same and key == "name")]
        columns = [*dict.fromkeys([*chosen, *usual, "detectable_ratio"])]
    reason = "is asked for but not there"
    require_columns(rows.columns, columns, name="coverage", reason=reason)
    return rows.select(_format_cell(column, rows.schema[column]) for column in columns)


def _format_cell(column: str, dtype: pl.DataType) -> pl.Expr:
    value, head = pl.col(column), _HEADS.get(column, column)
    if column.endswith("_p"):
        small = pl.lit(f"<{_SMALL:g}")
        shown = pl.when(value < _SMALL).then(small).otherwise(_format_fixed(value, 3))
    elif column in _PERCENT:
        shown = _format_fixed(value * 100, 1) + "%"
    elif dtype.is_float():
        shown = _format_fixed(value, _PLACES.get(column, 3))
    else:
        shown = value.cast(pl.String())
    return shown.alias(head)


def _format_fixed(value: pl.Expr, places: int) -> pl.Expr:
    def write(number: float) -> str:
        return f"{number:.{places}f}"

    return value.map_elements(write, return_dtype=pl.String())


def _as_latex(text: pl.DataFrame, title: str | None) -> str:
    escapes = str.maketrans(_LATEX)
    sides = "".join("l" if head in _WORDS else "r" for head in text.columns)

    def line(cells: Sequence[str | None]) -> str:
        shown = ["--" if cell is None else cell.translate(escapes) for cell in cells]
        return " & ".join(shown) + r" \\"

    lines = [rf"\begin{{tabular}}{{{sides}}}", r"\toprule", line(text.columns)]
    lines += [r"\midrule", *map(line, text.iter_rows()), r"\bottomrule"]
    lines += [rf"\end{{tabular}}\\[2pt] {{\footnotesize {_NOTE}}}"]
    if title is not None:
        lines.insert(0, rf"\textbf{{{title.translate(escapes)}}}\\[4pt]")
    return "\n".join(lines)
