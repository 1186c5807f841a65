"""Fetch thousands of accounts: some at a time, some failing, some done already."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import groupby
from typing import TYPE_CHECKING, Protocol

import polars as pl
from tqdm import tqdm

from holdings_kit.errors import ConfigError, HoldingsError
from holdings_kit.schema import (
    BASKETS,
    HOLDINGS,
    LISTINGS,
    REJECTS,
    SNAPSHOTS,
    Loaded,
    empty,
)
from holdings_kit.wire._arrow import Reply, decode_many

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable
    from datetime import datetime

_EMPTY = Loaded(*map(empty, (SNAPSHOTS, HOLDINGS, LISTINGS, BASKETS, REJECTS)))


class _Target(Protocol):
    """The part of `Store` that takes what was fetched."""

    def append(self, loaded: Loaded) -> object: ...
    def current(self, *, account_ids: Collection[str] | None = None) -> Loaded: ...


def fetch_many(
    account_ids: Iterable[str],
    fetch: Callable[[str], Loaded | Reply],
    *,
    have: Loaded | None = None,
    into: _Target | None = None,
    since: datetime | None = None,
    concurrency: int = 8,
    save_every: int = 200,
    progress: bool = True,
) -> Loaded:
    """Fetch many accounts, a bounded number at a time; one failure costs one reject.

    Works in threads, so it runs in a script and in a notebook alike; with the clients
    of an event loop await `fetch_many_async`. The rate limit is the client's: give it
    ``Options(pace=Pace(per_second=10, per_minute=60))``, the same object for all.
    Stop it and call it again: what `into` kept is not fetched again.

    Parameters
    ----------
    account_ids
        Whose holdings; an account named twice is fetched once.
    fetch
        Gives one account's holdings: ``gateway.holdings``; or, for Arrow,
        ``lambda account: clients[account].holdings_reply()``: replies are read
        together, which takes a fraction of the time of one by one.
    have
        Accounts with a snapshot in here are not fetched again.
    into
        A store: what is fetched is appended as it comes, and its current accounts are
        not fetched again.
    since
        Only snapshots fetched at or after this instant spare an account; ``None``: any.
    concurrency
        Requests under way at once.
    save_every
        Accounts per append to `into`; also the most that a crash loses.
    progress
        Whether to draw a progress bar, on stderr.

    Returns
    -------
    Loaded
        What was fetched now, by the order of `account_ids`. An account that failed is a
        row of `rejects`: `file` is the account, `reason` the error.

    Raises
    ------
    ConfigError
        The call itself is wrong, which every account would repeat.
    StoreError
        `into` cannot keep what was fetched.

    Examples
    --------
    >>> from holdings_kit.errors import AuthError
    >>> def fetch(account):
    ...     raise AuthError("arrow", 401, None, "log in again")
    >>> fetch_many(["A1"], fetch, progress=False).rejects.row(0)[:3]
    ('A1', None, 'AuthError: arrow: 401: log in again')
    """
    _check_bounds(concurrency, save_every)
    wanted = _list_accounts_to_fetch(account_ids, have, into, since)
    came = _Arrivals(into, save_every)
    pool = ThreadPoolExecutor(concurrency, thread_name_prefix="fetch")
    try:
        tasks = {pool.submit(_fetch_one, fetch, account): account for account in wanted}
        bar = tqdm(total=len(wanted), unit="account", disable=not progress)
        with bar:
            for task in as_completed(tasks):
                if came.add(tasks[task], task.result()):
                    came.save()
                bar.update()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        came.save()
    return came.join(wanted)


async def fetch_many_async(
    account_ids: Iterable[str],
    fetch: Callable[[str], Awaitable[Loaded | Reply]],
    *,
    have: Loaded | None = None,
    into: _Target | None = None,
    since: datetime | None = None,
    concurrency: int = 8,
    save_every: int = 200,
    progress: bool = True,
) -> Loaded:
    """Fetch many accounts in an event loop: `fetch_many`, awaited.

    The loop goes on meanwhile: the store is written, and replies are read, in threads.
    A cancelled task ends the requests under way, and what had come is in `into`.

    Parameters
    ----------
    account_ids, have, into, since, concurrency, save_every, progress
        As for `fetch_many`.
    fetch
        Gives one account's holdings, awaited: ``AsyncGatewayClient.holdings``, or
        ``lambda account: clients[account].holdings_reply()``.

    Returns
    -------
    Loaded
        As `fetch_many`: by the order of `account_ids`, each failure a reject.

    Raises
    ------
    ConfigError, StoreError
        As `fetch_many`; the requests under way are cancelled.

    Examples
    --------
    >>> import asyncio
    >>> from holdings_kit.errors import AuthError
    >>> async def fetch(account):
    ...     raise AuthError("arrow", 401, None, "log in again")
    >>> loaded = asyncio.run(fetch_many_async(["A1"], fetch, progress=False))
    >>> loaded.rejects.row(0)[:3]
    ('A1', None, 'AuthError: arrow: 401: log in again')
    """
    _check_bounds(concurrency, save_every)
    wanted = await asyncio.to_thread(
        _list_accounts_to_fetch, account_ids, have, into, since
    )
    came, left, saving = _Arrivals(into, save_every), iter(wanted), asyncio.Lock()
    bar = tqdm(total=len(wanted), unit="account", disable=not progress)

    async def work() -> None:
        for account in left:  # shared: whoever is free takes the next
            if came.add(account, await _fetch_one_awaited(fetch, account)):
                async with saving:
                    await asyncio.to_thread(came.save)
            bar.update()

    workers = [asyncio.create_task(work()) for _ in range(concurrency)]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        bar.close()
        async with saving:
            await asyncio.to_thread(came.save)
    return await asyncio.to_thread(came.join, wanted)


def _check_bounds(concurrency: int, save_every: int) -> None:
    if concurrency < 1 or save_every < 1:
        raise ConfigError("concurrency and save_every are 1 or more")


def _list_accounts_to_fetch(
    account_ids: Iterable[str],
    have: Loaded | None,
    into: _Target | None,
    since: datetime | None,
) -> list[str]:
    """List each account once, those left out that are there already."""
    wanted = list(dict.fromkeys(account_ids))
    done = _list_accounts_to_skip(have, since)
    if into is not None:
        done |= _list_accounts_to_skip(into.current(account_ids=wanted), since)
    return [account for account in wanted if account not in done]


class _Arrivals:
    """What came so far; a store gets it in portions, one `save` at a time."""

    def __init__(self, into: _Target | None, save_every: int) -> None:
        self._into, self._save_every = into, save_every
        self._unsaved: list[Loaded | Reply] = []
        self._found: dict[str, Loaded | Reply] = {}

    def add(self, account: str, loaded: Loaded | Reply) -> bool:
        """Take what came; tell whether a portion is full."""
        self._found[account] = loaded
        self._unsaved.append(loaded)
        return len(self._unsaved) >= self._save_every

    def save(self) -> None:
        portion, self._unsaved = self._unsaved, []
        if self._into is None or not portion:
            return
        try:
            self._into.append(_join_replies(portion))
        except BaseException:
            self._unsaved = portion + self._unsaved
            raise

    def join(self, accounts: Iterable[str]) -> Loaded:
        """Put what came together, in the order of these accounts."""
        return _join_replies([self._found[account] for account in accounts])


def _fetch_one(fetch: Callable[[str], Loaded | Reply], account: str) -> Loaded | Reply:
    """Fetch one account; its failure is a reject."""
    try:
        return fetch(account)
    except HoldingsError as error:
        return _report_failure(account, error)


async def _fetch_one_awaited(
    fetch: Callable[[str], Awaitable[Loaded | Reply]], account: str
) -> Loaded | Reply:
    try:
        return await fetch(account)
    except HoldingsError as error:
        return _report_failure(account, error)


def _report_failure(account: str, error: HoldingsError) -> Loaded:
    """Make a reject of a failure; a wrong call is everybody's, and raised."""
    if isinstance(error, ConfigError):
        raise error
    reason = f"{type(error).__name__}: {error}"
    row = {"file": [account], "line_no": [None], "reason": [reason], "raw": [None]}
    return _EMPTY._replace(rejects=pl.DataFrame(row, schema=REJECTS))


def _list_accounts_to_skip(loaded: Loaded | None, since: datetime | None) -> set[str]:
    if loaded is None:
        return set()
    snapshots = loaded.snapshots
    if since is not None:
        snapshots = snapshots.filter(pl.col("fetched_at") >= since)
    return set(snapshots["account_id"].drop_nulls())


def _join_replies(parts: Iterable[Loaded | Reply]) -> Loaded:
    """Read the replies together, and put all in one; the order stays."""
    loaded: list[Loaded] = []
    for is_reply, run in groupby(parts, lambda part: isinstance(part, Reply)):
        some = list(run)
        replies = [part for part in some if isinstance(part, Reply)]
        loaded += [part for part in some if not isinstance(part, Reply)]
        loaded += [decode_many(replies)] if is_reply else []
    columns = zip(_EMPTY, *loaded, strict=True)
    return Loaded(*(pl.concat(frames) for frames in columns))
