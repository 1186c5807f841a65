"""Compare a delivery with a fetch: the checksum of a webhook covers no holdings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol

import polars as pl

from holdings_kit.errors import WireError
from holdings_kit.read import read_webhooks
from holdings_kit.wire.gateway import shape
from holdings_kit.wire.parse import parse
from holdings_kit.wire.rows import is_object

if TYPE_CHECKING:
    from pathlib import Path

    from holdings_kit.schema import Loaded

__all__ = ["Check", "Fetch", "check", "same_facts"]

_ONE_SIDED: Final = ("snapshot_id", "holding_no", "broker")  # may rightly differ


class Fetch(Protocol):
    """Fetches the holdings of one account: ``GatewayClient.holdings`` is one."""

    def __call__(
        self, auth_id: str, /, *, version: Literal["v1", "v2"], mutual_funds: bool
    ) -> Loaded:
        """Fetch what a delivery of this shape says."""
        ...


class Check(NamedTuple):
    """How a comparison ended: equal facts or not, and what the fetch said."""

    same: bool
    fetched: Loaded | None


def check(delivery: Path, fetch: Fetch) -> Check:
    """Fetch what a delivery says and compare.

    A delivery that cannot be read, or that names no account to ask for, is not the
    same. One without ``securities`` (funds alone) is compared with the fetched funds.

    Raises
    ------
    HoldingsError
        The fetch failed: nothing is known yet.
    """
    try:
        payload = parse(delivery.read_bytes(), source=str(delivery))
        version = shape(payload, source=str(delivery), root="")
    except WireError:
        return Check(same=False, fetched=None)
    account_id = payload.get("smallcaseAuthId") if is_object(payload) else None
    if not is_object(payload) or not isinstance(account_id, str):
        return Check(same=False, fetched=None)
    funds = payload.get("mutualFunds") is not None
    fetched = fetch(account_id, version=version, mutual_funds=funds)
    if payload.get("securities") is None:
        only = pl.col("asset_class") == "mutual_fund"
        facts = fetched._replace(holdings=fetched.holdings.filter(only))
    else:
        facts = fetched
    return Check(same_facts(read_webhooks(delivery), facts), fetched)


def same_facts(one: Loaded, other: Loaded) -> bool:
    """Tell whether two readings of one snapshot say the same, rows in any order.

    Account, `snapshot_at` and every fact of every holding and constituent must be
    equal; the broker only where both name one. Rejects on either side: not the same.
    """
    if not (one.rejects.is_empty() and other.rejects.is_empty()):
        return False
    head = ["account_id", "snapshot_at"]
    brokers = pl.concat([one.snapshots["broker"], other.snapshots["broker"]])
    return (
        one.snapshots.select(head).equals(other.snapshots.select(head))
        and brokers.drop_nulls().n_unique() <= 1
        and _facts(one.holdings).equals(_facts(other.holdings))
        and _facts(one.baskets).equals(_facts(other.baskets))
    )


def _facts(frame: pl.DataFrame) -> pl.DataFrame:
    facts = frame.drop(name for name in _ONE_SIDED if name in frame.columns)
    return facts.sort(facts.columns, nulls_last=True)
