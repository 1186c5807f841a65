"""Lines of which nothing moved but, perhaps, price and haircut: most of them.

They need neither ratios nor links nor transfers, and their words are the same
in every account with the same prices.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl

from holdings_kit.changes import _facts as facts, _order as lines_of
from holdings_kit.changes._frames import CHANGES, QUANTITIES
from holdings_kit.changes._rules import STILL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from holdings_kit.changes._order import Order

_FIGURES: Final = (
    *QUANTITIES,
    "average_price",
    "price",
    "price_basis",
    "close_price",
    "cost_value",
    "haircut",
    "snapshot_at",
    "symbol",
)
_HAIRCUT, _PRICE, _EQUAL = range(len(STILL))
_PRICES: Final = ("price_before", "price_after")
_SAID: Final = pl.concat(
    pl.select(_jump=False, _price_gone=False).select(
        cause=pl.lit(rule.cause),
        confidence=rule.confidence,
        parts=pl.concat_list(
            pl.struct(
                pl.lit(rule.cause).alias("cause"), rule.quantity.alias("quantity")
            )
        ),
    )
    for rule in STILL
)
"""What each of `STILL` says of a line."""
_NOTHING: Final = (
    "transferred_quantity",
    "action_quantity",
    "action_value",
    "action_cost_value",
    "paid_value",
    "income_value",
)
_BLANKS: Final = {
    name: CHANGES[name]
    for name in (
        *_NOTHING,
        "ratio",
        "related_instrument_id",
        "transfer_account_id",
        "transfer_price",
        "transfer_average_price",
    )
}
"""What a still line has nothing of: 0 of some, null of others."""


class Split(NamedTuple):
    """Some lines described as if only prices moved, and those of which more did."""

    columns: dict[str, pl.Series]
    """Of `CHANGES` and the keys, but ``parts``."""
    rule: pl.Series
    """Which of `STILL` holds."""
    moved: pl.DataFrame
    first: int
    """The place of the first line."""


class Splitter:
    """Tell apart, piece by piece, the lines of two sides that moved."""

    def __init__(
        self,
        order: Order,
        sides: tuple[pl.DataFrame, pl.DataFrame],
        *,
        keys: Sequence[str],
        tolerances: Mapping[str, float],
        listed: Sequence[str],
    ) -> None:
        self._order, self._sides, self._keys = order, sides, keys
        self._allowed = tolerances
        self._still = facts.is_still(tolerances)
        if listed:
            self._still &= ~pl.col("instrument_id").is_in(listed)
        self._usual = _find_usual_price(order, sides)
        self._blank = pl.DataFrame()

    def split(self, lines: pl.DataFrame) -> Split:
        """Fetch the figures of lines, and find those of which something moved."""
        rows = pl.concat(
            [
                lines.select(
                    "_group",
                    "_code",
                    _place_after="_place",
                    _present_before=pl.col("_before").is_not_null(),
                    _present_after=pl.col("_after").is_not_null(),
                ),
                self._order.names(lines),
                lines_of.fetch_sides(*self._sides, lines, _FIGURES),
            ],
            how="horizontal",
        ).with_columns(
            instrument_id_before=pl.when("_present_before").then("instrument_id")
        )
        moved = rows.select(~self._still).to_series()
        names = lines_of.fetch_sides(
            *self._sides, lines.filter(moved), (*lines_of.NAMES[1:], "extra")
        )
        described, rule = self._describe_still(rows, moved)
        return Split(
            {name: described[name] for name in described.columns},
            rule,
            pl.concat([rows.filter(moved), names], how="horizontal"),
            int(lines["_place"][0]) if lines.height else 0,
        )

    def _describe_still(
        self, rows: pl.DataFrame, moved: pl.Series
    ) -> tuple[pl.DataFrame, pl.Series]:
        """Take the first rule that holds as all that happened; none moves units."""
        rows = rows.with_columns(
            _haircut_moved=facts.has_haircut_moved(self._allowed),
            _price_moved=facts.has_price_moved(self._allowed),
            _jump=pl.lit(value=False),
            _price_gone=pl.lit(value=False),
        )
        number = pl.coalesce(
            pl.when(rule.when).then(pl.lit(place, pl.UInt32()))
            for place, rule in enumerate(STILL)
        )
        rule = rows.select(number).to_series()
        described = rows.with_columns(
            *self._repeat_blanks(rows.height),
            cause=_SAID["cause"].gather(rule),
            confidence=_SAID["confidence"].gather(rule),
            evidence=self._evidence(rows, moved),
            adjusted_quantity="owned_quantity_before",
            traded_quantity=pl.col("owned_quantity_after")
            - pl.col("owned_quantity_before"),
        )
        return select_changes(described, self._keys).drop("parts"), rule

    def _repeat_blanks(self, height: int) -> list[pl.Series]:
        """Give what is the same of every still line, all pieces from one memory."""
        if height > self._blank.height:
            self._blank = pl.select(
                pl.repeat(0 if name in _NOTHING else None, height, dtype=dtype).alias(
                    name
                )
                for name, dtype in _BLANKS.items()
            )
        return self._blank.head(height).get_columns()

    def _evidence(self, rows: pl.DataFrame, moved: pl.Series) -> pl.Series:
        """Fetch the sentence of the usual prices; make one for the lines without."""
        usual = self._usual.select(pl.all().gather(rows["_code"]))
        alone = pl.any_horizontal(
            pl.col(price).ne_missing(usual[price]) for price in _PRICES
        )
        words_of, special = rows.select(
            evidence=pl.when("_price_moved")
            .then(usual["evidence"])
            .otherwise(STILL[_EQUAL].evidence),
            special=(pl.col("_haircut_moved") | (pl.col("_price_moved") & alone))
            & ~moved,
        )
        if not special.any():
            return words_of
        words = rows.filter(special).select(
            pl.coalesce(pl.when(rule.when).then(rule.evidence) for rule in STILL)
        )
        return words_of.scatter(special.arg_true(), words.to_series())


def _find_usual_price(
    order: Order, sides: tuple[pl.DataFrame, pl.DataFrame]
) -> pl.DataFrame:
    """Per instrument: the prices of one of its lines, and the words for them."""
    lines = order.lines.drop_nulls(["_before", "_after"])
    one = lines.unique("_code", keep="any").select("_code", "_before", "_after")
    prices = lines_of.fetch_sides(*sides, one, ["price"]).with_columns(
        one["_code"], _jump=pl.lit(value=False), _price_gone=pl.lit(value=False)
    )
    words_of = prices.with_columns(evidence=STILL[_PRICE].evidence).drop(
        "_jump", "_price_gone"
    )
    every = pl.int_range(order.instruments.len(), dtype=pl.UInt32(), eager=True)
    return (
        pl.DataFrame({"_code": every})
        .join(words_of, on="_code", how="left", maintain_order="left")
        .drop("_code")
    )


def put_back(part: Split, explained: pl.DataFrame | None) -> pl.DataFrame:
    """Put the lines that moved, explained, in their places.

    The columns of `part` are written into, where nothing else has their memory.
    """
    columns, row, parts = part.columns, part.rule, _SAID["parts"]
    if explained is not None:
        place = explained["_place_after"] - part.first
        columns = {
            name: column
            if name in _BLANKS and column.head(place.len()).equals(explained[name])
            else column.scatter(place, explained[name])
            for name, column in columns.items()
        }
        said = pl.int_range(len(STILL), len(STILL) + place.len(), eager=True)
        row = row.scatter(place, said)
        # of one piece: lists are fetched ten times slower out of two
        parts = pl.concat([parts, explained["parts"]], rechunk=True)
    lines = pl.DataFrame({**columns, "parts": parts.gather(row)}).select(
        *(name for name in columns if name not in CHANGES), *CHANGES
    )
    if explained is None or explained.height == part.moved.height:
        return lines
    # of two lines that are one security, the old one is no longer there
    old = part.moved.join(explained, on="_place_after", how="anti")["_place_after"]
    row = pl.int_range(lines.height, dtype=pl.UInt32(), eager=True)
    return lines.filter(~row.is_in((old - part.first).implode()))


def select_changes(rows: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """Keep the promised columns; what a suspect snapshot would say is unknown."""
    have = set(rows.columns)
    doubted = "_suspect" in have  # lines of which nothing moved are not
    odd = [
        pl.col(c)
        for c in ("_pending", "_cross_pending", "_unrestated", "_jump")
        if c in have
    ]
    pnl_known = pl.all_horizontal(
        pl.col(f"{column}_after").is_not_null()
        for column in ("owned_quantity", "price", "average_price")
    )
    columns: list[pl.Expr] = []
    for column, dtype in CHANGES.items():
        if column == "symbol":
            value = pl.coalesce("symbol_after", "symbol_before")
        elif column == "pnl_reliable":
            value = pl.when(pnl_known).then(~pl.any_horizontal(*odd))
        elif column not in have:
            value = pl.lit(None, dtype)
        else:
            value = pl.col(column)
        if doubted and column.endswith("_after") and column != "snapshot_at_after":
            value = pl.when(~pl.col("_suspect")).then(value)
        columns.append(value.cast(dtype).alias(column))
    extra = [key for key in keys if key not in CHANGES]
    return rows.select(*extra, *columns)
