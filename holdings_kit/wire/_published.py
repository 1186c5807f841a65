"""The field tables of both vendors, as data.

Arrow: docs.arrow.trade, ``GET /user/holdings``, three versions of the page taken
together. Gateway: the holdings import reference, v1 and v2, and the webhook body.
``empty`` says that the documentation, or a published payload, leaves it empty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FIELDS: Final = pl.Schema(
    {
        "format": pl.String(),  # arrow | gateway-v1 | gateway-v2
        "path": pl.String(),  # [] stands for any place in a list
        "type": pl.String(),  # text | number | flag | group; number may be in quotes
        "quoted": pl.Boolean(),  # numbers come as JSON strings
        "required": pl.Boolean(),
        "empty": pl.Boolean(),  # "" or null is a published value
    }
)
_ROW: Final = "data[]"
_ARROW: Final = (
    *((f"{_ROW}.{name}", "number", True, True, False) for name in (
        "avgPrice", "qty", "effectiveQty", "sellableQty", "usedQty", "t1Qty",
        "depositoryQty", "brokerCollateralQty", "authorizedQty", "unPledgedQty",
        "nonPOAQty", "haircut",
    )),
    *((f"{_ROW}.{name}", "number", True, True, True) for name in (
        "ltp", "pnl", "close", "collateralQty",
    )),
    (f"{_ROW}.pendingCollateralQty", "number", True, False, True),
    (f"{_ROW}.symbols[].symbol", "text", False, True, False),
    (f"{_ROW}.symbols[].exchange", "text", False, True, False),
    (f"{_ROW}.symbols[].token", "text", False, True, False),
    (f"{_ROW}.symbols[].tradingSymbol", "text", False, False, False),
    (f"{_ROW}.symbols[].isin", "text", False, False, True),
    ("status", "text", False, True, False),
)  # fmt: skip
_BASKET: Final = (
    *((f"smallcases.{kind}{place}.{name}", "text", False, False, True)
      for kind, place in (
          ("public", "[]"), ("private", "[]"), ("private", ".investments[]"))
      for name in ("scid", "name", "shortDescription", "imageUrl")),
    *((f"smallcases.{kind}{place}.stats.{name}", "number", False, False, True)
      for kind, place in (
          ("public", "[]"), ("private", "[]"), ("private", ".investments[]"),
          ("private", ""))
      for name in ("currentValue", "totalReturns", "currentReturns")),
    *((f"smallcases.{kind}{place}.constituents[].{name}", type_, False, False, False)
      for kind, place in (
          ("public", "[]"), ("private", "[]"), ("private", ".investments[]"))
      for name, type_ in (("ticker", "text"), ("shares", "number"))),
    *((f"mutualFunds.holdings[].{name}", type_, False, False, True)
      for name, type_ in (
          ("folio", "text"), ("fund", "text"), ("tradingsymbol", "text"),
          ("isin", "text"), ("quantity", "number"), ("averagePrice", "number"),
          ("lastPrice", "number"), ("lastPriceDate", "text"), ("pnl", "number"),
          ("xirr", "number"))),
    ("updating", "flag", False, False, True),
    ("lastUpdate", "text", False, False, True),
    ("snapshotDate", "text", False, True, False),
    ("smallcaseAuthId", "text", False, True, False),
    ("broker", "text", False, False, True),
    ("notes", "text", False, False, True),
    ("transactionId", "text", False, False, True),
    ("timestamp", "text", False, False, True),
    ("checksum", "text", False, False, True),
)  # fmt: skip
_V1: Final = (
    *((f"securities.holdings[].{name}", type_, False, needed, empty)
      for name, type_, needed, empty in (
          ("ticker", "text", True, False), ("shares", "number", True, False),
          ("name", "text", True, True), ("averagePrice", "number", True, True),
          ("exchange", "text", False, True))),
)  # fmt: skip
_V2: Final = (
    *((f"securities[].{name}", type_, False, needed, empty)
      for name, type_, needed, empty in (
          ("holdings.quantity", "number", True, False),
          ("holdings.averagePrice", "number", True, True),
          ("positions.nse.quantity", "number", False, True),
          ("positions.nse.averagePrice", "number", False, True),
          ("positions.bse.quantity", "number", False, True),
          ("positions.bse.averagePrice", "number", False, True),
          ("transactableQuantity", "number", True, False),
          ("smallcaseQuantity", "number", True, False),
          ("nseTicker", "text", False, True), ("bseTicker", "text", False, True),
          ("isin", "text", True, False), ("name", "text", True, True),
          ("collateralQuantity", "number", False, True),
          ("isSuspendedOrDelistedOnNSE", "flag", False, True),
          ("isSuspendedOrDelistedOnBSE", "flag", False, True))),
)  # fmt: skip

PUBLISHED: Final = pl.DataFrame(
    [
        (name, *row)
        for name, rows in (
            ("arrow", _ARROW),
            ("gateway-v1", (*_V1, *_BASKET)),
            ("gateway-v2", (*_V2, *_BASKET)),
        )
        for row in rows
    ],
    schema=FIELDS,
    orient="row",
)


def list_members(name: str, path: str) -> frozenset[str]:
    """List the members that a format has in the object at a path.

    >>> sorted(list_members("gateway-v2", "securities[].positions"))
    ['bse', 'nse']
    """
    inside = f"{path}." if path else ""
    fields = PUBLISHED.filter(pl.col("format") == name)["path"]
    rest = (field.removeprefix(inside) for field in fields if field.startswith(inside))
    return frozenset(field.split(".")[0].removesuffix("[]") for field in rest)


def build_schema(
    name: str,
    *,
    number: Callable[[str], pl.DataType],
    flag: pl.DataType | None = None,
    other: Mapping[str, str] | None = None,
) -> pl.Schema:
    """Build the schema of a format's documents from its field table.

    Parameters
    ----------
    name
        Of the format.
    number
        The type of a number, by its path.
    flag
        The type of a flag; Boolean unless given.
    other
        Names for lists and objects that come in two shapes, by their paths.
    """
    tree: dict[str, object] = {}
    renamed = other or {}
    for path, kind in (
        PUBLISHED.filter(pl.col("format") == name).select("path", "type").iter_rows()
    ):
        node, here = tree, ""
        *outer, last = path.split(".")
        for step in outer:
            here = f"{here}.{step}".lstrip(".")
            place = renamed.get(here, step.removesuffix("[]"))
            inner = node.setdefault(place + "[]" * step.endswith("[]"), {})
            node = cast("dict[str, object]", inner)
        types = {"text": pl.String(), "flag": flag or pl.Boolean()}
        node[last] = types[kind] if kind in types else number(path)
    return pl.Schema(
        {key.removesuffix("[]"): _make_type(key, inner) for key, inner in tree.items()}
    )


def _make_type(name: str, node: object) -> pl.DataType:
    if not isinstance(node, dict):
        return cast("pl.DataType", node)
    inner = cast("dict[str, object]", node)
    fields = {
        key.removesuffix("[]"): _make_type(key, kind) for key, kind in inner.items()
    }
    return pl.List(pl.Struct(fields)) if name.endswith("[]") else pl.Struct(fields)


VALUES: Final = {
    "data[].symbols[].exchange": ("NSE", "BSE", "NFO", "BFO", "MCX"),
    "status": ("success",),
    "securities.holdings[].exchange": ("NSE", "BSE"),
}
"""Closed lists of words; a word outside is reported, never refused."""

IDENTITIES: Final = (
    (
        "arrow",
        "qty = depositoryQty + t1Qty + brokerCollateralQty",
        pl.col("qty")
        != pl.col("depositoryQty") + pl.col("t1Qty") + pl.col("brokerCollateralQty"),
        "error",
    ),
    (
        "arrow",
        "effectiveQty = qty",
        pl.col("effectiveQty") != pl.col("qty"),
        "warning",
    ),
    (
        "arrow",
        "sellableQty ≤ qty",
        pl.col("sellableQty") > pl.col("qty"),
        "error",
    ),
    (
        "arrow",
        "collateralQty = brokerCollateralQty where both are told",
        pl.col("collateralQty") != pl.col("brokerCollateralQty"),
        "warning",
    ),
    (
        "arrow",
        "haircut is a percentage from 0 to 100",
        ~pl.col("haircut").is_between(0, 100),
        "error",
    ),
    (
        "arrow",
        "haircut 0 beside an empty close is not populated",
        (pl.col("haircut") == 0) & pl.col("close").is_null(),
        "info",
    ),
    (
        "arrow",
        "pnl = (ltp − avgPrice) × qty, to a rupee",
        ((pl.col("ltp") - pl.col("avgPrice")) * pl.col("qty") - pl.col("pnl")).abs()
        > 1,
        "warning",
    ),
    (
        "gateway-v2",
        "smallcaseQuantity ≤ holdings.quantity",
        pl.col("smallcaseQuantity") > pl.col("holdings.quantity"),
        "error",
    ),
    (
        "gateway-v2",
        "collateralQuantity ≤ holdings.quantity",
        pl.col("collateralQuantity") > pl.col("holdings.quantity"),
        "error",
    ),
    (
        "gateway-v2",
        "transactableQuantity = holdings.quantity + positions.nse.quantity",
        pl.col("nseTicker").is_not_null()
        & (
            pl.col("transactableQuantity")
            != pl.col("holdings.quantity") + pl.col("positions.nse.quantity")
        ),
        "warning",
    ),
)
"""Format, statement, where it is broken, severity: one row of a payload at a time."""
