"""Take the person out of what was read: keyed names, scaled amounts.

Names are keyed hashes (HMAC-SHA256): the same id gets the same name under one key, so
frames and days still join, and nobody without the key can try ids out. Keep the key
like a password and lose it when nothing has to join any more.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

import polars as pl

from holdings_kit.errors import FrameError
from holdings_kit.schema import INSTANT, MONEY, REJECTS, Loaded, empty
from holdings_kit.wire import Secret

_SCALED: Final = {
    "holdings": (
        "settled_quantity",
        "t1_quantity",
        "pledged_quantity",
        "used_quantity",
        "position_quantity",
        "smallcase_quantity",
        "owned_quantity",
        "reported_quantity",
        "sellable_quantity",
        "effective_quantity",
        "reported_pnl",
    ),
    "baskets": ("quantity", "current_value", "total_returns"),
}
_LARGEST: Final = 1_000  # factor


def pseudonymize(loaded: Loaded, key: str | Secret) -> Loaded:
    """Give accounts, snapshots, transactions and folios keyed names.

    Amounts, instants and instruments stay. What may repeat an id in free text goes:
    notes, notices, `extra`, file names, rejects.

    Parameters
    ----------
    loaded
        From a door or a `Store`.
    key
        The secret of the names; 32 random characters are right.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> import holdings_kit as hk
    >>> body = b'{"securities": [], "smallcaseAuthId": "a1", "snapshotDate": null}'
    >>> loaded = hk.read_gateway(body, fetched_at=datetime(2026, 1, 5, tzinfo=UTC))
    >>> pseudonymize(loaded, "a key").snapshots["account_id"].item()
    'a12c33812c9e2a39b4b89511a4de1ab0'
    """
    key = Secret(key)
    ids = ("snapshot_id", "account_id", "transaction_id")
    text = pl.lit(None, dtype=pl.String())
    folio = pl.col("exchange") == "MF"
    snapshots, holdings, listings, baskets = (
        frame.with_columns(
            _hash_names(frame[name], key) for name in ids if name in frame
        )
        for frame in loaded[:4]
    )
    return Loaded(
        snapshots.with_columns(
            notes=text,
            notices=text,
            file=text,
            line_no=pl.lit(None, dtype=pl.Int64()),
            # that of a superseded or promoted one names snapshots or says anything
            status_reason=pl.when(status="quarantined").then("status_reason"),
        ),
        holdings.with_columns(
            instrument_id=pl.when(
                pl.col("instrument_id").str.starts_with("UNIDENTIFIED:")
            )
            .then(
                pl.format(
                    "UNIDENTIFIED:{}:{}",
                    pl.col("account_id").fill_null(""),
                    "holding_no",
                )
            )
            .otherwise("instrument_id"),
            extra=text,
            token=pl.when(folio)
            .then(_hash_names(holdings["token"], key))
            .otherwise("token"),
        ),
        listings.with_columns(
            token=pl.when(folio)
            .then(_hash_names(listings["token"], key))
            .otherwise("token")
        ),
        baskets,
        empty(REJECTS),
    )


def redact(loaded: Loaded, key: str | Secret) -> Loaded:
    """Hide whose holdings these are and how much: weights, identities, haircuts stay.

    On top of `pseudonymize`, all quantities and amounts of an account are multiplied by
    one whole number from 2 to 1,000, drawn by the key. So weights within an account,
    returns, prices, haircuts and the sources' sums (``owned = settled + t1 + pledged``)
    stay exact, while totals over several accounts mean nothing. Smallcases get keyed
    ids, private ones lose their names; `fetched_at` goes.

    It hides amounts from a reader, not from an analyst: whole shares and exact weights
    give the quantities away up to a common factor, and average prices are a
    fingerprint. Treat the result as confidential, and never publish it.

    Parameters
    ----------
    loaded
        From a door or a `Store`.
    key
        The secret of the names and factors.

    Raises
    ------
    FrameError
        A scaled quantity has more than 18 digits.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> import holdings_kit as hk
    >>> body = b'''{"smallcaseAuthId": "a1", "securities": [{"isin": "INE062A01020",
    ... "nseTicker": "SBIN", "holdings": {"quantity": 3, "averagePrice": 801.5}}]}'''
    >>> loaded = hk.read_gateway(body, fetched_at=datetime(2026, 1, 5, tzinfo=UTC))
    >>> hidden = redact(loaded, "a key").holdings
    >>> hidden["isin"].item(), str(hidden["average_price"].item())
    ('INE062A01020', '801.5000')
    >>> hidden["account_id"].item() == "a1", hidden["owned_quantity"].item() == 3
    (False, False)
    """
    key = Secret(key)
    factors = {
        account: 2
        + int.from_bytes(_hash_with_key(f"scale:{account}", key)) % (_LARGEST - 1)
        for account in loaded.snapshots["account_id"].unique().drop_nulls()
    }
    holdings = _scale_amounts(loaded.holdings, "holdings", factors)
    baskets = _scale_amounts(loaded.baskets, "baskets", factors)
    named = pseudonymize(loaded._replace(holdings=holdings, baskets=baskets), key)
    public = pl.when(pl.col("visibility") == "public")
    return named._replace(
        snapshots=named.snapshots.with_columns(fetched_at=pl.lit(None).cast(INSTANT)),
        baskets=named.baskets.with_columns(
            _hash_names(baskets["basket_id"], key),
            basket_name=public.then("basket_name"),
        ),
    )


def _hash_with_key(text: str, key: Secret) -> bytes:
    return hmac.digest(key.reveal().encode(), text.encode(), hashlib.sha256)


def _hash_names(ids: pl.Series, key: Secret) -> pl.Series:
    known = ids.unique().drop_nulls().to_list()
    names = [_hash_with_key(text, key).hex()[:32] for text in known]
    return ids.replace_strict(known, names, return_dtype=pl.String())


def _scale_amounts(
    frame: pl.DataFrame, name: str, factors: dict[str, int]
) -> pl.DataFrame:
    if frame.is_empty():
        return frame
    factor = frame["account_id"].replace_strict(
        list(factors), list(factors.values()), return_dtype=pl.Int64()
    )
    try:
        return frame.with_columns(
            (pl.col(column) * factor).cast(MONEY) for column in _SCALED[name]
        )
    except pl.exceptions.InvalidOperationError:
        raise FrameError(name, "a quantity", "is too large to scale") from None
