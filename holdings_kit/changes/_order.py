"""Which lines a comparison has, in the order of its result.

Accounts and instruments become whole numbers that sort as their names do, so lines are
matched and ordered by one sort of numbers; every column is then fetched once, in place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, cast

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Order", "ordered", "starts"]

_CODE_BITS: Final = 33  # of a line's number: its instrument and its side


class Order(NamedTuple):
    """Lines of both sides, by group and instrument.

    Attributes
    ----------
    lines
        One row per line: its place, the numbers of its group and instrument, and its
        row in the frame before and in the one after, null where it is not in it.
    groups
        The keys of each group, in the order of their numbers.
    instruments
        The name of each instrument, in the order of their numbers; 0 has none.
    """

    lines: pl.DataFrame
    groups: pl.DataFrame
    instruments: pl.Series

    def slices(self, size: int) -> Iterator[pl.DataFrame]:
        """Cut the lines into pieces of `size` rows or more, no group in two of them."""
        group, height = self.lines["_group"], self.lines.height
        start = 0
        if not height:
            yield self.lines
        while start < height:
            last = cast("int", group[min(start + size, height) - 1])
            stop = int(group.search_sorted(last, side="right"))
            yield self.lines.slice(start, stop - start)
            start = stop

    def names(self, lines: pl.DataFrame) -> pl.DataFrame:
        """Give the keys and the instrument of lines."""
        return lines.select(
            *(
                self.groups[key].gather(lines["_group"]).alias(key)
                for key in self.groups.columns
            ),
            self.instruments.gather(lines["_code"]).alias("instrument_id"),
        )


def ordered(
    before: pl.DataFrame, after: pl.DataFrame, keys: Sequence[str]
) -> Order | None:
    """Match the lines of both sides by key and instrument, and put them in order.

    A line with an unknown key matches nothing. ``None``: a line stands twice.
    """
    sides = (before, after)
    groups, group = _groups(sides, keys)
    instruments, code = _instruments(sides)
    known = pl.concat(
        side.select(
            pl.all_horizontal(pl.col(*keys, "instrument_id").is_not_null())
        ).to_series()
        for side in sides
    )
    number = pl.select(
        number=pl.concat(group).cast(pl.UInt64()) * 2**_CODE_BITS
        + pl.concat(code).cast(pl.UInt64()) * 2
        + (pl.int_range(known.len()) >= before.height).cast(pl.UInt64())
    ).to_series()
    row = number.arg_sort()
    lines = pl.DataFrame({"number": number.gather(row), "row": row})
    if not known.all():
        lines = lines.with_columns(known=known.gather(row))
    return _lines(lines, groups, instruments, before.height)


def _lines(
    rows: pl.DataFrame, groups: pl.DataFrame, instruments: pl.Series, height: int
) -> Order | None:
    """Make one line of two rows that differ in nothing but the side."""
    number, row, following = pl.col("number"), pl.col("row"), pl.col("number").shift(-1)
    if rows.select((number == following).any()).item():
        return None
    late = number % 2 == 1
    # the number after an early line's is that of the same line, late
    pair = ~late & (following == number + 1).fill_null(value=False)
    if "known" in rows.columns:
        pair &= pl.col("known")
    first = rows.select(~pair.shift(1, fill_value=False)).to_series()
    lines = rows.select(
        number,
        _before=pl.when(~late).then(row),
        _after=pl.when(late).then(row - height).when(pair).then(row.shift(-1) - height),
    ).filter(first)
    return Order(
        lines.select(
            _place=pl.int_range(pl.len(), dtype=pl.UInt32()),
            _group=(number // 2**_CODE_BITS).cast(pl.UInt32()).set_sorted(),
            _code=(number % 2**_CODE_BITS // 2).cast(pl.UInt32()),
            _before="_before",
            _after="_after",
        ),
        groups,
        instruments,
    )


def _groups(
    sides: Sequence[pl.DataFrame], keys: Sequence[str]
) -> tuple[pl.DataFrame, list[pl.Series]]:
    """Give numbers to the keys, asking runs of rows: one key mostly stands together."""
    begun = [starts(side, keys) for side in sides]
    heads = [
        side.select(keys).filter(start)
        for side, start in zip(sides, begun, strict=True)
    ]
    groups = pl.concat(heads).unique().sort(keys)
    table = groups.with_columns(_group=pl.int_range(pl.len(), dtype=pl.UInt32()))
    numbers: list[pl.Series] = []
    for head, start in zip(heads, begun, strict=True):
        found = head.join(
            table, on=list(keys), how="left", nulls_equal=True, maintain_order="left"
        )
        run = start.cast(pl.UInt32()).cum_sum() - 1
        numbers.append(found["_group"].gather(run))
    return groups, numbers


def starts(side: pl.DataFrame, keys: Sequence[str]) -> pl.Series:
    """Mark the rows whose key is not that of the row above."""
    changed = pl.any_horizontal(
        pl.int_range(pl.len()) == 0,
        *(pl.col(key).ne_missing(pl.col(key).shift()) for key in keys),
    )
    return side.select(changed).to_series()


def _instruments(sides: Sequence[pl.DataFrame]) -> tuple[pl.Series, list[pl.Series]]:
    names = pl.concat(side["instrument_id"].unique() for side in sides)
    known = names.drop_nulls().unique().sort()
    listed = pl.Enum(known)
    numbers = [
        (side["instrument_id"].cast(listed).to_physical().cast(pl.UInt32()) + 1)
        .fill_null(0)
        .alias("_code")
        for side in sides
    ]
    return pl.concat([pl.Series([None], dtype=pl.String()), known]), numbers
