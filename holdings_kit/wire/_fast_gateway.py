"""Webhook lines the fast way: the schemas Arrow must find, and the facts in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl

from holdings_kit.schema import MONEY, empty
from holdings_kit.wire._assemble import (
    BASKET_FIGURES,
    BASKET_READ,
    DOCUMENT_READ,
    fill_holdings,
)
from holdings_kit.wire._batch import Found
from holdings_kit.wire._gateway import FUNDS, V1, V2
from holdings_kit.wire._keyed import FAULT, HELD, LISTING, Facts, merge_facts
from holdings_kit.wire._published import build_schema
from holdings_kit.wire._quick_lines import TwoShapes
from holdings_kit.wire._rows import (
    NOTICE,
    ROW,
    Table,
    explode_items,
    instant,
    number,
    report_zero_prices,
    stack_frames,
)
from holdings_kit.wire._signing import webhook_checksum_ok

if TYPE_CHECKING:
    from holdings_kit.wire._fast import QuickShape
    from holdings_kit.wire._signing import Secret

__all__ = ["webhook_shapes"]

_TEXT: Final = pl.String()
_LIMIT: Final = 10**18  # MONEY holds 18 digits, and Arrow does not count them


def webhook_shapes(api_secret: str | Secret | None) -> QuickShape:
    """Give the shape of webhook lines; the checksum is verified with `api_secret`."""
    return _Webhooks(api_secret)


class _Webhooks:
    """`QuickShape` of webhook lines."""

    numbers = ("xirr", "folio")

    def __init__(self, api_secret: str | Secret | None) -> None:
        self._api_secret = api_secret
        self.schema, self.two_shapes = _SCHEMA, (_SECURITIES, _PRIVATE)

    def interpret(self, rows: pl.DataFrame, /) -> Found:
        found = [
            _read_facts(form, part, self._api_secret)
            for form, part in _split_forms(rows)
        ]
        facts = merge_facts([part.facts for part in found])
        return Found(facts, pl.concat([part.doubtful for part in found]))


_SECURITIES: Final = TwoShapes("securities", "{")  # v1
_PRIVATE: Final = TwoShapes("private", "[", late=True)
_WIDE: Final = pl.Decimal(38, 18)  # basket figures: rounded to MONEY without a remark


def _choose_type(path: str) -> pl.DataType:
    if path.endswith(".xirr"):
        return pl.String()
    return _WIDE if path.startswith("smallcases.") else MONEY


_OTHER_SHAPES: Final = {
    "smallcases.private[]": _PRIVATE.other,
    "securities": _SECURITIES.other,
}
_SCHEMA: Final = pl.Schema(
    {
        **build_schema("gateway-v1", number=_choose_type, other=_OTHER_SHAPES),
        **build_schema("gateway-v2", number=_choose_type, other=_OTHER_SHAPES),
    }
)


def _split_forms(rows: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    """Part v1 from v2: the one has securities of the other shape."""
    if rows[_SECURITIES.other].null_count() == rows.height:
        return [("v2", rows)]
    second = pl.col(_SECURITIES.other).is_null()
    first = rows.filter(~second).with_columns(securities=_SECURITIES.other)
    return [("v1", first), ("v2", rows.filter(second))]


def _read_facts(
    version: str, rows: pl.DataFrame, api_secret: str | Secret | None
) -> Found:
    rows = rows.rechunk()  # once, not with each look at them
    documents, doubtful = _read_documents(version, rows, api_secret)
    securities = pl.col("securities")
    first = (
        _read_table(
            rows, V1, securities.struct.field("holdings"), "/securities/holdings"
        )
        if version == "v1"
        else _read_table(rows, V2, securities, "/securities")
    )
    # funds are numbered after the securities of their document
    before = securities.list.len() if version == "v2" else _no_securities(securities)
    funds = _read_table(
        rows,
        FUNDS,
        pl.col("mutualFunds").struct.field("holdings"),
        "/mutualFunds/holdings",
        before=before,
    )
    held_in, odd_baskets = _read_baskets(rows, private_list=_PRIVATE.other)
    holdings = stack_frames([first.holdings, funds.holdings])
    if not funds.holdings.is_empty():
        holdings = holdings.sort(ROW)
    facts = Facts(
        documents,
        holdings,
        stack_frames([first.listings, funds.listings]).sort(ROW, maintain_order=True),
        held_in,
        stack_frames([first.notices, funds.notices]),
        empty(FAULT),
    )
    return Found(
        facts, pl.concat([doubtful, first.doubtful, funds.doubtful, odd_baskets])
    )


def _no_securities(securities: pl.Expr) -> pl.Expr:
    return securities.struct.field("holdings").list.len()


def _read_documents(
    version: str, rows: pl.DataFrame, api_secret: str | Secret | None
) -> tuple[pl.DataFrame, pl.Series]:
    instants = {"snapshot_at": "snapshotDate", "fetched_at": "timestamp"}
    has_shares = pl.col("securities").is_not_null()
    has_funds = pl.col("mutualFunds").struct.field("holdings").is_not_null()
    said = rows.select(
        "doc",
        *(
            pl.when(pl.col(name) != "").then(pl.col(name)).alias(column)
            for column, name in (
                ("broker", "broker"),
                ("account_id", "smallcaseAuthId"),
                ("transaction_id", "transactionId"),
                ("notes", "notes"),
            )
        ),
        *(instant(name).alias(column) for column, name in instants.items()),
        "file",
        "line_no",
        source=pl.lit("gateway"),
        format=pl.lit(f"gateway-{version}"),
        scope=pl.when(has_shares & has_funds)
        .then(pl.lit("securities+funds"))
        .when(has_shares)
        .then(pl.lit("securities"))
        .when(has_funds)
        .then(pl.lit("funds")),
        checksum_ok=_verify_checksums(rows, api_secret),
        holdings_known=pl.lit(value=True),
        raw=pl.lit(None, pl.Binary()),
    )
    unread = pl.any_horizontal(
        number(name).is_not_null() & pl.lit(said[column]).is_null()
        for column, name in instants.items()
    )
    # securities of v1 and null would be those of v2; without any list the exact way
    # has to tell a missing field from a null
    funds = pl.col("mutualFunds").is_not_null() & pl.lit(version == "v2")
    none = pl.col("securities").is_null() & ~funds
    both = pl.col("smallcases").struct.field("private").struct
    total = both.field("stats").is_not_null()  # beside investments a remark
    doubt = unread | none | pl.col("updating").fill_null(value=False)
    doubt |= total & both.field("investments").is_not_null()
    doubtful = rows.select(pl.col("doc").filter(doubt)).to_series()
    return said.select(DOCUMENT_READ.names()), doubtful


def _verify_checksums(
    rows: pl.DataFrame, api_secret: str | Secret | None
) -> pl.Expr | pl.Series:
    if api_secret is None:
        return pl.lit(None, pl.Boolean())
    asked = rows.select("timestamp", "checksum", "smallcaseAuthId", "transactionId")
    fits = [webhook_checksum_ok(row, api_secret) for row in asked.iter_rows(named=True)]
    return pl.Series(fits, dtype=pl.Boolean())


class _Part(NamedTuple):
    holdings: pl.DataFrame
    listings: pl.DataFrame
    notices: pl.DataFrame
    doubtful: pl.Series


_NO_DOUBT: Final = pl.Series("doc", dtype=pl.Int64())
_NOTHING: Final = _Part(empty(HELD), empty(LISTING), empty(NOTICE), _NO_DOUBT)


def _read_table(
    rows: pl.DataFrame,
    table: Table,
    items: pl.Expr,
    pointer: str,
    *,
    before: pl.Expr | None = None,
) -> _Part:
    """Read one list of every document as rows of one table."""
    offset = pl.lit(0) if before is None else before.fill_null(0)
    listed = rows.select("doc", item=items, offset=offset.cast(pl.Int64()))
    found = explode_items(listed, pl.col("item"), keep=("doc", "offset"))
    if found.is_empty():
        return _NOTHING
    missing = found.filter(pl.col("item").is_null())["doc"]
    typed = found.select(
        "doc",
        *(_read_field(path, column, table) for column, path in table.fields.items()),
        holding_no=pl.col("no") + pl.col("offset"),
        no="no",
    )
    doubtful = [missing, *_find_doubts(typed, table)]
    if not doubtful[1].is_empty():  # what is made of them would be too large as well
        typed = typed.with_columns(
            pl.when(pl.col(column).to_physical().abs() < _LIMIT).then(pl.col(column))
            for column in table.numbers
        )
    instants = [instant(column) for column in table.instants]
    read = typed.with_columns(instants) if instants else typed
    doubtful += [
        read.filter(typed[column].is_not_null() & pl.col(column).is_null())["doc"]
        for column in table.instants
    ]
    unpriced = typed.filter(
        pl.any_horizontal(pl.col(column) <= 0 for column in table.positive)
    ).with_columns(pointer=pl.format(f"{pointer}/{{}}", "no"))
    return _Part(
        fill_holdings(read, table),
        _read_listings(typed, table),
        report_zero_prices(unpriced, table),
        pl.concat(doubtful),
    )


_FLAGS: Final = ("suspendedOnNSE", "suspendedOnBSE")


def _read_field(path: tuple[str, ...], column: str, table: Table) -> pl.Expr:
    value = pl.col("item")
    for step in path:
        value = value.struct.field(step)
    if column in _FLAGS:
        value = pl.when(value).then(pl.lit("true")).when(~value).then(pl.lit("false"))
    elif column not in table.numbers:
        value = pl.when(value != "").then(value)
    return value.alias(column)


def _find_doubts(typed: pl.DataFrame, table: Table) -> list[pl.Series]:
    """Find documents with a number too large, or with what may be a row twice."""
    sizes = [pl.col(column).to_physical().abs() for column in table.numbers]
    largest = typed.select(pl.max_horizontal(size.max() for size in sizes)).item()
    large = pl.any_horizontal(size >= _LIMIT for size in sizes)
    name = "ticker" if table.name == V1.name else "isin"
    names = typed.group_by("doc").agg(twins=pl.col(name).n_unique() < pl.len())
    return [
        typed.filter(large.fill_null(value=False))["doc"]
        if (largest or 0) >= _LIMIT
        else _NO_DOUBT,
        names.filter("twins")["doc"],
    ]


def _read_listings(typed: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Give the places a row is listed at, as `gateway` does."""
    nothing = pl.lit(None, pl.String())
    places = {
        V1.name: [(pl.coalesce("exchange", pl.lit("NSE")), "ticker", nothing, nothing)],
        V2.name: [
            (pl.lit("NSE"), "nseTicker", nothing, pl.col("isin")),
            (pl.lit("BSE"), "bseTicker", nothing, pl.col("isin")),
        ],
        FUNDS.name: [(pl.lit("MF"), "tradingsymbol", pl.col("folio"), pl.col("isin"))],
    }[table.name]
    return pl.concat(
        typed.filter(pl.col(symbol).is_not_null()).select(
            "doc",
            "holding_no",
            exchange=exchange,
            symbol=symbol,
            trading_symbol=nothing,
            token=token,
            isin=isin,
        )
        for exchange, symbol, token, isin in places
    )


