"""The other kinds of event that come to the webhook URL of holdings imports.

A partner registers one URL. It gets holdings imports, the progress of orders, actions
that wait for the user, and imports of mutual funds from the registrars. A kind is told
by the members it has; none but the holdings import names ``securities``.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple, cast

import polars as pl

from holdings_kit.errors import WireError, readable
from holdings_kit.schema import EVENTS, INSTANT, MONEY, REJECTS, VALUE
from holdings_kit.wire._parse import Json, as_text, dump, parse
from holdings_kit.wire._rows import is_list, is_object
from holdings_kit.wire._signing import Secrets, as_secrets, webhook_checksum_ok

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_FUND: Final = {
    "transaction_id": pl.String(),
    "event_at": INSTANT,
    "folio": pl.String(),
    "fund": pl.String(),
    "isin": pl.String(),
}
FUND_SUMMARY: Final = pl.Schema(
    {
        **_FUND,
        "quantity": MONEY,  # units held
        "last_price": MONEY,  # net asset value of a unit
        "price_date": pl.Date(),
        "cost_value": VALUE,
        "market_value": VALUE,
        "extra": pl.String(),  # JSON object of the members without a column
    }
)
FUND_TRANSACTIONS: Final = pl.Schema(
    {
        **_FUND,
        "date": pl.Date(),
        "description": pl.String(),
        "quantity": MONEY,  # units; what leaves is negative where it is sent so
        "price": MONEY,  # rupees per unit
        "amount_value": VALUE,
        "balance_quantity": MONEY,
        "extra": pl.String(),
    }
)
# The members of a row are not published by the Gateway; these are the names registrars
# use in such statements, and plainer ones. What is named otherwise stands in `extra`.
_ROW_NAMES: Final = {
    "folio": ("folio", "folioNumber"),
    "fund": ("schemeName", "scheme", "fund", "name"),
    "isin": ("isin",),
}
_SUMMARY_NAMES: Final = _ROW_NAMES | {
    "quantity": ("closingBalance", "units", "quantity"),
    "last_price": ("nav", "lastPrice"),
    "price_date": ("lastNavDate", "navDate", "lastPriceDate"),
    "cost_value": ("costValue", "investedValue"),
    "market_value": ("marketValue", "currentValue"),
}
_TRANSACTION_NAMES: Final = _ROW_NAMES | {
    "date": ("trxnDate", "date"),
    "description": ("trxnDesc", "description", "type"),
    "quantity": ("trxnUnits", "units", "quantity"),
    "price": ("purchasePrice", "nav", "price"),
    "amount_value": ("trxnAmount", "amount"),
    "balance_quantity": ("balanceUnits", "balance"),
}
_HOLDINGS: Final = frozenset({"securities", "smallcases", "mutualFunds"})
_ORDER: Final = frozenset({"batchId", "orders", "unplaced"})
# How a table of rejects says that a row is an event, and how its checksum was.
_EVENT_REASON: Final = "another kind of event: "
_CHECKSUMS: Final = {None: "not verified", True: "right", False: "wrong"}
_DATES: Final = ("%Y-%m-%d", "%d-%b-%Y", "%d-%m-%Y", "%d/%m/%Y")


@readable
class FundImports(NamedTuple):
    """What imports of mutual funds say.

    Attributes
    ----------
    summary
        One row per fund and folio (`FUND_SUMMARY`).
    transactions
        One row per purchase, sale or switch (`FUND_TRANSACTIONS`).
    rejects
        Events that are no such import, or hold a row that is no object: the same
        columns as `REJECTS`.
    """

    summary: pl.DataFrame
    transactions: pl.DataFrame
    rejects: pl.DataFrame


def recognize_event(payload: Json) -> str | None:
    """Tell the kind of an event that is no holdings import; ``None`` for all others.

    Examples
    --------
    >>> recognize_event({"batchId": "B1", "orders": []})
    'order'
    >>> recognize_event({"summary": {}, "transactions": []})
    'mf-import'
    >>> recognize_event({"securities": [], "transactionId": "TRX_0"}) is None
    True
    """
    if not is_object(payload) or _HOLDINGS & set(payload):
        return None
    if _find_fund_parts(payload) is not None:
        return "mf-import"
    if _ORDER & set(payload):
        return "order"
    named = (payload.get(name) for name in ("event", "eventType", "type", "kind"))
    words = [*payload, *(one for one in named if isinstance(one, str))]
    if any(_is_pending(word) for word in words):
        return "pending-action"
    return None


def split_events(
    rejects: pl.DataFrame, *, api_secret: Secrets | None = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Take the other kinds of event out of what holdings could not be read from.

    Returns
    -------
    tuple of polars.DataFrame
        What is broken (`REJECTS`), and the events (`EVENTS`), both in their order.

    Examples
    --------
    >>> from holdings_kit.schema import REJECTS
    >>> lines = [b'{"orders": [], "smallcaseAuthId": "a1"}', b"{"]
    >>> rows = [
    ...     ("d.ndjson", 1, "no securities", lines[0]),
    ...     ("d.ndjson", 2, "", lines[1]),
    ... ]
    >>> broken, events = split_events(pl.DataFrame(rows, REJECTS, orient="row"))
    >>> broken["line_no"].to_list(), events.select("kind", "account_id").rows()
    ([2], [('order', 'a1')])
    """
    api_secret = None if api_secret is None else as_secrets(api_secret)
    kept: list[bool] = []
    events: list[dict[str, object]] = []
    for row in rejects.iter_rows(named=True):
        found = _read_event(cast("bytes | None", row["raw"]) or b"", api_secret)
        kept.append(found is None)
        if found is not None:
            place = {name: row[name] for name in ("file", "line_no", "raw")}
            events.append({**found, **place})
    broken = rejects.filter(pl.Series(kept, dtype=pl.Boolean()))
    return broken, pl.DataFrame(events, EVENTS)


