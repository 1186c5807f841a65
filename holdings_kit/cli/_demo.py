"""The main job end to end, with a simulated broker on this machine and no keys.

Imports for invented users on two days, receives their webhooks while faults happen,
fetches, stores, consolidates, and reports what they hold and what changed between the
days. Everything stops when it is done; nothing leaves this machine.
"""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import polars as pl

from holdings_kit import sandbox
from holdings_kit.clients import Inbox, fetch_many, serving, webhook_app
from holdings_kit.display import (
    number_of,
    portfolio_report,
    read_for_report,
    write_report,
)
from holdings_kit.portfolio import look_through
from holdings_kit.read import read_webhooks, resolve
from holdings_kit.sandbox import arrow_client, gateway_client
from holdings_kit.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holdings_kit.clients import GatewayClient
    from holdings_kit.sandbox import Sandbox
    from holdings_kit.schema import Loaded

OUT: Final = Path("artefacts/demo")
_ARROW: Final = "sample"  # the persona who holds the published Arrow payload
START: Final = datetime(2026, 1, 5, 4, 30, tzinfo=UTC)  # Monday, 10:00 in Mumbai
FAULTS: Final = """
    holdings: 429, ok, 429, ok*2, 500, ok*2, truncate;
    webhook: late 24h, duplicate, reorder, bad checksum
"""


def run(
    *,
    folder: Path | None = None,
    out: Path = OUT,
    seed: int = 0,
    say: Callable[[str], None] = print,
) -> Store:
    """Run the whole way and tell each step.

    Parameters
    ----------
    folder
        Where the inbox and the store are kept; ``None`` for a folder that goes away.
    out
        Where the report and its parquet files are written.
    seed
        Of the simulated lives: same seed, same holdings.
    say
        Gets one line per step, and the report.

    Returns
    -------
    Store
        The snapshot store; gone with the folder where none was given.
    """
    with ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="holdings-")))
        simulated = stack.enter_context(
            sandbox.serve(seed=seed, clock=START, faults=FAULTS)
        )
        inbox = Inbox(folder / "inbox", api_secret=simulated.api_secret)
        address = stack.enter_context(serving(webhook_app(inbox)))
        simulated.register_webhook(f"{address}/webhook")
        say(f"sandbox     {simulated.url}, faults planned: {' '.join(FAULTS.split())}")
        gateway = stack.enter_context(gateway_client(simulated))
        store = Store(folder / "store")
        accounts = dict(_import_personas(gateway, simulated, say))
        arrow, master, quotes = _fetch_arrow(simulated)
        say(
            f"arrow       {arrow.holdings.height} holdings, master of {master.height} "
            f"listings, {quotes['last_price'].count()} quotes"
        )
        fetch = partial(gateway.holdings, mutual_funds=True)
        fetched = fetch_many(accounts, fetch, progress=False)
        say(
            f"fetched     {number_of(fetched.snapshots.height, 'account')} in v2, "
            f"{fetched.rejects.height} failed and set aside"
        )
        say(f"fetched     {_compare_with_v1(gateway, fetched, accounts)}")
        simulated.advance(hours=73)  # late deliveries and retries come in
        later = dict(_import_personas(gateway, simulated, _say_nothing))
        arrow_later, _, quotes_later = _fetch_arrow(simulated)
        fetched_later = fetch_many(later, fetch, progress=False)
        say(
            f"imported    {number_of(len(later), 'account')} again three days later, "
            f"and fetched, {fetched_later.rejects.height} failed and set aside"
        )
        dumps = read_webhooks(inbox.accepted, api_secret=simulated.api_secret)
        refused = len(list((inbox.folder / "refused").iterdir()))
        say(
            f"webhooks    {dumps.snapshots.height} received, {refused} refused, "
            f"{len(simulated.deliveries())} sent"
        )
        of_gateway = (fetched, fetched_later, dumps)
        replies = (resolve(loaded, master) for loaded in of_gateway)
        for loaded in (arrow, arrow_later, *replies):
            appended = store.append(loaded)
            added = number_of(appended.deliveries, "delivery", "deliveries")
            say(f"store       {added} added, {appended.repeated} known before")
        for row in store.quarantine().iter_rows(named=True):
            say(f"quarantined {row['account_id']}: {row['status_reason']}")
        say("")
        loaded = read_for_report(store)
        prices = pl.concat([quotes, quotes_later])  # each day is valued at its own
        say(portfolio_report(loaded, prices=prices))
        page = write_report(
            store, out, title="Holdings of invented users", prices=prices
        )
        say(f"\nreport      {page}, and the frames behind it as parquet beside it")
        return store


def _import_personas(
    gateway: GatewayClient, simulated: Sandbox, say: Callable[[str], None]
) -> Iterator[tuple[str, str]]:
    """Take every persona through create → choose → log in → consent → token."""
    for key in simulated.personas:
        if key == _ARROW:  # read from Arrow: through both it would count twice
            continue
        created = gateway.create_import(mutual_funds=True, notes=f"demo {key}")
        simulated.play(created.transaction_id, persona=key)
        simulated.advance(seconds=10)
        done = gateway.transaction(created.transaction_id)
        if done.auth_token is None:
            say(f"import      {key}: {done.status}")
            continue
        account = gateway.auth_id(done.auth_token)
        say(f"import      {key}: {done.status}, {done.broker}, account {account}")
        yield account, key


def _say_nothing(_line: str) -> None:
    """Keep the second import to one line."""


def _compare_with_v1(
    gateway: GatewayClient, in_v2: Loaded, accounts: dict[str, str]
) -> str:
    """Fetch an account with smallcases in the other format, and compare the shares."""
    account = in_v2.baskets["account_id"][0]
    in_v1 = gateway.holdings(account, version="v1", mutual_funds=True)
    v1, v2 = (_sum_shares(loaded, account) for loaded in (in_v1, in_v2))
    same = "the same shares as" if v1.equals(v2) else "other shares than"
    holdings = number_of(in_v1.holdings.height, "holding")
    baskets = number_of(in_v1.baskets["basket_id"].n_unique(), "smallcase")
    return f"{accounts[account]} in v1: {holdings} and {baskets}, {same} in v2"


def _sum_shares(loaded: Loaded, account: str) -> pl.DataFrame:
    """Sum the shares of an account per symbol, its smallcases opened."""
    own = look_through(loaded).filter(pl.col("account_id") == account)
    sums = own.group_by("symbol").agg(pl.col("owned_quantity").sum())
    return sums.filter(pl.col("owned_quantity") != 0).sort("symbol")


def _fetch_arrow(simulated: Sandbox) -> tuple[Loaded, pl.DataFrame, pl.DataFrame]:
    """Log in to Arrow by checksum; read an account, the master and quotes."""
    with arrow_client(simulated, _ARROW) as client:
        master = client.instruments()
        loaded = client.holdings(instruments=master)
        return loaded, master, client.quotes(master)