def _read_baskets(
    rows: pl.DataFrame, *, private_list: str
) -> tuple[pl.DataFrame, pl.Series]:
    """Read every smallcase: a row per constituent, or one where there is none.

    `private_list` is the field of private smallcases that came as a list.
    """
    smallcases = pl.col("smallcases").struct
    private = smallcases.field("private").struct
    items = [
        ("public", 0, smallcases.field("public")),
        ("private", 2, private.field("investments")),
        ("private", 2, smallcases.field(private_list)),
    ]
    constituents = rows.select(items[0][2].explode().struct.field("constituents"))
    parts = [
        rows.select("doc", item=private.field("stats"))
        .filter(pl.col("item").is_not_null())
        .select(
            "doc",
            *(_NO_TEXT.alias(name) for name in ("basket_id", "basket_name")),
            *_read_figures(pl.col("item")),
            pointer=_NO_TEXT,
            visibility=pl.lit("private"),
            part=pl.lit(1),
            no=pl.lit(0, pl.Int64()),
            constituents=pl.lit(None, constituents.dtypes[0]),
            _missing=pl.lit(value=False),
        )
    ]
    for visibility, part, expression in items:
        found = explode_items(rows, expression)
        item = pl.col("item").struct
        parts.append(
            found.select(
                "doc",
                *_read_figures(item.field("stats")),
                basket_id=item.field("scid"),
                basket_name=item.field("name"),
                pointer=_NO_TEXT,
                visibility=pl.lit(visibility),
                part=pl.lit(part),
                no="no",
                constituents=item.field("constituents"),
                _missing=pl.col("item").is_null(),
            )
        )
    whole = pl.concat(parts, how="diagonal")
    rows_of = _read_constituents(whole)
    wide = pl.col(*BASKET_FIGURES.values(), "quantity")
    read = wide.cast(MONEY, strict=False)
    lost = pl.any_horizontal(wide.is_not_null() & read.is_null(), "_missing")
    doubtful = rows_of.select(pl.col("doc").filter(lost)).to_series()
    ordered = rows_of.sort("doc", "part", "no", "_place", maintain_order=True)
    return ordered.with_columns(read).select(BASKET_READ.names()), doubtful


_NO_TEXT: Final = pl.lit(None, pl.String())


def _read_figures(stats: pl.Expr) -> list[pl.Expr]:
    return [
        stats.struct.field(name).alias(column)
        for name, column in BASKET_FIGURES.items()
    ]


def _read_constituents(whole: pl.DataFrame) -> pl.DataFrame:
    many = pl.col("constituents").list.len() > 0
    held_by = (
        whole.filter(many)
        .with_columns(_place=pl.int_ranges(pl.col("constituents").list.len()))
        .explode("constituents", "_place")
        .with_columns(
            symbol=pl.col("constituents").struct.field("ticker"),
            quantity=pl.col("constituents").struct.field("shares"),
            _missing=pl.col("_missing") | pl.col("constituents").is_null(),
        )
    )
    bare = whole.filter(~many.fill_null(value=False)).with_columns(
        _place=pl.lit(0, pl.Int64()),
        symbol=_NO_TEXT,
        quantity=pl.lit(None, _WIDE),
    )
    return pl.concat(
        [part.drop("constituents") for part in (held_by, bare)], how="diagonal"
    )
