"""A frame as a person reads it: headings with units, Indian digit groups, dashes."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from html import escape
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import polars as pl

from holdings_kit.display._export import collect_frame
from holdings_kit.display._numbers import (
    UNKNOWN,
    Kind,
    format_value,
    kind_of_column,
    label_of_column,
    number_of,
    percent,
    quantity,
    rupees,
)
from holdings_kit.display._page import (
    NO_VALUE,
    Cell,
    wrap_page,
    write_cell,
    write_facts,
)
from holdings_kit.errors import ConfigError, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

Row: TypeAlias = dict[str, Any]
Value: TypeAlias = Any  # whatever a frame can hold

NUMBERS: Final = ("rupees", "percent", "rate", "probability", "quantity", "number")
_MOST_COLUMNS: Final = 16
_BESIDE: Final = 4  # facts of one row that are read beside each other
_WIDEST: Final = 120  # characters of a line in a terminal
_LONGEST: Final = 48  # characters of a cell in a terminal, and of a code on a page
_WHOLE: Final = 600  # characters of a sentence on a page
_FEW: Final = 8  # items of a list in a cell
SIGNED: Final = ("pnl", "effect", "return", "flow", "twr", "difference")
_GAINS: Final = ("pnl", "return", "twr", "price_effect")  # made or lost by price
_SUMMED: Final = ("value", "pnl", "effect", "flow")
NOTES: Final = ("price_note", "note", "reason", "why", "status_reason")
"""Columns that say why another column of the row is unknown."""
_NEEDS: Final = {
    "price": "no price is known",
    "market_value": "no price is known",
    "weight": "needs the value of every position",
    "average_price": "no average price is given",
    "cost_value": "no average price is given",
    "unrealized_pnl": "needs a price and a cost",
    "return": "needs a price and a cost",
    "day_pnl": "needs the prices of two adjacent trading days",
    "reported_pnl": "the source reports none",
    "pnl_difference": "needs the source's P&L and ours",
    "haircut": "no haircut is published or given",
    "collateral_value": "needs a price and a haircut",
    "p_value": "the data determine none",
}
_COUNTED: Final = (
    ("market_value", "unpriced_count", "positions_count", "priced"),
    ("cost_value", "uncosted_count", "positions_count", "with a cost"),
    ("collateral_value", "unknown_count", "holdings_count", "known"),
    ("value_before", "unknown_before_count", "lines_count", "priced"),
    ("value_after", "unknown_after_count", "lines_count", "priced"),
)
"""Column, how many are missing from it, of how many, and what the others are."""
_SHARED: Final = {
    "unrealized_pnl": ("costed_value_share", "of value"),
    "return": ("costed_value_share", "of value"),
    "var_value": ("covered_share", "of value"),
    "es_value": ("covered_share", "of value"),
}


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
        rows: list[list[Cell]],
        heads: list[str],
        right: list[bool],
        *,
        total: list[Cell] | None = None,
        title: str,
        notes: list[str],
    ) -> None:
        self._rows, self._total, self._right = rows, total, right
        self._heads = [printable(head) for head in heads]
        self._title, self._notes = printable(title), [printable(n) for n in notes]

    def __repr__(self) -> str:
        lines = self._list_fact_lines() if self._is_one_fact() else self._list_lines()
        return "\n".join(filter(None, [self._title, *lines, *self._notes]))

    def _is_one_fact(self) -> bool:
        """Tell whether it is one row, such as a total: read from top to bottom."""
        return len(self._rows) == 1 and not self._total and len(self._heads) > _BESIDE

    def _list_fact_lines(self) -> list[str]:
        wide = max(map(len, self._heads))
        right = max(
            (
                len(cell.text)
                for cell, number in zip(self._rows[0], self._right, strict=True)
                if number
            ),
            default=0,
        )
        return [
            f"{head.ljust(wide)}  {cell.text.rjust(right) if number else cell.text}"
            + (f"  {cell.cover[1]}" if cell.cover else "")
            for head, cell, number in zip(
                self._heads, self._rows[0], self._right, strict=True
            )
        ]

    def _list_lines(self) -> list[str]:
        table = [self._heads, *([cell.text for cell in row] for row in self._rows)]
        if self._total:
            table.append([cell.text for cell in self._total])
        widths = _measure_columns(table)
        count, length = 0, 0
        for width in widths:
            length += width + 2
            count += length <= _WIDEST or not count
        lines = align_rows([row[:count] for row in table], self._right)
        left = len(widths) - count
        return [*lines, *([f"{number_of(left, 'more column')}"] if left else [])]

    def _repr_html_(self) -> str:
        return wrap_page(self.write_table())

    def write_table(self) -> str:
        """Write the table alone, for a page that has the style already."""
        title = f'<p class="h">{escape(self._title)}</p>' if self._title else ""
        notes = "".join(f"<p>{escape(note)}</p>" for note in self._notes)
        if self._is_one_fact():
            return (
                title
                + write_facts(zip(self._heads, self._rows[0], strict=True))
                + notes
            )
        right = [' class="n"' if each else "" for each in self._right]
        head = "".join(
            f'<th scope="col"{place}>{escape(text)}</th>'
            for text, place in zip(self._heads, right, strict=True)
        )
        body = "".join(write_table_row(row, self._right) for row in self._rows)
        foot = f"<tfoot>{write_table_row(self._total, self._right)}</tfoot>"
        label = escape(self._title or "Table")
        return (
            f'{title}<div class="w" role="region" tabindex="0" aria-label="{label}">'
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
            f"{foot if self._total else ''}</table></div>{notes}"
        )


def align_rows(rows: Sequence[Sequence[str]], right: Sequence[bool]) -> list[str]:
    """Write rows for a terminal, each column as wide as its widest cell."""
    widths = _measure_columns(rows)
    return [
        "  ".join(
            cell.rjust(width) if to_the_right else cell.ljust(width)
            for cell, width, to_the_right in zip(row, widths, right, strict=False)
        ).rstrip()
        for row in rows
    ]


def _measure_columns(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*rows, strict=True)]


def show(
    frame: pl.DataFrame | pl.LazyFrame,
    *,
    columns: Sequence[str] | None = None,
    rows: int = 20,
    title: str = "",
    total: bool = False,
) -> FrameView:
    """Show a frame as a person reads it: units in the headings, lakh and crore groups.

    Rupees with two places, fractions in percent, instants in Indian time, gains and
    losses with sign and arrow, and a dash for what is unknown. A sentence is whole in a
    notebook, on several lines, and cut in a terminal. Below the table stands what is
    not shown, how many cells are unknown, and why. Every text is escaped. The frame
    itself stays as it is.

    Parameters
    ----------
    frame
        Any polars frame, eager or lazy.
    columns
        Which columns, in which order; the first sixteen if left out.
    rows
        How many rows at most.
    title
        Above the table: best the finding.
    total
        Add a row with the sum of each column of rupees that can be added up, over all
        rows, and with how much of it is known.

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
    >>> hk.show(frame, title="Two holdings", total=True)
    Two holdings
    Symbol  Market value, ₹
    SBIN        2,92,670.17
    IDEA                  –
    Total      ₹2,92,670.17
    1 cell is unknown (–): no price is known
    Total of market value: 1 of 2 rows known
    """
    if rows < 1:
        raise ConfigError(f"rows={rows}: at least 1 is needed")
    data = collect_frame(frame)
    for name in columns or ():
        if name not in data.columns:
            raise ConfigError(
                f"no column {name!r}; there are {', '.join(data.columns)}"
            )
    names = list(data.columns[:_MOST_COLUMNS] if columns is None else columns)
    kinds: dict[str, Kind] = {
        name: kind_of_column(name, data.schema[name]) for name in names
    }
    reasons: Counter[str] = Counter()
    cells = [
        [_make_cell(name, kinds[name], row, reasons) for name in names]
        for row in data.head(rows).iter_rows(named=True)
    ]
    sums = _sum_columns(data, kinds) if total and data.height else None
    hidden = [name for name in data.columns if name not in names]
    return FrameView(
        cells,
        [write_heading(name, kinds[name]) for name in names],
        [kinds[name] in NUMBERS for name in names],
        total=sums,
        title=title,
        notes=[
            *_say_what_is_missing(data, rows, hidden if columns is None else []),
            *_say_what_is_unknown(reasons),
            *_say_what_is_covered(names, sums or []),
        ],
    )


def _make_cell(name: str, kind: Kind, row: Row, reasons: Counter[str]) -> Cell:
    value = row[name]
    text = _write_value(value, kind)
    if text == UNKNOWN and name in NOTES:
        return Cell("")  # nothing is to be said: no note is missing
    if text == UNKNOWN:
        why = "" if kind == "text" else find_reason(name, row)
        reasons[why] += 1
        return Cell(text, why=why or NO_VALUE)
    if len(text) > _LONGEST:
        return Cell(_end_early(text, _LONGEST), more=_end_early(text, _WHOLE))
    positive = isinstance(value, int | float) or kind in NUMBERS
    signed = positive and name.endswith(SIGNED)
    tone = ("loss", "", "gain")[(value > 0) - (value < 0) + 1] if signed else ""
    return Cell(
        put_plus(name, value, text),
        tone=tone if name.endswith(_GAINS) else "",
        cover=_find_cover(name, row),
    )


def put_plus(name: str, value: Value, text: str) -> str:
    """Write a plus before what is above zero, where a column holds changes."""
    number = isinstance(value, int | float | Decimal)
    above = number and value > 0 and text.strip("0.,\u202f%")
    return f"+{text}" if above and name.endswith(SIGNED) else text


def _end_early(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def _write_value(value: Value, kind: Kind) -> str:
    """Write a cell: what is nested or raw in a few words."""
    if isinstance(value, bytes):
        return printable(value[: _LONGEST * 2].decode(errors="replace"))
    if isinstance(value, dict):
        pairs = [(str(k), _write_value(v, "text")) for k, v in value.items()]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        return ", ".join(f"{key} {text}" for key, text in pairs)
    if isinstance(value, list | tuple | pl.Series):
        items: list[Any] = list(value[:_FEW])  # pyright: ignore[reportUnknownArgumentType]
        rest = ["…"] if len(value) > _FEW else []  # pyright: ignore[reportUnknownArgumentType]
        return ", ".join([*(_write_value(item, "text") for item in items), *rest])
    return " ".join(printable(format_value(value, kind)).split(" ")).replace("\n", " ")


def find_reason(name: str, row: Row) -> str:
    """Say why a cell is unknown: by the row's own words, else by what it needs."""
    if name in {"price", "market_value"} and row.get("price_note"):
        return str(row["price_note"])
    told = next((row[note] for note in NOTES[1:] if row.get(note)), None)
    return str(told) if told else _NEEDS.get(name, "")


