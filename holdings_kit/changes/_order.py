"""Which lines a comparison has, in the order of its result.

Accounts and instruments become whole numbers that sort as their names do, so lines are
matched and ordered by one sort of numbers; every column is then fetched once, in place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, cast

import polars as pl

from holdings_kit.changes._frames import BUCKETS, QUANTITIES
from holdings_kit.schema import HOLDINGS, MONEY, VALUE, conform

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_WORD_BITS: Final = 64  # of a line's number: its group, instrument, side, row


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
    rows
        The number of the group of every row of both frames.
    """

    lines: pl.DataFrame
    groups: pl.DataFrame
    instruments: pl.Series
    rows: tuple[pl.Series, pl.Series]

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
    before: pl.DataFrame, after: pl.DataFrame, keys: Sequence[str], names: pl.Series
) -> Order | None:
    """Match the lines of both sides by key and instrument, and put them in order.

    `names` are the instruments of both sides, each once.
    A line with an unknown key matches nothing. ``None``: a line stands twice.
    """
    sides = (before, after)
    groups, group = _number_groups(sides, keys)
    instruments, code = _number_instruments(sides, names)
    known = pl.concat(
        side.select(
            pl.all_horizontal(pl.col(*keys, "instrument_id").is_not_null())
        ).to_series()
        for side in sides
    )
    bits = (2 * instruments.len()).bit_length()
    number = pl.select(
        number=pl.concat(group).cast(pl.UInt64()) * 2**bits
        + pl.concat(code).cast(pl.UInt64()) * 2
        + (pl.int_range(known.len()) >= before.height).cast(pl.UInt64())
    ).to_series()
    lines = _sort_numbers(number, groups.height.bit_length() + bits)
    if not known.all():
        lines = lines.with_columns(known=known.gather(lines["row"]))
    paired = _pair_lines(lines, before.height, bits)
    if paired is None:
        return None
    return Order(paired, groups, instruments, (group[0], group[1]))


def _sort_numbers(number: pl.Series, used: int) -> pl.DataFrame:
    """Sort numbers of so many bits, and say from which row each is.

    Numbers that carry their row with them sort in half the time; they mostly have room.
    """
    bits = number.len().bit_length()
    if used + bits > _WORD_BITS:
        row = number.arg_sort()
        return pl.DataFrame({"number": number.gather(row), "row": row})
    numbered = number * 2**bits + pl.int_range(
        number.len(), dtype=pl.UInt64(), eager=True
    )
    return pl.DataFrame({"both": numbered.sort()}).select(
        number=pl.col("both") // 2**bits,
        row=(pl.col("both") % 2**bits).cast(pl.UInt32()),
    )