def events_to_rejects(events: pl.DataFrame) -> pl.DataFrame:
    """Write events (`EVENTS`) as rows of `REJECTS`, for a table that keeps both.

    Examples
    --------
    >>> lines = [("d.ndjson", 1, "", b'{"orders": []}')]
    >>> events = split_events(pl.DataFrame(lines, REJECTS, orient="row"))[1]
    >>> rows = events_to_rejects(events)
    >>> rows["reason"].item()
    'another kind of event: order; checksum not verified'
    >>> rejects_to_events(rows).equals(events)
    True
    """
    checksum = pl.col("checksum_ok").replace_strict(
        _CHECKSUMS, return_dtype=pl.String()
    )
    said = pl.format(_EVENT_REASON + "{}; checksum {}", pl.col("kind"), checksum)
    return events.with_columns(reason=said).select(REJECTS.names())


def is_event_reason() -> pl.Expr:
    """Tell whether a row of `REJECTS` is an event that `events_to_rejects` wrote."""
    return pl.col("reason").str.starts_with(_EVENT_REASON).fill_null(value=False)


def rejects_to_events(rejects: pl.DataFrame) -> pl.DataFrame:
    """Read what `events_to_rejects` wrote; the other rows are passed over."""
    rows = rejects.filter(is_event_reason())
    words = {word: ok for ok, word in _CHECKSUMS.items()}
    checksum = pl.col("reason").str.extract(r"; checksum (.+)$")
    return split_events(rows)[1].with_columns(
        checksum_ok=rows.select(
            checksum.replace_strict(words, return_dtype=pl.Boolean())
        ).to_series()
    )


