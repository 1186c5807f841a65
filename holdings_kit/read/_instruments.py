"""The instrument master, and how a listing becomes an identity.

Order of resolution: ISIN in the payload, else (exchange, token), else (exchange,
trading symbol) or (exchange, symbol) in the master, else the row's own first listing.
Nothing is merged that the facts do not join: a key that the master maps to two ISINs,
and a holding whose token and symbol the master gives to two ISINs, resolve to neither,
and are reported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from holdings_kit.errors import WireError
from holdings_kit.read._packed import read_bytes
from holdings_kit.read.identity import asset_class, isin_ok
from holdings_kit.schema import EXCHANGES, INSTRUMENTS, REJECTS, Loaded, conform
from holdings_kit.wire._exchange import Document, line_of, read_cells, recognize

if TYPE_CHECKING:
    from pathlib import Path

_KIND: Final = "arrow_instruments"
_NAMELESS: Final = "names no security: no valid ISIN, no exchange with a symbol"
_COLUMNS: Final = ("Exchange", "Token", "Symbol", "TradingSymbol", "FullName", "ISIN")


def read_instruments(source: bytes | str | Path) -> pl.DataFrame:
    r"""Read the Arrow instrument file (``GET /all``, ``/nse``, ``/bse``) as a master.

    Columns are found by name, in any order; columns beyond these are ignored. An ISIN
    with a wrong check digit is kept but gives no identity. `cash_equivalent` and the
    eligibility dates are null: the file does not say. A line of another width is set
    aside; `read_instruments_and_rejects` gives those beside the master.

    Parameters
    ----------
    source
        The CSV as bytes, or the path of a file that holds it (.gz and .zst too).

    Returns
    -------
    polars.DataFrame
        `INSTRUMENTS`, one row per exchange listing.

    Raises
    ------
    WireError
        Not the published CSV: a column is missing.
    ConfigError
        The path cannot be read.

    Examples
    --------
    >>> csv = b"Exchange,Token,FullName,Symbol,TradingSymbol,ISIN\n"
    >>> csv += b"NSE,3045,STATE BANK OF INDIA,SBIN,SBIN-EQ,INE062A01020\nNSE,30"
    >>> read_instruments(csv).select("instrument_id", "asset_class").row(0)
    ('INE062A01020', 'equity')
    """
    return read_instruments_and_rejects(source)[0]


def read_instruments_and_rejects(
    source: bytes | str | Path,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    r"""Read a master as `read_instruments` does, and give what was set aside.

    Returns
    -------
    tuple of polars.DataFrame
        `INSTRUMENTS` and `REJECTS`: file, line, reason and the line itself.

    Raises
    ------
    WireError
        Not the published CSV: a column is missing.
    ConfigError
        The path cannot be read.

    Examples
    --------
    >>> csv = b"Exchange,Token,FullName,Symbol,TradingSymbol,ISIN\nNSE,30"
    >>> _, rejects = read_instruments_and_rejects(csv)
    >>> rejects.select("line_no", "reason").row(0)
    (2, '2 cells under 6 columns')
    """
    body, name = read_bytes(source, door="read_instruments")
    head = body.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0]
    line = head.decode("utf-8", "replace").strip()
    shape = recognize(line.encode())
    if shape is None or shape.kind != _KIND:
        named = {cell.strip().strip('"') for cell in line.split(",")}
        missing = [column for column in _COLUMNS if column not in named]
        raise WireError(name, "/0", f"no column {', '.join(missing or _COLUMNS)}")
    document = Document(name, body)
    cells = read_cells([document], shape)
    made = _identify(cells.rows)
    nameless = made.filter(pl.col("instrument_id").is_null())
    lines = [(at, line_of(document, at)) for at in nameless["line_no"]]
    aside = pl.DataFrame(
        [(name, at, _NAMELESS, line) for at, line in lines if line.strip(b", \t")],
        schema=REJECTS,
        orient="row",
    )
    rejects = pl.concat([cells.rejects, aside]).sort("line_no")
    return _read_master(made.drop_nulls("instrument_id")), rejects


def resolve(loaded: Loaded, instruments: pl.DataFrame | None) -> Loaded:
    """Give an identity from the master to every row whose payload names no ISIN.

    Rows keep their own listing as identity where the master knows nothing, or says two
    things; `unresolved` lists them. Without a master nothing changes.

    Raises
    ------
    FrameError
        `instruments` is no `INSTRUMENTS` frame.
    """
    if instruments is None:
        return loaded
    master = conform(instruments, INSTRUMENTS, name="instruments").filter(
        isin_ok("isin")
    )
    key = ["snapshot_id", "account_id", "holding_no"]
    every = _match_listings(loaded.listings, master)
    torn = _find_contradictions(every)
    found = every.filter(pl.col("found").is_not_null()).join(
        torn, on=key, how="anti", nulls_equal=True
    )
    first = found.sort("order", maintain_order=True).group_by(key, maintain_order=True)
    known = first.agg(pl.col("found", "found_name", "found_class").first())
    named = pl.col("isin").is_not_null() & isin_ok("isin")
    holdings = (
        loaded.holdings.join(
            known, on=key, how="left", nulls_equal=True, maintain_order="left"
        )
        .with_columns(
            instrument_id=pl.when(named)
            .then("instrument_id")
            .otherwise(pl.coalesce("found", "instrument_id")),
            isin=pl.when(named).then("isin").otherwise(pl.coalesce("found", "isin")),
            name=pl.coalesce("name", "found_name"),
            asset_class=pl.coalesce("asset_class", "found_class"),
        )
        .select(loaded.holdings.columns)
    )
    unnamed = torn.join(
        loaded.holdings.filter(~named.fill_null(value=False)), on=key, how="semi"
    )
    return loaded._replace(
        snapshots=_with_notices(loaded.snapshots, unnamed),
        holdings=holdings,
        baskets=_resolve_baskets(loaded.baskets, master),
    )


def unresolved(holdings: pl.DataFrame) -> pl.DataFrame:
    """List the rows without a valid ISIN: their identity is only their own listing.

    Examples
    --------
    >>> from holdings_kit.schema import HOLDINGS, empty
    >>> unresolved(empty(HOLDINGS)).height
    0
    """
    return holdings.filter(~isin_ok("isin").fill_null(value=False))


def _identify(rows: pl.DataFrame) -> pl.DataFrame:
    """Give each line its identity: the ISIN, else the listing, else null."""
    valid = isin_ok("isin").fill_null(value=False)
    return rows.with_columns(
        instrument_id=pl.coalesce(
            pl.when(valid).then("isin"), pl.format("{}:{}", "exchange", "symbol")
        ),
        asset_class=pl.when(valid).then(asset_class("isin")),
        source=pl.lit("arrow"),
    )


def _read_master(made: pl.DataFrame) -> pl.DataFrame:
    blank = [
        pl.lit(None, dtype).alias(column)
        for column, dtype in INSTRUMENTS.items()
        if column not in made.columns
    ]
    return made.with_columns(blank).select(INSTRUMENTS.names())


def _match_listings(listings: pl.DataFrame, master: pl.DataFrame) -> pl.DataFrame:
    """Look each listing up by token, then by trading symbol, then by symbol."""
    looked = listings.drop("isin")
    ways = (("token", "token"), ("trading_symbol",) * 2, ("symbol", "symbol"))
    for number, (here, there) in enumerate(ways):
        looked = looked.join(
            _keep_unique(master, there).rename(
                {there: here, "isin": f"isin_{number}", "name": f"name_{number}"}
            ),
            on=["exchange", here],
            how="left",
            maintain_order="left",
        )
    order = pl.col("exchange").replace_strict(
        list(EXCHANGES), list(range(len(EXCHANGES))), default=len(EXCHANGES)
    )
    return looked.with_columns(
        order=order,
        found=pl.coalesce("isin_0", "isin_1", "isin_2"),
        found_name=pl.coalesce("name_0", "name_1", "name_2"),
    ).with_columns(found_class=asset_class("found"))


def _find_contradictions(found: pl.DataFrame) -> pl.DataFrame:
    """List the holdings whose listings, tokens and symbols mean several ISINs."""
    key = ["snapshot_id", "account_id", "holding_no"]
    isins = [f"isin_{number}" for number in range(3)]
    known = pl.concat_list(isins).list.drop_nulls()
    first = pl.col("_isins").list.first()
    # most listings mean one ISIN: only holdings with another are looked at whole
    rows = found.select(*key, "exchange", "token", "symbol", _isins=known).filter(
        pl.col("_isins").list.len() > 0
    )
    several = rows.filter(
        (pl.col("_isins").list.n_unique() > 1) | (first.n_unique().over(key) > 1)
    )
    return (
        several.join(several.select(key).unique(), on=key, how="semi", nulls_equal=True)
        .group_by(key, maintain_order=True)
        .agg(
            pl.format(
                "{} {} token {}", "exchange", "symbol", pl.col("token").fill_null("-")
            )
            .str.join(", ")
            .alias("_names"),
            pl.col("_isins")
            .list.explode(keep_nulls=False, empty_as_null=False)
            .unique()
            .sort()
            .str.join(", "),
        )
        .select(*key, value=pl.format("{}: {}", "_names", "_isins"))
    )


def _with_notices(snapshots: pl.DataFrame, torn: pl.DataFrame) -> pl.DataFrame:
    """Add a notice to the snapshot of every holding whose identities disagree."""
    if torn.is_empty():
        return snapshots
    notice = pl.struct(
        kind=pl.lit("identity_conflict"),
        pointer=pl.format("holding {}", "holding_no"),
        value="value",
    ).struct.json_encode()
    key = ["snapshot_id", "account_id"]
    more = torn.group_by(key).agg(_more=notice.str.join(","))
    old = (
        pl.col("notices").str.strip_chars().str.strip_prefix("[").str.strip_suffix("]")
    )
    said = (
        pl.concat_list(pl.when(old.str.strip_chars() != "").then(old), "_more")
        .list.drop_nulls()
        .list.join(",")
    )
    return (
        snapshots.join(
            more, on=key, how="left", nulls_equal=True, maintain_order="left"
        )
        .with_columns(
            notices=pl.when(pl.col("_more").is_not_null())
            .then(pl.format("[{}]", said))
            .otherwise("notices")
        )
        .drop("_more")
    )


def _keep_unique(master: pl.DataFrame, column: str) -> pl.DataFrame:
    """Keys of the master that name exactly one ISIN."""
    return (
        master.filter(pl.col(column).is_not_null())
        .group_by("exchange", column)
        .agg(pl.col("isin").unique(), pl.col("name").first())
        .filter(pl.col("isin").list.len() == 1)
        .with_columns(pl.col("isin").list.first())
    )


def _resolve_baskets(baskets: pl.DataFrame, master: pl.DataFrame) -> pl.DataFrame:
    """Constituents are tickers, NSE's first: look those up that have no ISIN yet."""
    out = baskets
    for exchange in ("BSE", "NSE"):
        known = _keep_unique(master.filter(exchange=exchange), "symbol").select(
            "symbol", pl.col("isin").alias(exchange)
        )
        out = out.join(known, on="symbol", how="left", maintain_order="left")
    own = pl.col("instrument_id").str.contains(":", literal=True)
    return out.with_columns(
        instrument_id=pl.when(own)
        .then(pl.coalesce("NSE", "BSE", "instrument_id"))
        .otherwise("instrument_id")
    ).select(baskets.columns)