def _pair_lines(rows: pl.DataFrame, height: int, bits: int) -> pl.DataFrame | None:
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
    return lines.select(
        _place=pl.int_range(pl.len(), dtype=pl.UInt32()),
        _group=(number // 2**bits).cast(pl.UInt32()).set_sorted(),
        _code=(number % 2**bits // 2).cast(pl.UInt32()),
        _before="_before",
        _after="_after",
    )


def _number_groups(
    sides: Sequence[pl.DataFrame], keys: Sequence[str]
) -> tuple[pl.DataFrame, list[pl.Series]]:
    """Give numbers to the keys, asking runs of rows: one key mostly stands together."""
    begun = [mark_starts(side, keys) for side in sides]
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
        number = found["_group"].gather(run)
        # a store keeps accounts in order; sorted numbers are grouped in half the time
        numbers.append(number.set_sorted() if number.is_sorted() else number)
    return groups, numbers


def mark_starts(side: pl.DataFrame, keys: Sequence[str]) -> pl.Series:
    """Mark the rows whose key is not that of the row above."""
    changed = pl.any_horizontal(
        pl.int_range(pl.len()) == 0,
        *(pl.col(key).ne_missing(pl.col(key).shift()) for key in keys),
    )
    return side.select(changed).to_series()


def _number_instruments(
    sides: Sequence[pl.DataFrame], names: pl.Series
) -> tuple[pl.Series, list[pl.Series]]:
    """Give numbers to the instruments, in the order of their names."""
    known = names.drop_nulls().sort()
    listed = pl.Enum(known)
    numbers = [
        (side["instrument_id"].cast(listed).to_physical().cast(pl.UInt32()) + 1)
        .fill_null(0)
        .alias("_code")
        for side in sides
    ]
    return pl.concat([pl.Series([None], dtype=pl.String()), known]), numbers


NAMES: Final = ("symbol", "name", "exchange", "token")
"""What tells a security apart; only lines that came or went are asked for all."""

_FIRST: Final = (
    *NAMES,
    "price",
    "price_basis",
    "close_price",
    "haircut",
    "extra",
)
_INSTANTS: Final = ("snapshot_at_before", "snapshot_at_after")
_ADDS: Final = (*QUANTITIES, "cost_value")


def read_side(
    holdings: pl.LazyFrame, keys: Sequence[str], *, name: str
) -> pl.LazyFrame:
    """Take what a comparison reads of every row."""
    average, owned = pl.col("average_price"), pl.col("owned_quantity")
    ltp, close = pl.col("last_price"), pl.col("close_price")
    given = "_table_price" in holdings.collect_schema()
    table = pl.col("_table_price") if given else pl.lit(None, MONEY)
    return conform(holdings, HOLDINGS, name=name).select(
        *keys,
        "instrument_id",
        *QUANTITIES,
        "average_price",
        "snapshot_at",
        *NAMES,
        "close_price",
        "haircut",
        "extra",
        price=pl.coalesce(ltp, close, table),
        price_basis=pl.when(ltp.is_not_null())
        .then(pl.lit("ltp"))
        .when(close.is_not_null())
        .then(pl.lit("close"))
        .when(table.is_not_null())
        .then(pl.lit("price")),
        cost_value=pl.when(owned == 0)
        .then(pl.lit(0, VALUE))
        .otherwise(owned.cast(VALUE) * average)
        .cast(VALUE),
    )


def sum_duplicates(rows: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """Sum the instruments that stand in several rows; most stand in one.

    A sum with an unknown term is unknown. The rows share one price, haircut and
    symbol: the first that is known, in the order of the frame. Their average is cost
    divided by quantity.
    """
    on = [*keys, "instrument_id"]
    several = rows.select(pl.struct(on).is_duplicated()).to_series()
    if not several.any():
        return rows
    return pl.concat([rows.filter(~several), _sum_rows(rows.filter(several), on)])


def _sum_rows(rows: pl.DataFrame, on: list[str]) -> pl.DataFrame:
    grouped = rows.group_by(on).agg(
        pl.col(*_ADDS).sum(),
        pl.col(*_ADDS).null_count().name.suffix("_unknown"),
        pl.col(*_FIRST, "average_price").first(ignore_nulls=True),
        pl.col("snapshot_at").max(),
    )
    known = [
        pl.when(pl.col(f"{column}_unknown") == 0)
        .then(pl.col(column).cast(rows.schema[column]))
        .alias(column)
        for column in _ADDS
    ]
    total = pl.col("owned_quantity")
    mean = pl.when(total != 0).then(pl.col("cost_value") / total)
    return (
        grouped.with_columns(known)
        .with_columns(
            mean.otherwise("average_price").cast(MONEY).alias("average_price")
        )
        .select(rows.columns)
    )


def fetch_sides(
    before: pl.DataFrame,
    after: pl.DataFrame,
    lines: pl.DataFrame,
    columns: Sequence[str],
) -> pl.DataFrame:
    """Fetch columns of both sides; null where a line is not in a snapshot."""
    return pl.concat(
        [
            side.select(
                _fetch(side[c], lines[f"_{end}"], f"{c}_{end}") for c in columns
            )
            for side, end in ((before, "before"), (after, "after"))
        ],
        how="horizontal",
    )


def _fetch(column: pl.Series, row: pl.Series, name: str) -> pl.Expr:
    """Fetch rows of a column; one that says the same of all rows is not looked up."""
    values = pl.col(column.name)
    if _is_constant(column):
        return pl.when(pl.lit(row).is_not_null()).then(values.first()).alias(name)
    return values.gather(row).alias(name)


def _is_constant(column: pl.Series) -> bool:
    if column.null_count():
        return column.null_count() == column.len()
    if column.is_empty():
        return True
    ends = column[0] == column[column.len() // 2] == column[-1]  # these mostly tell
    return ends and bool((column == column.head(1)).all())


def is_held(end: str) -> pl.Expr:
    """Something is, or may be, owned on this side."""
    owned = pl.col(f"owned_quantity_{end}")
    return pl.col(f"_present_{end}") & (owned.is_null() | (owned != 0))


def account_facts(
    order: Order, before: pl.DataFrame, after: pl.DataFrame
) -> pl.DataFrame:
    """Per group: the instants of both snapshots and the number of lines held.

    Null for a group without a known key: its rows need not belong together.
    """
    sides: list[pl.DataFrame] = []
    both = (before, after)
    for side, end, group in zip(both, ("before", "after"), order.rows, strict=True):
        owned = pl.col("owned_quantity")
        rows = side.select("snapshot_at", owned=owned.is_null() | (owned != 0))
        sides.append(
            rows.with_columns(group.alias("_group"))
            .group_by("_group")
            .agg(
                pl.col("snapshot_at").max().alias(f"snapshot_at_{end}"),
                pl.len().alias(f"_rows_{end}"),
                pl.col("owned").sum().alias(f"_lines_{end}"),
            )
        )
    groups = order.groups.select(
        _group=pl.int_range(pl.len(), dtype=pl.UInt32()),
        _known=pl.all_horizontal(pl.all().is_not_null()),
    )
    for side in sides:
        groups = groups.join(side, on="_group", how="left", maintain_order="left")
    counts = ("_rows_after", "_lines_before", "_lines_after")
    figures = (*_INSTANTS, pl.col(*counts).fill_null(0))
    return groups.select(figures).select(pl.when(groups["_known"]).then(pl.all()))


def with_absent(rows: pl.DataFrame, facts: pl.DataFrame) -> pl.DataFrame:
    """Fill the missing side of one-sided rows: zero held, the account's instant."""
    always = {"owned_quantity": MONEY, "cost_value": VALUE}
    reported = dict.fromkeys((*BUCKETS, "used_quantity", "position_quantity"), MONEY)
    filled: list[pl.Expr] = []
    for end, other in (("before", "after"), ("after", "before")):
        absent = ~pl.col(f"_present_{end}")
        for column, dtype in (reported | always).items():
            known = pl.col(f"{column}_{other}").is_not_null()
            filled.append(
                pl.when(absent if column in always else absent & known)
                .then(pl.lit(0, dtype))
                .otherwise(pl.col(f"{column}_{end}"))
                .alias(f"{column}_{end}")
            )
    account = facts.select(pl.all().gather(rows["_group"]))
    joined = pl.concat([rows.drop("_code", *_INSTANTS), account], how="horizontal")
    return joined.with_columns(filled)