def _find_cover(name: str, row: Row) -> tuple[float, str] | None:
    """Say how much of a total is known, where its row tells."""
    for column, missing, whole, words in _COUNTED:
        count, out = row.get(whole), row.get(missing)
        if name == column and count and out is not None:
            known = f"{quantity(count - out)} of {quantity(count)} {words}"
            return (count - out) / count, known
    if name not in _SHARED:
        return None
    share, of = _SHARED[name]
    part = row.get(share)
    return None if part is None else (part, f"on {percent(part)} {of}")


def _sum_columns(data: pl.DataFrame, kinds: dict[str, Kind]) -> list[Cell]:
    """Sum what can be added up, each sum with how much of it is known."""
    cells: list[Cell] = []
    for place, (name, kind) in enumerate(kinds.items()):
        if kind != "rupees" or not name.removesuffix("_before").removesuffix(
            "_after"
        ).endswith(_SUMMED):
            cells.append(Cell("" if place else "Total"))
            continue
        known = data[name].drop_nulls()
        words = f"{quantity(known.len())} of {number_of(data.height, 'row')}"
        cover = (known.len() / data.height, words)
        signed = name.endswith(SIGNED)
        added: Any = known.sum() if known.len() else None
        tone = "gain" if added and added > 0 else "loss" if added else ""
        cells.append(
            Cell(
                rupees(added, sign=signed),
                tone=tone if name.endswith(_GAINS) else "",
                cover=cover,
            )
        )
    return cells


