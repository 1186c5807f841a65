"""A report for a terminal: sections, and tables without borders."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from holdings_kit.show._report_cells import figures_of, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import polars as pl

__all__ = ["Section", "as_text"]


class Section(NamedTuple):
    """One part of a report: a title, a sentence, a table, points."""

    title: str
    text: str = ""
    table: pl.DataFrame | None = None  # text, ready to be shown
    points: Sequence[str] = ()


def as_text(parts: Sequence[Section]) -> str:
    """Set a report for a terminal."""
    return "\n\n".join("\n".join(_lines(part)) for part in parts)


def _lines(part: Section) -> Iterator[str]:
    yield f"{part.title.upper():<11} {part.text}".rstrip()
    if part.table is not None:
        yield _table(part.table)
    yield from (f"  · {point}" for point in part.points)


def _table(frame: pl.DataFrame) -> str:
    """Columns of text without borders, figures to the right."""
    texts = shown(frame)
    right = figures_of(texts)
    columns = [
        _column([name, *texts[name]], to_the_right=name in right)
        for name in texts.columns
    ]
    lines = zip(*columns, strict=True)
    return "\n".join(("  " + "  ".join(cells)).rstrip() for cells in lines)


def _column(cells: list[str], *, to_the_right: bool) -> list[str]:
    width = max(map(len, cells))
    return [cell.rjust(width) if to_the_right else cell.ljust(width) for cell in cells]
