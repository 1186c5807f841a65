"""The state of a table: choices in, one page of text and the chosen frames out."""

from __future__ import annotations

import re
from typing import Any, Final

import polars as pl
from traitlets import Bool, Dict, HasTraits, Int, List, Unicode, observe

from holdings_kit.display._export import guard_formulas
from holdings_kit.display._frame_view import (
    NOTES,
    SIGNED,
    find_reason,
    put_plus,
    write_heading,
)
from holdings_kit.display._numbers import (
    INDIA,
    UNKNOWN,
    Kind,
    format_value,
    kind_of_column,
    label_of_column,
    quantity,
    rupees,
)
from holdings_kit.display._page import NO_VALUE
from holdings_kit.errors import ConfigError
from widgets.table.query import condition, searchable

_ROW = "__row"
_SUMMED: Final = frozenset({"value", "pnl", "effect", "flow"})
_BREAKS: Final = r"[\t\r\n]"  # what would end a cell that is pasted


class TableModel(HasTraits):
    """Sort, filter, page and select the rows of a frame that stays in Python.

    Traits marked ``sync`` travel to the page when a view inherits this model; of the
    rows only the page shown does.

    Attributes
    ----------
    query, sort_by, descending, page, page_size, selected, shown
        Choices. `selected` holds row numbers of the frame, 0-based; `shown` names the
        columns of the page and of an export.
    choices
        Every column of the frame with its heading, those shown at first before.
    rows, row_ids, matched, total, page_count, error
        What they make: one page as text, and how many rows there are.
    whys
        For every cell of `rows` why it is unknown; empty where it is known.
    names
        For every row the name that stands below its symbol, where the frame has names
        and no column shows them.
    parts
        For every cell of `rows` its part of the largest of its column, signed, where
        the column is drawn as bars; else null.
    sums
        Column → the sum of the rows that match, and of how many it is made.
    """

    caption = Unicode().tag(sync=True)
    columns = List(Dict()).tag(sync=True)
    query = Unicode().tag(sync=True)
    sort_by = Unicode().tag(sync=True)
    descending = Bool(default_value=False).tag(sync=True)
    page = Int(1).tag(sync=True)
    page_size = Int(25, min=1, max=500).tag(sync=True)
    selected = List(Int()).tag(sync=True)
    rows = List(List(Unicode())).tag(sync=True)
    whys = List(List(Unicode())).tag(sync=True)
    names = List(Unicode()).tag(sync=True)
    parts = List(List()).tag(sync=True)
    row_ids = List(Int()).tag(sync=True)
    sums = Dict().tag(sync=True)
    shown = List(Unicode()).tag(sync=True)
    choices = List(Dict()).tag(sync=True)
    matched = Int(0).tag(sync=True)
    total = Int(0).tag(sync=True)
    page_count = Int(1).tag(sync=True)
    error = Unicode().tag(sync=True)

    def __init__(
        self,
        frame: pl.DataFrame,
        *,
        caption: str = "Holdings",
        columns: list[str] | None = None,
        page_size: int = 25,
        **kwargs: object,
    ) -> None:
        self._order = pl.Series(_ROW, [], dtype=pl.UInt32())
        self._frame = pl.DataFrame()
        self._names: list[str] = []
        super().__init__(caption=caption, page_size=page_size, **kwargs)
        self.show(frame, columns=columns)

    def show(self, frame: pl.DataFrame, *, columns: list[str] | None = None) -> None:
        """Put another frame into the table; the selection and the page start anew."""
        names = columns or frame.columns
        missing = [name for name in names if name not in frame.columns]
        if missing:
            raise ConfigError(f"no column {missing[0]!r}; have {frame.columns}")
        self._frame = frame
        rest = [name for name in frame.columns if name not in names]
        with self.hold_trait_notifications():
            self._lay_out(names)
            self.choices = [
                {"name": name, "label": label_of_column(name)}
                for name in [*names, *rest]
            ]
            self.total = frame.height
            self.selected = []
        self._refresh_rows()

    def _lay_out(self, names: list[str]) -> None:
        """Take these columns for the page, the search by words and the export."""
        schema = self._frame.schema
        self._names = names
        self._kinds: list[Kind] = [kind_of_column(name, schema[name]) for name in names]
        self._searched = self._frame.select(
            searchable(self._frame.select(names).schema)
        )
        self.shown = names
        self.columns = [
            {"name": name, "label": write_heading(name, kind), "kind": kind}
            | {"bar": _find_bar(name, kind)}
            for name, kind in zip(names, self._kinds, strict=True)
        ]
        self._tops = [
            _find_largest(self._frame[column["name"]]) if column["bar"] else None
            for column in self.columns
        ]
        if self.sort_by not in names:
            self.sort_by = ""

    @property
    def frame(self) -> pl.DataFrame:
        """The whole frame, as given."""
        return self._frame

    @property
    def found(self) -> pl.DataFrame:
        """The rows that match the filter, in the order shown, all columns.

        None while the filter cannot be read; `error` says why.
        """
        return self._frame[self._order]

    @property
    def selection(self) -> pl.DataFrame:
        """The rows that are ticked, in the order of the frame, all columns."""
        return self._frame[sorted(self.selected)]

    @property
    def file_name(self) -> str:
        """Name an export after what it holds: caption, day, and which rows.

        >>> import polars as pl
        >>> TableModel(pl.DataFrame({"symbol": ["A"]}), caption="My book").file_name
        'my-book.csv'
        """
        words = re.sub(r"[^a-z0-9]+", "-", self.caption.lower()).strip("-") or "table"
        times = self._frame.get_column("snapshot_at", default=None)
        last: Any = None if times is None else times.max()
        day = f"-{last.astimezone(INDIA):%Y-%m-%d}" if last else ""
        rows = len(self.selected) or self.matched
        part = f"-{rows}-of-{self.total}" if rows < self.total else ""
        return f"{words}{day}{part}.csv"

    def to_csv(self) -> bytes:
        """Write the selection, or every row found, as CSV with exact values.

        Unknown is an empty field. A text that a spreadsheet would run as a formula
        (it starts with ``= + - @``, tab or return) gets a leading apostrophe.
        """
        chosen = self.selection if self.selected else self.found
        flat = guard_formulas(chosen.select(self._names))
        return flat.write_csv(datetime_format="%Y-%m-%dT%H:%M:%S%.6fZ").encode()

    def to_tsv(self) -> str:
        """Write the selection, or the page shown, as tab-separated text to paste.

        What would run as a formula is written as in `to_csv`.
        """
        ids = sorted(self.selected) or self.row_ids
        return (
            guard_formulas(self._frame[ids].select(self._names))
            .with_columns(pl.col(pl.String()).str.replace_all(_BREAKS, " "))
            .rename(lambda name: re.sub(_BREAKS, " ", name))
            .write_csv(separator="\t", quote_style="never")
        )

    @observe("query", "sort_by", "descending")
    def _filter_again(self, _change: object) -> None:
        self._refresh_rows()

    @observe("shown")
    def _show_other_columns(self, _change: object) -> None:
        names = [name for name in self.shown if name in self._frame.columns]
        if names == self._names:
            return
        with self.hold_trait_notifications():
            self._lay_out(names or self._names)
        self._refresh_rows()

    @observe("page", "page_size")
    def _page_again(self, _change: object) -> None:
        self._show_page()

    def _refresh_rows(self) -> None:
        try:
            order = self._sort_rows()
        except ConfigError as error:  # no old row stands beside a filter not applied
            self.error, order = str(error), pl.Series(_ROW, [], dtype=pl.UInt32())
        else:
            self.error = ""
        self._order = order
        self.matched = order.len()
        self.sums = self._sum_found()
        self.page = 1
        self._show_page()

    def _sum_found(self) -> dict[str, list[str]]:
        """Sum money that adds up over the rows that match, and say of how many."""
        names = [name for name in self._names if name.rpartition("_")[2] in _SUMMED]
        names = [name for name in names if self._frame.schema[name].is_numeric()]
        found = self._frame.select(names)[self._order] if names else pl.DataFrame()
        sums: dict[str, list[str]] = {}
        for column in found.get_columns():
            known = column.drop_nulls()
            if known.len():
                of = f"{quantity(known.len())} of {quantity(found.height)} known"
                cover = "" if known.len() == found.height else of
                signed = column.name.endswith(SIGNED)
                sums[column.name] = [rupees(known.sum(), sign=signed), cover]
        return sums

    def _sort_rows(self) -> pl.Series:
        wanted = condition(self.query, self._frame.schema)
        rows = self._frame.lazy().with_row_index(_ROW)
        try:
            return self._select_rows(rows, wanted)
        except pl.exceptions.PolarsError as error:
            raise ConfigError(f"the filter cannot be applied: {error}") from error

    def _select_rows(self, rows: pl.LazyFrame, wanted: pl.Expr | None) -> pl.Series:
        if wanted is not None:
            rows = pl.concat([rows, self._searched.lazy()], how="horizontal")
            rows = rows.filter(wanted)
        if self.sort_by:
            if self.sort_by not in self._frame.columns:
                raise ConfigError(f"no column {self.sort_by!r} to sort by")
            rows = rows.sort(
                self.sort_by,
                descending=self.descending,
                nulls_last=True,
                maintain_order=True,
            )
        return rows.select(_ROW).collect()[_ROW]

    def _show_page(self) -> None:
        count = max(1, -(-self._order.len() // self.page_size))
        page = min(max(1, self.page), count)
        ids = self._order.slice((page - 1) * self.page_size, self.page_size)
        shown = self._frame[ids] if ids.len() else self._frame.clear()
        cells = shown.select(self._names).rows()
        told = [name for name in NOTES if name in shown.columns]
        notes = shown.select(told).rows(named=True) if told else [{}] * len(cells)
        with self.hold_trait_notifications():
            self.page_count = count
            self.page = page
            self.row_ids = ids.to_list()
            self.rows = [
                [
                    _write_cell(name, value, kind)
                    for name, value, kind in zip(
                        self._names, row, self._kinds, strict=True
                    )
                ]
                for row in cells
            ]
            self.names = self._list_names(shown)
            self.whys = [
                [
                    find_reason(name, note) or NO_VALUE if text == UNKNOWN else ""
                    for name, text in zip(self._names, row, strict=True)
                ]
                for row, note in zip(self.rows, notes, strict=True)
            ]
            self.parts = [
                [_take_part(v, top) for v, top in zip(row, self._tops, strict=True)]
                for row in cells
            ]

    def _list_names(self, shown: pl.DataFrame) -> list[str]:
        below = self._names[:1] == ["symbol"] and "name" not in self._names
        if not below or self._frame.schema.get("name") != pl.String():
            return []
        return shown["name"].fill_null("").to_list()


_BARS: Final = {"weight": "whole", "pnl": "signed", "effect": "signed"}
"""The last word of a column's name → its bar: from the left, or from the middle."""


def _find_bar(column: str, kind: Kind) -> str:
    if kind not in {"percent", "rupees"}:
        return ""
    return _BARS.get(column.rpartition("_")[2], "")


def _find_largest(values: pl.Series) -> float | None:
    most: Any = values.abs().max()
    return float(most) if most else None


def _take_part(value: Any, top: float | None) -> float | None:
    return None if top is None or value is None else round(float(value) / top, 4)


def _write_cell(column: str, value: Any, kind: Kind) -> str:
    if value is None and column in NOTES:
        return ""  # no note: nothing is to be said
    return put_plus(column, value, format_value(value, kind))
