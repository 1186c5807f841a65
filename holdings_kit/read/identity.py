"""ISIN arithmetic and the identity audit: who is who, and who only claims to be."""

from __future__ import annotations

from typing import Final

import polars as pl

from holdings_kit.schema import HOLDINGS, INSTRUMENTS, conform
from holdings_kit.wire._isin import asset_class, isin_ok

__all__ = ["AUDIT", "asset_class", "audit", "isin_ok"]


AUDIT: Final = pl.Schema(
    {
        "severity": pl.String(),  # error | warning | info
        "kind": pl.String(),
        "key": pl.String(),  # the ISIN or the listing in question
        "holdings_count": pl.Int64(),  # lines of holdings concerned
        "detail": pl.String(),
    }
)
_LISTING: Final = ("exchange", "token")
_LEGAL: Final = r"\b(LIMITED|LTD|INDIA|THE|CO|COMPANY|CORP|CORPORATION|INC|PLC)\b"


def audit(
    holdings: pl.DataFrame | pl.LazyFrame, instruments: pl.DataFrame | pl.LazyFrame
) -> pl.DataFrame:
    """Report contradictions of identity; nothing is merged or mended.

    ``bad_check_digit`` the ISIN breaks ISO 6166 · ``token_two_isins`` one listing, two
    securities · ``isin_two_tokens`` one security, two tokens on one exchange ·
    ``symbol_two_isins`` one symbol, two ISINs · ``token_not_symbol`` the master gives
    the token of a holding and its symbol to two securities · ``name_differs`` the name
    held is not the master's name of that ISIN · ``deleted_isin`` the master has that
    listing under another ISIN · ``unknown_isin`` the master does not have it at all.

    Parameters
    ----------
    holdings
        `HOLDINGS`, eager or lazy; listings and names that are null say nothing.
    instruments
        `INSTRUMENTS`, the master; may be empty, then only holdings are checked
        against each other.

    Returns
    -------
    pl.DataFrame
        `AUDIT`, worst first. Empty: no contradiction found.

    Raises
    ------
    FrameError
        A frame is not of its schema.

    Examples
    --------
    >>> held = pl.DataFrame([{"isin": "INE062A01021"}], schema=HOLDINGS)
    >>> audit(held, pl.DataFrame(schema=INSTRUMENTS)).select("severity", "kind").row(0)
    ('error', 'bad_check_digit')
    """
    known = pl.col("isin").is_not_null()
    rows = conform(holdings.lazy(), HOLDINGS, name="holdings").collect()
    held = rows.filter(known)
    master = (
        conform(instruments.lazy(), INSTRUMENTS, name="instruments")
        .filter(known)
        .collect()
    )
    lines = held.group_by("isin").len("holdings_count")
    both = pl.concat(
        [
            frame.select("isin", "exchange", "token", "symbol")
            for frame in (held, master)
        ]
    ).unique()
    shared = (
        (_LISTING, "isin", ("token_two_isins", "error")),
        (("isin", "exchange"), "token", ("isin_two_tokens", "warning")),
        (("exchange", "symbol"), "isin", ("symbol_two_isins", "warning")),
    )
    found = [
        _find_bad_digits(both, lines),
        *(
            _find_shared_tokens(both, lines, by=by, what=what, finding=finding)
            for by, what, finding in shared
        ),
        *_compare_with_master(held, master, lines),
        _find_torn(rows, master),
    ]
    order = pl.Enum(["error", "warning", "info"])
    return (
        pl.concat([frame.select(AUDIT.names()).cast(AUDIT) for frame in found])
        .filter(pl.col("holdings_count") > 0)
        .sort(pl.col("severity").cast(order), "kind", "key")
    )


