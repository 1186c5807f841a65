"""A frame as a person reads it: headings with units, Indian digit groups, dashes."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from holdings_kit.display._export import collect_frame
from holdings_kit.display._numbers import (
    UNKNOWN,
    Kind,
    format_value,
    kind_of_column,
    label_of_column,
)
from holdings_kit.errors import ConfigError, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

__all__ = ["FrameView", "show"]

_STYLE: Final = """
.hk-frame{font:13px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;
--ink:#17202b;--ink2:#4a5666;--line:#e3e7ec;--line2:#ccd3db;color:var(--ink)}
@media(prefers-color-scheme:dark){.hk-frame{--ink:#e8edf3;--ink2:#b3bfcc;
--line:#2a333e;--line2:#3b4654}}
[data-jp-theme-light=true] .hk-frame{--ink:#17202b;--ink2:#4a5666;--line:#e3e7ec;
--line2:#ccd3db}
[data-jp-theme-light=false] .hk-frame{--ink:#e8edf3;--ink2:#b3bfcc;--line:#2a333e;
--line2:#3b4654}
.hk-frame{overflow-x:auto}.hk-frame table{border-collapse:collapse;
font-variant-numeric:tabular-nums lining-nums}
.hk-frame caption{text-align:left;font-weight:600;font-size:16px;padding:0 0 8px}
.hk-frame th{color:var(--ink2);font-weight:400;font-size:12px;
border-bottom:1px solid var(--line2)}
.hk-frame td{border-bottom:1px solid var(--line)}
.hk-frame th,.hk-frame td{padding:4px 12px 4px 0;text-align:left;white-space:nowrap;
background:none}
.hk-frame .n{text-align:right}.hk-frame p{color:var(--ink2);font-size:12px;margin:8px 0}
"""
_NUMBERS: Final = ("rupees", "percent", "quantity", "number")


class FrameView:
    """A frame to look at: HTML in a notebook, a table of text elsewhere.

    Made by `hk.show`. It holds texts only; compute with the frame itself.

    Examples
    --------
    >>> import holdings_kit as hk
    >>> import polars as pl
    >>> print(hk.show(pl.DataFrame({"market_value": [1234567]})))
    Market value, ₹
       12,34,567.00
    """

    def __init__(
        self,
        rows: list[list[str]],
        heads: list[str],
        right: list[bool],
        *,
        title: str,
        note: str,
    ) -> None:
        self._rows = [[printable(cell) for cell in row] for row in rows]
        self._heads, self._right = [printable(head) for head in heads], right
        self._title, self._note = printable(title), printable(note)

    def __repr__(self) -> str:
        table = [self._heads, *self._rows]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [
            "  ".join(
                cell.rjust(width) if right else cell.ljust(width)
                for cell, width, right in zip(row, widths, self._right, strict=True)
            ).rstrip()
            for row in table
        ]
        return "\n".join(filter(None, [self._title, *lines, self._note]))

    def _repr_html_(self) -> str:
        right = [' class="n"' if each else "" for each in self._right]
        head = "".join(
            f'<th scope="col"{place}>{escape(text)}</th>'
            for text, place in zip(self._heads, right, strict=True)
        )
        body = "".join(f"<tr>{_write_cells(row, right)}</tr>" for row in self._rows)
        caption = f"<caption>{escape(self._title)}</caption>" if self._title else ""
        note = f"<p>{escape(self._note)}</p>" if self._note else ""
        return (
            f'<div class="hk-frame"><style>{_STYLE}</style><table>{caption}'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}</div>"
        )


def show(
    frame: pl.DataFrame | pl.LazyFrame,
    *,
    columns: Sequence[str] | None = None,
    rows: int = 20,
    title: str = "",
) -> FrameView:
    """Show a frame as a person reads it: units in the headings, lakh and crore groups.

    Rupees with two places, fractions in percent, instants in Indian time, and a dash
    for what is unknown; below the table stands how many rows are not shown and how
    many cells are unknown. Every text is escaped. The frame itself stays as it is.

    Parameters
    ----------
    frame
        Any polars frame, eager or lazy.
    columns
        Which columns, in which order; all of them if left out.
    rows
        How many rows at most.
    title
        Above the table: best the finding.

    Raises
    ------
    ConfigError
        No polars frame, a column that is not there, or `rows` below 1.

    Examples
    --------
    >>> from decimal import Decimal
    >>> import holdings_kit as hk
    >>> import polars as pl
    >>> value = [Decimal("292670.17000000"), None]
    >>> frame = pl.DataFrame({"symbol": ["SBIN", "IDEA"], "market_value": value})
    >>> hk.show(frame, title="Two holdings")
    Two holdings
    Symbol  Market value, ₹
    SBIN        2,92,670.17
    IDEA                  –
    1 cell is unknown (–)
    """
    if rows < 1:
        raise ConfigError(f"rows={rows}: at least 1 is needed")
    data = collect_frame(frame)
    for name in columns or ():
        if name not in data.columns:
            raise ConfigError(
                f"no column {name!r}; there are {', '.join(data.columns)}"
            )
    data = data.select(columns) if columns is not None else data
    part = data.head(rows)
    kinds: list[Kind] = [
        kind_of_column(name, dtype) for name, dtype in data.schema.items()
    ]
    return FrameView(
        [
            [format_value(cell, kind) for cell, kind in zip(row, kinds, strict=True)]
            for row in part.iter_rows()
        ],
        [
            _write_heading(name, kind)
            for name, kind in zip(data.columns, kinds, strict=True)
        ],
        [kind in _NUMBERS for kind in kinds],
        title=title,
        note=_say_what_is_missing(data, part),
    )


def _write_heading(column: str, kind: Kind) -> str:
    return label_of_column(column) + (", ₹" if kind == "rupees" else "")


def _write_cells(row: list[str], right: list[str]) -> str:
    return "".join(
        f"<td{place}>{escape(text)}</td>"
        for text, place in zip(row, right, strict=True)
    )


def _say_what_is_missing(data: pl.DataFrame, part: pl.DataFrame) -> str:
    unknown = sum(part.null_count().row(0)) if part.width else 0
    left = data.height - part.height
    cells = f"{unknown:,} cell{' is' if unknown == 1 else 's are'} unknown ({UNKNOWN})"
    says = [
        f"{left:,} more row{'' if left == 1 else 's'}" if left else "",
        "no rows" if not data.height else "",
        cells if unknown else "",
    ]
    return "; ".join(filter(None, says))
