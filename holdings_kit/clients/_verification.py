"""Compare a delivery with a fetch: the checksum of a webhook covers no holdings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol

import polars as pl

from holdings_kit.errors import WireError, readable
from holdings_kit.read import read_webhooks
from holdings_kit.wire._gateway import shape
from holdings_kit.wire._parse import parse
from holdings_kit.wire._rows import is_object

if TYPE_CHECKING:
    from pathlib import Path

    from holdings_kit.schema import Loaded

_ONE_SIDED: Final = ("snapshot_id", "holding_no", "broker")  # may rightly differ
_MOVING: Final = (  # with the market, from one snapshot to the next
    *("snapshot_at", "last_price", "close_price", "price_at", "reported_pnl", "extra"),
    *("current_value", "total_returns"),
)


class Fetch(Protocol):
    """Fetches the holdings of one account: ``GatewayClient.holdings`` is one."""

    def __call__(
        self, auth_id: str, /, *, version: Literal["v1", "v2"], mutual_funds: bool
    ) -> Loaded:
        """Fetch what a delivery of this shape says."""
        ...


@readable
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


def same_facts(delivered: Loaded, fetched: Loaded) -> bool:
    """Tell whether a fetch confirms a delivery, rows in any order.

    The account, every quantity and every average must be equal; the broker where both
    name one. Of one `snapshot_at`, every other fact too. A later fetch may come with
    newer prices and values (a long-lived session refreshes by fetching); an earlier one
    confirms nothing. Rejects on either side: not the same.
    """
    if not (delivered.rejects.is_empty() and fetched.rejects.is_empty()):
        return False
    ours, theirs = delivered.snapshots, fetched.snapshots
    brokers = pl.concat([ours["broker"], theirs["broker"]]).drop_nulls()
    if not ours["account_id"].equals(theirs["account_id"]) or brokers.n_unique() > 1:
        return False
    later = theirs["snapshot_at"].item() != ours["snapshot_at"].item()
    if later and not (theirs["snapshot_at"] > ours["snapshot_at"]).all():
        return False
    besides = (*_ONE_SIDED, *(_MOVING if later else ()))
    return all(
        _list_comparable(one, besides).equals(_list_comparable(other, besides))
        for one, other in (
            (delivered.holdings, fetched.holdings),
            (delivered.baskets, fetched.baskets),
        )
    )


def _list_comparable(frame: pl.DataFrame, besides: tuple[str, ...]) -> pl.DataFrame:
    facts = frame.drop(name for name in besides if name in frame.columns)
    return facts.sort(facts.columns, nulls_last=True)