def decode_fund_imports(bodies: Iterable[bytes]) -> FundImports:
    """Decode the ``summary`` and the ``transactions`` of imports of mutual funds.

    Both places are read where partners have seen them: at the top of the event, and
    as ``data.payload.dtSummary``. A row's own members that have no column stand in
    ``extra``, and so does a value that is no number or date; nothing is lost.

    Parameters
    ----------
    bodies
        Events as they came, such as the ``raw`` of `Loaded.events`.

    Examples
    --------
    >>> body = b'''{"transactionId": "TRX_0", "summary": {"dtSummary": [
    ... {"folio": "1/2", "isin": "INF1", "closingBalance": "10.5", "asset": "EQ"}]},
    ... "transactions": [{"trxnDate": "05-JAN-2026", "trxnUnits": 10.5}]}'''
    >>> found = decode_fund_imports([body])
    >>> found.summary.select("folio", "quantity", "extra").row(0)
    ('1/2', Decimal('10.5000'), '{"asset":"EQ"}')
    >>> found.transactions.select("date", "quantity").row(0)
    (datetime.date(2026, 1, 5), Decimal('10.5000'))
    """
    summary: list[dict[str, str | None]] = []
    moves: list[dict[str, str | None]] = []
    rejects: list[dict[str, object]] = []
    for number, body in enumerate(bodies, 1):
        try:
            parts = _read_fund_parts(body)
        except WireError as error:
            reject = {"file": None, "line_no": number, "reason": str(error)}
            rejects.append({**reject, "raw": body})
            continue
        summary += [_pick(row, _SUMMARY_NAMES, parts.facts) for row in parts.summary]
        moves += [_pick(row, _TRANSACTION_NAMES, parts.facts) for row in parts.moves]
    schema = {"file": pl.String(), "line_no": pl.Int64(), "reason": pl.String()}
    return FundImports(
        _type_columns(summary, FUND_SUMMARY),
        _type_columns(moves, FUND_TRANSACTIONS),
        pl.DataFrame(rejects, {**schema, "raw": pl.Binary()}),
    )


class _Parts(NamedTuple):
    facts: dict[str, str | None]
    summary: list[Mapping[str, Json]]
    moves: list[Mapping[str, Json]]


def _is_pending(word: str) -> bool:
    plain = word.lower().replace("_", "").replace("-", "").replace(" ", "")
    return "pendingaction" in plain or "actionrequired" in plain


def _read_event(body: bytes, api_secret: Secrets | None) -> dict[str, object] | None:
    try:
        payload = parse(body, source="webhook")
    except WireError:
        return None
    kind = recognize_event(payload)
    if kind is None or not is_object(payload):
        return None
    ok = None if api_secret is None else webhook_checksum_ok(payload, api_secret)
    return {
        "kind": kind,
        **_find_facts(payload),
        "account_id": _read_text(payload.get("smallcaseAuthId")),
        "checksum_ok": ok,
    }


def _find_facts(payload: Mapping[str, Json]) -> dict[str, object]:
    inner = payload.get("data")
    nested = inner.get("transactionId") if is_object(inner) else None
    return {
        "transaction_id": _read_text(payload.get("transactionId"))
        or _read_text(nested),
        "event_at": _read_instant(_read_text(payload.get("timestamp")) or ""),
    }


def _read_instant(text: str) -> datetime | None:
    """Read an instant that names its zone; any other text is unknown."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if found.tzinfo is None else found.astimezone(UTC)


def _read_text(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None


def _find_fund_parts(payload: Mapping[str, Json]) -> Mapping[str, Json] | None:
    """Give the object that holds a fund import's summary and transactions."""
    data = payload.get("data")
    inner = data.get("payload") if is_object(data) else None
    for place in (payload, data, inner):
        if is_object(place) and (
            is_object(place.get("summary"))
            or "dtSummary" in place
            or "dtTransaction" in place
        ):
            return place
    return None


