"""Dumps of the population, one file a day."""

from __future__ import annotations

import json
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TextIO

from holdings_kit.errors import ConfigError
from holdings_kit.sandbox._generate._accounts import Account
from holdings_kit.sandbox._generate._lines import arrow_reply, webhook
from holdings_kit.sandbox._generate._market import Market, invent_market, write_prices

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Wire", "generate"]

Wire = Literal["gateway", "arrow"]
_LEAST_INSTRUMENTS: Final = 2


def generate(
    folder: str | Path,
    *,
    accounts: int,
    days: int,
    seed: int = 0,
    wire: Wire = "gateway",
    instruments: int = 300,
    first_day: date = date(2026, 1, 5),
) -> list[Path]:
    """Write one dump a day, one line an account, and the market beside them.

    ``gateway`` writes webhooks of format v2, which name no prices; ``arrow`` writes the
    Arrow reply with `account_id` and `snapshot_at` beside it (`scan_arrow`). Prices are
    in ``prices.csv`` as quotes for `consolidate`: day, instrument_id, last_price.

    Parameters
    ----------
    folder
        Made where it does not exist; files of the same names are replaced.
    accounts, days
        How many accounts, over how many weekdays from `first_day`.
    seed
        Another seed, another population.
    wire
        Format of the lines.
    instruments
        Size of the invented universe.

    Returns
    -------
    list of Path
        The dumps, one a day.

    Raises
    ------
    ConfigError
        A count is below 1 (for `instruments`, below 2).

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     dumps = generate(folder, accounts=3, days=2)
    ...     [dump.name for dump in dumps], len(dumps[0].read_bytes().splitlines())
    (['gateway-2026-01-05.ndjson', 'gateway-2026-01-06.ndjson'], 3)
    """
    if accounts < 1 or days < 1 or instruments < _LEAST_INSTRUMENTS:
        raise ConfigError("generate: at least 1 account, 1 day and 2 instruments")
    market = invent_market(instruments, days, seed=seed, first_day=first_day)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_prices(folder / "prices.csv", market)
    paths = [folder / f"{wire}-{day}.ndjson" for day in market.days]
    line: Callable[[Account, Market, int], object] = (
        webhook if wire == "gateway" else arrow_reply
    )
    with ExitStack() as stack:
        dumps: list[TextIO] = [
            stack.enter_context(path.open("w", encoding="utf-8")) for path in paths
        ]
        for number in range(accounts):
            account = Account(number, market, seed)
            for day in account.live(market):
                said = json.dumps(line(account, market, day), separators=(",", ":"))
                dumps[day].write(said + "\n")
    return paths