def write_heading(column: str, kind: Kind) -> str:
    """Write the heading of a column, with its unit."""
    return label_of_column(column) + (", ₹" if kind == "rupees" else "")


def write_table_row(row: Sequence[Cell] | None, right: Sequence[bool]) -> str:
    """Write a row of a table; its first cell names it."""
    cells = "".join(
        write_cell(cell, number=number, head=not place)
        for place, (cell, number) in enumerate(zip(row or [], right, strict=False))
    )
    return f"<tr>{cells}</tr>"


def _say_what_is_missing(data: pl.DataFrame, rows: int, hidden: list[str]) -> list[str]:
    left = max(0, data.height - rows)
    shown = ", ".join(label_of_column(name) for name in hidden[:_FEW])
    more = f" and {len(hidden) - _FEW} more" if len(hidden) > _FEW else ""
    return [
        *([f"{number_of(left, 'more row')}"] if left else []),
        *(["no rows"] if not data.height else []),
        *(["no columns"] if not data.width else []),
        *([f"not shown, columns= picks: {shown}{more}"] if hidden else []),
    ]


def _say_what_is_unknown(reasons: Counter[str]) -> list[str]:
    count = reasons.total()
    if not count:
        return []
    cells = f"{number_of(count, 'cell is', 'cells are')} unknown ({UNKNOWN})"
    told = [(why, n) for why, n in reasons.most_common(4) if why]
    if len(told) == 1 and told[0][1] == count:
        return [f"{cells}: {told[0][0]}"]
    why = "; ".join(f"{why} ({n})" for why, n in told)
    return [f"{cells}{': ' if why else ''}{why}"]


def _say_what_is_covered(names: list[str], total: list[Cell]) -> list[str]:
    """Say in words what the marks below the sums say."""
    labels = [label_of_column(name) for name in names]
    return [
        f"Total of {label[:1].lower()}{label[1:]}: {cell.cover[1]} known"
        for label, cell in zip(labels, total, strict=False)
        if cell.cover and cell.cover[0] < 1
    ]