def _read_fund_parts(body: bytes) -> _Parts:
    payload = parse(body, source="mf-import")
    found = _find_fund_parts(payload) if is_object(payload) else None
    if found is None or not is_object(payload):
        raise WireError("mf-import", "", "no summary: this is no import of funds")
    facts = _find_facts(payload)
    at = cast("datetime | None", facts["event_at"])
    shown = {
        "transaction_id": cast("str | None", facts["transaction_id"]),
        "event_at": None if at is None else at.isoformat(timespec="microseconds"),
    }
    summary = found.get("summary", found)
    moves = found.get("transactions", found.get("dtTransaction", []))
    return _Parts(
        shown, _list_parts(summary, "summary"), _list_parts(moves, "transactions")
    )


def _list_parts(value: Json, name: str) -> list[Mapping[str, Json]]:
    """Give the rows of a part: its list, the list inside it, or itself as one row."""
    if is_object(value):
        parts = [part for part in value.values() if is_list(part)]
        if is_list(value.get("dtSummary")):
            parts = [part for part in [value["dtSummary"]] if is_list(part)]
        rows = [row for part in parts for row in part]
        if not parts and value:
            rows = [value]
    elif is_list(value):
        rows = list(value)
    else:
        raise WireError("mf-import", f"/{name}", "is neither an object nor a list")
    found: list[Mapping[str, Json]] = []
    for number, row in enumerate(rows):
        if not is_object(row):
            shown = as_text(row)[:40]
            raise WireError("mf-import", f"/{name}/{number}", f"{shown} is no object")
        found.append(row)
    return found


def _pick(
    row: Mapping[str, Json],
    names: Mapping[str, tuple[str, ...]],
    facts: Mapping[str, str | None],
) -> dict[str, str | None]:
    """Pick the columns of a row by the names they come under, as text."""
    rest = dict(row)
    picked: dict[str, str | None] = dict(facts)
    for column, candidates in names.items():
        name = next((one for one in candidates if one in rest), None)
        value = None if name is None else rest[name]
        picked[column] = value if isinstance(value, str) else None
        if name is not None and (value is None or isinstance(value, str)):
            del rest[name]
    return {**picked, "extra": dump(rest).decode() if rest else None}


def _type_columns(rows: list[dict[str, str | None]], schema: pl.Schema) -> pl.DataFrame:
    """Give columns their types; what a type cannot take goes to `extra` as it came."""
    text = pl.DataFrame(
        [{**dict.fromkeys(schema), **row} for row in rows],
        dict.fromkeys(schema, pl.String()),
    ).with_columns(pl.all().str.strip_chars().replace("", None))
    made = text.select(_read_column(name, kind) for name, kind in schema.items())
    typed = [name for name, kind in schema.items() if kind != pl.String()]
    lost = pl.DataFrame(
        [
            text[name].zip_with(made[name].is_null(), text[name].clear(text.height))
            for name in typed
        ]
    )
    extra = [
        _add_unread(known, dict(zip(typed, row, strict=True)))
        for known, row in zip(text["extra"].to_list(), lost.iter_rows(), strict=True)
    ]
    return made.with_columns(pl.Series("extra", extra, pl.String()))


def _add_unread(known: str | None, row: Mapping[str, str | None]) -> str | None:
    unread = {name: value for name, value in row.items() if value is not None}
    if not unread:
        return known
    before = cast("dict[str, Json]", parse((known or "{}").encode(), source="extra"))
    return dump({**before, **unread}).decode()


def _read_column(name: str, kind: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if kind == pl.String():
        return column
    if kind == pl.Date():
        day = column.str.replace("T.*", "").str.to_titlecase()
        read = [day.str.to_date(form, strict=False) for form in _DATES]
        return pl.coalesce(read).alias(name)
    if kind == INSTANT:
        form = "%Y-%m-%dT%H:%M:%S%.f%:z"
        return column.str.to_datetime(
            form, time_unit="us", time_zone="UTC", strict=False
        )
    return column.str.replace_all(",", "").cast(kind, strict=False)