def _find_bad_digits(both: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    wrong = both.select("isin").unique().filter(~isin_ok())
    return wrong.join(lines, on="isin").select(
        pl.lit("error").alias("severity"),
        pl.lit("bad_check_digit").alias("kind"),
        pl.col("isin").alias("key"),
        "holdings_count",
        pl.lit("not an ISIN of ISO 6166: a letter or digit is wrong").alias("detail"),
    )


def _find_shared_tokens(
    both: pl.DataFrame,
    lines: pl.DataFrame,
    *,
    by: tuple[str, str],
    what: str,
    finding: tuple[str, str],
) -> pl.DataFrame:
    """Find keys with more than one of what they should have one of."""
    known = both.drop_nulls([*by, what]).select(*by, what, isin_="isin").unique()
    held = (  # a line counts once, however many of what its ISIN has
        known.select(*by, "isin_")
        .unique()
        .join(lines.rename({"isin": "isin_"}), on="isin_", how="left")
        .group_by(by)
        .agg(pl.col("holdings_count").sum().cast(pl.Int64()))
    )
    others = (
        known.group_by(by)
        .agg(pl.col(what).unique().sort())
        .filter(pl.col(what).list.len() > 1)
        .join(held, on=by)
    )
    return others.select(
        pl.lit(finding[1]).alias("severity"),
        pl.lit(finding[0]).alias("kind"),
        pl.format("{} {}", *by).alias("key"),
        "holdings_count",
        pl.format(f"{what}s {{}}", pl.col(what).list.join(", ")).alias("detail"),
    )


def _find_torn(rows: pl.DataFrame, master: pl.DataFrame) -> pl.DataFrame:
    """Find holdings whose token means one security in the master, its symbol not."""

    def meant(column: str) -> pl.DataFrame:
        return (
            master.drop_nulls(["exchange", column])
            .group_by("exchange", column)
            .agg(pl.col("isin").unique())
            .filter(pl.col("isin").list.len() == 1)
            .select("exchange", column, pl.col("isin").list.first().alias(f"_{column}"))
        )

    listed = rows.select("exchange", "token", "symbol").drop_nulls()
    torn = (
        listed.group_by("exchange", "token", "symbol")
        .len("holdings_count")
        .join(meant("token"), on=["exchange", "token"])
        .join(meant("symbol"), on=["exchange", "symbol"])
        .filter(pl.col("_token") != pl.col("_symbol"))
    )
    return torn.select(
        pl.lit("error").alias("severity"),
        pl.lit("token_not_symbol").alias("kind"),
        pl.format("{} {} token {}", "exchange", "symbol", "token").alias("key"),
        "holdings_count",
        pl.format("the token is {}, the symbol {}", "_token", "_symbol").alias(
            "detail"
        ),
    )


def _format_plain(name: str) -> pl.Expr:
    words = pl.col(name).str.to_uppercase().str.replace_all(r"[^A-Z0-9]+", " ")
    return words.str.replace_all(_LEGAL, "").str.replace_all(r"\s+", "")


def _compare_with_master(
    held: pl.DataFrame, master: pl.DataFrame, lines: pl.DataFrame
) -> list[pl.DataFrame]:
    """Names that differ, and ISINs the master no longer, or never, had."""
    if master.is_empty():
        return []
    names = (
        held.select("isin", "name")
        .drop_nulls()
        .unique()
        .join(master.select("isin", theirs="name").drop_nulls().unique(), on="isin")
    )
    starts = _format_plain("name").str.starts_with(_format_plain("theirs").str.head(4))
    differ = names.filter(~starts).join(lines, on="isin")
    absent = held.join(master, on="isin", how="anti")
    listed = master.select(*_LISTING, "symbol", now="isin").unique()
    tokens = absent.join(listed.drop("symbol"), on=list(_LISTING))
    symbols = absent.join(listed.drop("token"), on=["exchange", "symbol"])
    moved = pl.concat([f.select("isin", "now") for f in (tokens, symbols)]).unique()
    unknown = absent.join(moved, on="isin", how="anti").select("isin").unique()

    def report_rows(
        frame: pl.DataFrame, kind: str, severity: str, detail: pl.Expr
    ) -> pl.DataFrame:
        rows = (
            frame if "holdings_count" in frame.columns else frame.join(lines, on="isin")
        )
        return rows.select(
            pl.lit(severity).alias("severity"),
            pl.lit(kind).alias("kind"),
            pl.col("isin").alias("key"),
            "holdings_count",
            detail.alias("detail"),
        )

    said = pl.format("held as {}, the master says {}", "name", "theirs")
    now = pl.format("the master lists it under {} now", "now")
    return [
        report_rows(differ, "name_differs", "warning", said),
        report_rows(moved, "deleted_isin", "error", now),
        report_rows(unknown, "unknown_isin", "info", pl.lit("not in the master")),
    ]
