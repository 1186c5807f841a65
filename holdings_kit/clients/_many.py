"""Fetch thousands of accounts: some at a time, some failing, some done already."""

from __future__ import annotations

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
    from collections.abc import Callable, Collection, Iterable
    from datetime import datetime

__all__ = ["fetch_many"]

_EMPTY = Loaded(*map(empty, (SNAPSHOTS, HOLDINGS, LISTINGS, BASKETS, REJECTS)))


class _Keeper(Protocol):
    """The part of `Store` that keeps what was fetched."""

    def append(self, loaded: Loaded) -> object: ...
    def current(self, *, account_ids: Collection[str] | None = None) -> Loaded: ...


def fetch_many(
    account_ids: Iterable[str],
    fetch: Callable[[str], Loaded | Reply],
    *,
    have: Loaded | None = None,
    into: _Keeper | None = None,
    since: datetime | None = None,
    concurrency: int = 8,
    save_every: int = 200,
    progress: bool = True,
) -> Loaded:
    """Fetch many accounts, a bounded number at a time; one failure costs one reject.

    Works in threads, so it runs in a script and in a notebook alike. The rate limit is
    the client's: give it ``Options(pace=Pace(per_second=10, per_minute=60))``, the same
    object for all. Stop it and call it again: what `into` kept is not fetched again.

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
    if concurrency < 1 or save_every < 1:
        raise ConfigError("concurrency and save_every are 1 or more")
    wanted = list(dict.fromkeys(account_ids))
    done = _list_accounts_to_skip(have, since)
    if into is not None:
        done |= _list_accounts_to_skip(into.current(account_ids=wanted), since)
    wanted = [account for account in wanted if account not in done]
    kept = _Kept(into, save_every)
    pool = ThreadPoolExecutor(concurrency, thread_name_prefix="fetch")
    try:
        tasks = {pool.submit(_fetch_one, fetch, account): account for account in wanted}
        bar = tqdm(total=len(wanted), unit="account", disable=not progress)
        with bar:
            for task in as_completed(tasks):
                kept.add(tasks[task], task.result())
                bar.update()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        kept.save()
    return _join_replies([kept.found[account] for account in wanted])


class _Kept:
    """What came so far; a store gets it in portions."""

    def __init__(self, into: _Keeper | None, save_every: int) -> None:
        self._into, self._save_every = into, save_every
        self._unsaved: list[Loaded | Reply] = []
        self.found: dict[str, Loaded | Reply] = {}

    def add(self, account: str, loaded: Loaded | Reply) -> None:
        self.found[account] = loaded
        self._unsaved.append(loaded)
        if len(self._unsaved) >= self._save_every:
            self.save()

    def save(self) -> None:
        if self._into is not None and self._unsaved:
            self._into.append(_join_replies(self._unsaved))
        self._unsaved = []


def _fetch_one(fetch: Callable[[str], Loaded | Reply], account: str) -> Loaded | Reply:
    """Fetch one account; its failure is a reject, a wrong call is everybody's."""
    try:
        return fetch(account)
    except ConfigError:
        raise
    except HoldingsError as error:
        reason = f"{type(error).__name__}: {error}"
    reject = {"file": [account], "line_no": [None], "reason": [reason], "raw": [None]}
    return _EMPTY._replace(rejects=pl.DataFrame(reject, schema=REJECTS))


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
