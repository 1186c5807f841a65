"""The doors: bytes or paths in, `Loaded` out. Decoding itself is in `wire`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeGuard, cast

from holdings_kit.errors import ConfigError
from holdings_kit.read._files import Paths, find_dumps
from holdings_kit.read._instruments import resolve
from holdings_kit.read._packed import read_bytes
from holdings_kit.read._texts import choose_block, gather_small, map_in_order, texts
from holdings_kit.schema import Loaded, attach_events, require_zone
from holdings_kit.wire import (
    Text,
    Torn,
    _arrow as arrow,
    _dumps as dumps,
    _fast as fast,
    _gateway as gateway,
    _gateway_facts as gateway_facts,
)
from holdings_kit.wire._events import (
    FundImports,
    decode_fund_imports,
    split_events,
)
from holdings_kit.wire._signing import wrap_secrets

if TYPE_CHECKING:
    from datetime import datetime

    import polars as pl

    from holdings_kit.wire import Line, Secrets

Source = bytes | str | Path
_BLOCK: Final = 8 << 20  # bytes of lines read at once, at most


def read_arrow(
    source: Source | Sequence[Source],
    *,
    account_id: str | Sequence[str],
    snapshot_at: datetime | Sequence[datetime],
    instruments: pl.DataFrame | None = None,
) -> Loaded:
    """Read replies of the Arrow holdings API (``GET /user/holdings``), one or many.

    The reply names neither the user nor the instant, so the call must. Quantities are
    units, prices rupees, `haircut` a fraction (a percentage on the wire). Empty text is
    unknown; a price of 0 is "not populated", hence unknown; a haircut of 0 beside an
    empty close likewise.

    Parameters
    ----------
    source
        The body as bytes, or the path of a file that holds it (.gz and .zst too); or a
        list of these, read together in a fraction of the time.
    account_id
        Whose holdings these are: the Arrow user id; for a list, a list as long.
    snapshot_at
        When they were fetched, with a time zone; for a list, one instant or a list.
    instruments
        The master of `read_instruments`: gives ISINs to rows that have none.

    Returns
    -------
    Loaded
        One snapshot for each body; a row that cannot be read is in `rejects`, and then
        the snapshot is quarantined. Of a list, a body that cannot be read is a row of
        `rejects` too: `file` is its path, or its place (``read_arrow[3]``).

    Raises
    ------
    WireError
        Not JSON, or not ``{"data": [...], "status": ...}``; of a list, never.
    SourceError
        The body is one of Arrow's error bodies; 401 is `AuthError`, and so on; of a
        list, never.
    ConfigError
        No such file, `snapshot_at` has no time zone, an account is empty, or the lists
        are not of one length.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> body = b'''{"status": "success", "data": [{"symbols": [{"symbol": "IDEA",
    ... "tradingSymbol": "IDEA-EQ", "exchange": "NSE", "token": "14366"}],
    ... "qty": "775", "depositoryQty": "771", "t1Qty": "4",
    ... "brokerCollateralQty": "0.00", "avgPrice": "6.61", "ltp": ""}]}'''
    >>> loaded = read_arrow(body, account_id="A1", snapshot_at=datetime.now(UTC))
    >>> row = loaded.holdings.row(0, named=True)
    >>> row["instrument_id"], str(row["owned_quantity"]), row["last_price"]
    ('NSE:IDEA', '775.0000', None)
    >>> at = datetime(2026, 1, 5, 11, tzinfo=UTC)
    >>> many = read_arrow([body, b"{"], account_id=["A1", "A2"], snapshot_at=at)
    >>> many.snapshots["account_id"].to_list(), many.rejects["file"].to_list()
    (['A1'], ['read_arrow[1]'])
    """
    if not _is_one(source):
        sources = cast("Sequence[Source]", source)
        replies = _label_replies(sources, account_id, snapshot_at)
        return resolve(arrow.decode_many(replies), instruments)
    account, at = _check_account(account_id), require_zone(snapshot_at, "snapshot_at")
    body, name = read_bytes(source, door="read_arrow")
    loaded = arrow.decode(body, account_id=account, snapshot_at=at, source=name)
    return resolve(loaded, instruments)


def _is_one(source: object) -> TypeGuard[Source]:
    return isinstance(source, bytes | bytearray | memoryview | str | Path)


def _label_replies(
    sources: Sequence[Source],
    account_ids: str | Sequence[str],
    instants: datetime | Sequence[datetime],
) -> list[arrow.Reply]:
    """Put each body together with its account and its instant."""
    count = len(sources)
    one_instant = not isinstance(instants, Sequence)
    ats = [instants] * count if one_instant else list(instants)
    accounts = [] if isinstance(account_ids, str) else list(account_ids)
    if not len(accounts) == len(ats) == count:
        raise ConfigError(
            f"{count} bodies, {len(accounts)} accounts and {len(ats)} instants: pass a "
            "list of accounts as long as that of the bodies, and one instant or a list"
        )
    for account, at in zip(accounts, ats, strict=True):
        _check_account(account)
        require_zone(at, "snapshot_at")
    found = [
        read_bytes(source, door=f"read_arrow[{number}]")
        for number, source in enumerate(sources)
    ]
    rows = zip(found, accounts, ats, strict=True)
    return [arrow.Reply(body, who, at, name) for (body, name), who, at in rows]


def _check_account(account_id: object) -> str:
    if not isinstance(account_id, str) or not account_id:
        raise ConfigError("account_id is empty: say whose holdings these are")
    return account_id


def read_gateway(
    source: Source,
    *,
    fetched_at: datetime,
    instruments: pl.DataFrame | None = None,
) -> Loaded:
    """Read one holdings fetch of the smallcase Gateway, v1 or v2 by its shape.

    v1 leaves out the shares held in smallcases, v2 includes them: `look_through` makes
    the two comparable. The Gateway reports no T+1 and often no pledged quantity: those
    buckets are unknown, `owned_quantity` is the reported total.

    Parameters
    ----------
    source
        The body as bytes, or the path of a file that holds it (.gz and .zst too).
    fetched_at
        When it was fetched, with a time zone; `snapshot_at` is the payload's own
        ``snapshotDate``.
    instruments
        The master of `read_instruments`: gives ISINs to tickers.

    Returns
    -------
    Loaded
        One snapshot; a row that cannot be read is in `rejects`, and then the snapshot
        is quarantined.

    Raises
    ------
    WireError
        Not JSON, or neither v1 nor v2.
    SourceError
        ``success: false``, whatever the HTTP status was.
    ConfigError
        No such file, or `fetched_at` has no time zone.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> body = b'''{"success": true, "errors": null, "data": {
    ... "snapshotDate": "2026-01-05T10:15:30.123Z", "smallcaseAuthId": "a1",
    ... "securities": [{"isin": "INE062A01020", "nseTicker": "SBIN",
    ... "holdings": {"quantity": 3, "averagePrice": null}}]}}'''
    >>> loaded = read_gateway(body, fetched_at=datetime.now(UTC))
    >>> loaded.holdings.select("instrument_id", "average_price").row(0)
    ('INE062A01020', None)
    """
    require_zone(fetched_at, "fetched_at")
    body, name = read_bytes(source, door="read_gateway")
    return resolve(
        gateway.decode(body, fetched_at=fetched_at, source=name), instruments
    )


def read_webhooks(
    paths: Paths,
    *,
    api_secret: Secrets | None = None,
    instruments: pl.DataFrame | None = None,
) -> Loaded:
    r"""Read dumps of Gateway webhooks: one flat JSON object a line, or a file.

    A line is read whole or set aside whole: one bad line costs one reject with file,
    line number, reason and its bytes, and nothing else. An older delivery may follow a
    newer one: order by `snapshot_at`, never by place.

    Parameters
    ----------
    paths
        Files (.json, .ndjson, .jsonl, each also .gz and .zst), folders, globs, or a
        list of these.
    api_secret
        The key of the webhook checksum, or a list of them during a rotation. Without it
        `checksum_ok` is null; with it a delivery whose checksum fits none is loaded and
        quarantined.
    instruments
        The master of `read_instruments`: gives ISINs to tickers.

    Returns
    -------
    Loaded
        One snapshot per delivery that was read, in the order of the files. The other
        kinds of event of the same URL (orders, pending actions, imports of mutual
        funds from the registrars) are no rejects: they stand in ``events``;
        `read_fund_imports` decodes the last.

    Raises
    ------
    ConfigError
        A path does not exist, or a pattern matches nothing.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile(suffix=".ndjson") as dump:
    ...     _ = dump.write(b'{"securities": [], "smallcaseAuthId": "a1"}\n{"secu')
    ...     dump.flush()
    ...     loaded = read_webhooks(dump.name)
    >>> loaded.snapshots.height, loaded.rejects["line_no"].to_list()
    (1, [2])
    """
    api_secret = None if api_secret is None else wrap_secrets(api_secret)
    dumped = find_dumps(paths)
    read_on = (
        part
        for path in dumped.files
        for part in texts(path, choose_block(path, _BLOCK))
    )
    parts = chain(dumped.unread, read_on)
    read = partial(_read_block, api_secret=api_secret)
    found = dumps.join_parts(map_in_order(read, gather_small(parts)))
    rejects, events = split_events(found.rejects, api_secret=api_secret)
    loaded = resolve(found._replace(rejects=rejects), instruments)
    return attach_events(loaded, events) if events.height else loaded


def read_fund_imports(events: Loaded | pl.DataFrame) -> FundImports:
    """Decode imports of mutual funds: what is held, and what was bought and sold.

    Parameters
    ----------
    events
        What `read_webhooks` gave, or its ``events``; the other kinds are passed over.

    Returns
    -------
    FundImports
        ``summary`` and ``transactions``: units, rupees and Indian days, a row for each
        of the event's rows; a member without a column, or with a value that is no
        number or date, stands in ``extra``. ``rejects`` has what cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> body = b'{"transactionId": "TRX_0", "summary": {"folio": "1/2", "units": 10.5}}'
    >>> with tempfile.NamedTemporaryFile(suffix=".ndjson") as dump:
    ...     _ = dump.write(body)
    ...     dump.flush()
    ...     loaded = read_webhooks(dump.name)
    >>> loaded
    Loaded: snapshots 0, holdings 0, listings 0, baskets 0, rejects 0, events 1
    >>> read_fund_imports(loaded).summary.select("folio", "quantity").row(0)
    ('1/2', Decimal('10.5000'))
    """
    frame = events.events if isinstance(events, Loaded) else events
    return decode_fund_imports(frame.filter(kind="mf-import")["raw"])


def _read_block(
    part: Text | list[Line | Torn], *, api_secret: Secrets | None
) -> Loaded:
    add = dumps.webhooks(api_secret)
    if isinstance(part, Text):
        return fast.load(part, gateway_facts.webhook_shape(api_secret), add)
    return dumps.read(part, add)
