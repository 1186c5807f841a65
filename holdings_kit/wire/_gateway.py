"""The smallcase Gateway holdings, v1 and v2, fetched or delivered: the strict reader.

The version is recognised by shape: v1 ``securities`` is an object with a list
``holdings``, v2 ``securities`` is a list. `docs/fidelity.md` says what is documented.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, cast

from holdings_kit.errors import WireError
from holdings_kit.wire._batch import Batch
from holdings_kit.wire._gateway_baskets import PRIVATE
from holdings_kit.wire._gateway_facts import (
    FUNDS,
    SECURITIES,
    V1,
    V2,
    gateway_shape,
)
from holdings_kit.wire._parse import Json, as_text, follow_pointer, parse
from holdings_kit.wire._published import list_members
from holdings_kit.wire._refusals import gateway_refusal
from holdings_kit.wire._rows import (
    Table,
    is_list,
    is_object,
    pick_scalars,
    write_instant,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from holdings_kit.schema import Loaded

_DATA = list_members("gateway-v2", "")
_FACTS: Final = {
    name: (name,)
    for name in ("broker", "smallcaseAuthId", "transactionId", "notes", "snapshotDate")
}
_BASKET: Final = {
    "scid": ("scid",),
    "name": ("name",),
    "currentValue": ("stats", "currentValue"),
    "totalReturns": ("stats", "totalReturns"),
    "currentReturns": ("stats", "currentReturns"),
}
_BASKET_KEYS = list_members("gateway-v2", "smallcases.public[]")
_CONSTITUENT: Final = {"ticker": ("ticker",), "shares": ("shares",)}
_Row = dict[str, object]


def decode(
    body: bytes, *, fetched_at: datetime, source: str, account_id: str | None = None
) -> Loaded:
    """Decode one holdings reply; a row that cannot be read becomes a reject.

    Parameters
    ----------
    account_id
        Whose holdings were asked for; stands in where the reply does not say.

    Raises
    ------
    WireError
        Not JSON, or neither v1 nor v2, or the holdings of another account.
    SourceError
        The body says ``success: false``, whatever the HTTP status was.
    """
    payload = parse(body, source=source)
    refusal = gateway_refusal(None, payload)
    if refusal is not None:
        raise refusal
    batch = Batch()
    data = payload.get("data", payload) if is_object(payload) else payload
    root = "/data" if is_object(payload) and "data" in payload else ""
    said = data.get("smallcaseAuthId") if is_object(data) else None
    if account_id is not None and said not in (None, "", account_id):
        raise WireError(source, f"{root}/smallcaseAuthId", "is another account's")
    place: dict[str, object] = {"file": source, "timestamp": write_instant(fetched_at)}
    if account_id is not None:
        place["smallcaseAuthId"] = account_id
    add(batch, payload, source=source, root=root, place=place)
    if is_object(payload) and root:
        batch.unknown(payload, frozenset({"success", "errors", "data"}), "")
    return batch.load()


def add(
    batch: Batch,
    payload: Json,
    *,
    source: str,
    root: str = "",
    place: Mapping[str, object],
) -> None:
    """Add the holdings of one user to a batch.

    Parameters
    ----------
    payload
        What was parsed; the holdings stand at `root` in it.
    place
        What is known of the document beside: where it stands (`PLACE`), whether its
        checksum is right, and members that take the place of its own.

    Raises
    ------
    WireError
        The object is neither v1 nor v2.
    """
    data = follow_pointer(payload, root)
    version = shape(data, source=source, root=root)
    if not is_object(data):
        return
    texts, faults = pick_scalars(data, _FACTS)
    for fault in faults:
        batch.fault(f"{root}/{fault}", data.get(fault.split(":")[0]))
    batch.unknown(data, _DATA, root)
    if data.get("updating"):
        batch.notice("updating", f"{root}/updating", "true")
    lists = _fit_securities(batch, data.get("securities"), version, root)
    lists |= _fit_funds(batch, data.get("mutualFunds"), f"{root}/mutualFunds")
    lists |= {"smallcases": _fit_smallcases(batch, data, f"{root}/smallcases")}
    known = any(data.get(name) is not None for name in ("securities", "mutualFunds"))
    said = {"holdings_known": known, "scope": _tell_scope(data)}
    document = {**texts, **lists, **said, **place}
    batch.add(gateway_shape(root), payload, document)


def _tell_scope(data: Mapping[str, Json]) -> str | None:
    """Tell what was asked for: a list that is not there was not, an empty one is none.

    >>> _tell_scope({"securities": [], "mutualFunds": {"holdings": []}})
    'securities+funds'
    >>> _tell_scope({"securities": []})
    'securities'
    """
    funds = data.get("mutualFunds")
    listed = funds.get("holdings") if is_object(funds) else funds
    asked = {"securities": data.get("securities"), "funds": listed}
    return "+".join(part for part, held in asked.items() if held is not None) or None


def shape(data: Json, *, source: str, root: str) -> Literal["v1", "v2"]:
    """Tell v1 from v2 by the shape of ``securities``.

    >>> shape({"securities": []}, source="doc", root="")
    'v2'
    >>> shape({"securities": {"holdings": []}}, source="doc", root="")
    'v1'
    """
    if not is_object(data):
        raise WireError(source, root, f"{as_text(data)[:40]} is no object")
    if not data.keys() & {"securities", "mutualFunds"}:
        raise WireError(source, root, 'no "securities": neither v1 nor v2 holdings')
    securities = data.get("securities")
    if is_object(securities):
        return "v1"
    if securities is None or isinstance(securities, list):
        return "v2"
    raise WireError(
        source, f"{root}/securities", f"{as_text(securities)[:40]} is neither v1 nor v2"
    )


def _fit_securities(
    batch: Batch, securities: Json, version: str, root: str
) -> dict[str, object]:
    if version == "v1" and is_object(securities):
        here = f"{root}/securities"
        batch.unknown(securities, frozenset({"holdings"}), here)
        listed, here = securities.get("holdings"), f"{here}/holdings"
        rows = _fit_rows(batch, listed, V1, here)
        for made, row in zip(
            rows or [], listed if is_list(listed) else [], strict=True
        ):
            code = row.get("isin") if is_object(row) else None
            if made is not None and isinstance(code, str) and code:
                made["isin"] = code
        return {SECURITIES.other: {"holdings": rows}}
    return {"securities": _fit_rows(batch, securities, V2, f"{root}/securities")}


def _fit_funds(batch: Batch, funds: Json, pointer: str) -> dict[str, object]:
    if is_object(funds):
        batch.unknown(funds, frozenset({"holdings"}), pointer)
        pointer, funds = f"{pointer}/holdings", funds.get("holdings")
    rows = _fit_rows(batch, funds, FUNDS, pointer)
    return {"mutualFunds": {"holdings": rows}, "funds_at": pointer}


def _fit_rows(
    batch: Batch, rows: Json, table: Table, pointer: str
) -> list[_Row | None] | None:
    """Give the rows of a list; None for one that is set aside, or for no list."""
    listed = _list_items(batch, rows, pointer)
    if listed is None:
        return None
    found: list[_Row | None] = []
    for number, row in enumerate(listed):
        here = f"{pointer}/{number}"
        texts = batch.pick(row, table.fields, table.known, here, whole=True)
        if texts is None or not is_object(row):
            found.append(None)
            continue
        for name in _SYMBOLS & texts.keys():
            if isinstance(row.get(name), bool):  # no symbol, so no listing
                batch.notice("no_text", f"{here}/{name}", texts[name])
                texts[name] = None
        found.append(_nest(texts, table.fields))
    return found


_SYMBOLS: Final = {"ticker", "nseTicker", "bseTicker", "tradingsymbol"}


def _nest(texts: Mapping[str, object], fields: Mapping[str, tuple[str, ...]]) -> _Row:
    """Put texts by column where their paths lead."""
    made: _Row = {}
    for column, (*outer, last) in fields.items():
        place = made
        for step in outer:
            place = cast("_Row", place.setdefault(step, {}))
        place[last] = texts[column]
    return made


def _fit_smallcases(batch: Batch, data: dict[str, Json], pointer: str) -> _Row | None:
    """Give public and private smallcases; private ones come in three shapes."""
    smallcases = data.get("smallcases")
    if smallcases is None:
        return None
    if not is_object(smallcases):
        batch.fault(f"{pointer}: neither public nor private", smallcases)
        return None
    batch.unknown(smallcases, frozenset({"public", "private"}), pointer)
    made: _Row = {
        "public": _fit_baskets(batch, smallcases.get("public"), f"{pointer}/public")
    }
    private, pointer = smallcases.get("private"), f"{pointer}/private"
    if not is_object(private):
        return made | {PRIVATE.other: _fit_baskets(batch, private, pointer)}
    batch.unknown(private, frozenset({"investments", "stats"}), pointer)
    listed, stats = private.get("investments"), private.get("stats")
    inner: _Row = {}
    if stats is not None and listed is None:
        inner["stats"] = _fit_basket(batch, {"stats": stats}, pointer)["stats"]
    elif stats is not None:  # a total of the baskets that follow
        batch.notice("basket_total", f"{pointer}/stats", stats)
    inner["investments"] = _fit_baskets(batch, listed, f"{pointer}/investments")
    return made | {"private": inner}


def _fit_baskets(batch: Batch, baskets: Json, pointer: str) -> list[_Row | None] | None:
    listed = _list_items(batch, baskets, pointer)
    if listed is None:
        return None
    found: list[_Row | None] = []
    for number, item in enumerate(listed):
        here = f"{pointer}/{number}"
        if is_object(item):
            found.append(_fit_basket(batch, item, here))
        else:
            batch.fault(f"{here}: {as_text(item)[:40]} is no object", item)
            found.append(None)
    return found


def _fit_basket(batch: Batch, item: dict[str, Json], pointer: str) -> _Row:
    """Give one smallcase; what is no scalar in it, or in a part of it, is its fault."""
    batch.unknown(item, _BASKET_KEYS, pointer, inside=_BASKET)
    texts, faults = pick_scalars(item, _BASKET)
    parts = _list_items(batch, item.get("constituents"), f"{pointer}/constituents")
    found: list[_Row | None] = []
    for number, row in enumerate(parts or []):
        here = f"{pointer}/constituents/{number}"
        if not is_object(row):
            batch.fault(f"{here}: {as_text(row)[:40]} is no object", row)
            found.append(None)
            continue
        part, wrong = pick_scalars(row, _CONSTITUENT)
        batch.unknown(row, frozenset(_CONSTITUENT), here)
        faults += wrong
        found.append(dict(part))
    for fault in faults:
        batch.fault(f"{pointer}: {fault}", item)
    return _nest(texts, _BASKET) | {"constituents": found}


def _list_items(batch: Batch, value: Json, pointer: str) -> list[Json] | None:
    """Give the items of a list; null is none, anything else is a fault."""
    if is_list(value):
        return value
    if value is not None:
        batch.fault(f"{pointer}: {as_text(value)[:40]} is no list", value)
    return None
