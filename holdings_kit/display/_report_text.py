"""A report for a terminal: sections, and tables without borders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl

from holdings_kit.display._numbers import UNKNOWN, format_value
from holdings_kit.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from holdings_kit.display._numbers import Kind

__all__ = [
    "Section",
    "find_figure_columns",
    "write_cells",
    "write_column",
    "write_text",
]


class Section(NamedTuple):
    """One part of a report: a title, a sentence, a table, points."""

    title: str
    text: str = ""
    table: pl.DataFrame | None = None  # text, ready to be shown
    points: Sequence[str] = ()


def write_text(parts: Sequence[Section]) -> str:
    """Set a report for a terminal."""
    written = ("\n".join(_write_section(part)) for part in parts)
    return printable("\n\n".join(written))  # names are a stranger's


def _write_section(part: Section) -> Iterator[str]:
    yield f"{part.title.upper():<11} {part.text}".rstrip()
    if part.table is not None:
        yield _write_table(part.table)
    yield from (f"  · {point}" for point in part.points)


def _write_table(frame: pl.DataFrame) -> str:
    """Columns of text without borders, figures to the right."""
    texts = write_cells(frame)
    right = find_figure_columns(texts)
    columns = [
        _align_cells([name, *texts[name]], to_the_right=name in right)
        for name in texts.columns
    ]
    lines = zip(*columns, strict=True)
    return "\n".join(("  " + "  ".join(cells)).rstrip() for cells in lines)


def _align_cells(cells: list[str], *, to_the_right: bool) -> list[str]:
    width = max(map(len, cells))
    return [cell.rjust(width) if to_the_right else cell.ljust(width) for cell in cells]


_FIGURE: Final = r"^([+−]?₹?\d[\d,]*(\.\d+)?(\u202f%)?|–)$"


def write_column(column: str, kind: Kind) -> pl.Expr:
    """Write a column as everywhere: Indian groups, a true minus, a dash for unknown.

    Examples
    --------
    >>> from decimal import Decimal
    >>> held = pl.DataFrame({"n": [Decimal("152300.0000"), Decimal("-24.6900"), None]})
    >>> held.select(write_column("n", "quantity"))["n"].to_list()
    ['1,52,300', '−24.69', '–']
    """

    def write(value: object) -> str:
        return format_value(value, kind)

    return (
        pl.col(column)
        .map_elements(write, return_dtype=pl.String(), skip_nulls=False)
        .alias(column)
    )


def write_cells(frame: pl.DataFrame) -> pl.DataFrame:
    """Write every cell as text, a dash for null."""
    return frame.select(pl.all().cast(pl.String()).fill_null(UNKNOWN))


def find_figure_columns(texts: pl.DataFrame) -> frozenset[str]:
    """Name the columns that hold figures only: they are set to the right.

    Examples
    --------
    >>> find_figure_columns(
    ...     pl.DataFrame({"P&L": ["−1,200.50", "–"], "basis": ["close", "ltp"]})
    ... )
    frozenset({'P&L'})
    """
    return frozenset(
        name
        for name in texts.columns
        if texts[name].str.contains(_FIGURE).all() and texts.height
    )
