"""A report as one HTML file that needs nothing else, and its frames as parquet."""

from __future__ import annotations

from importlib import resources
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from holdings_kit.changes import compare
from holdings_kit.display import (
    _report_accounts as accounts_part,
    _report_page as page,
    _report_risk as risk_part,
)
from holdings_kit.display._numbers import (
    INDIA,
    format_value,
    number_of,
    percent,
    quantity,
)
from holdings_kit.display._page import safe
from holdings_kit.display._report import figures, read_for_report
from holdings_kit.display._report_allocation import write_allocation
from holdings_kit.display._report_facts import describe_priced
from holdings_kit.display._report_points import find_points
from holdings_kit.display._report_time import (
    Past,
    find_moves,
    write_changes,
    write_performance,
)
from holdings_kit.display._tokens import read_stylesheet, write_icon
from holdings_kit.portfolio import look_through, performance, summarize
from holdings_kit.portfolio._prices import BASES
from holdings_kit.schema import Loaded

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from holdings_kit.schema import FrameLike
    from holdings_kit.store import StoreView

_PERSON: Final = 50  # more accounts than one person has: shown as a population
_IDS: Final = 12
_NO_PAST: Final = (
    "There is no older snapshot to compare with. Keep snapshots in a store and report "
    "from it."
)


def write_report(
    source: Loaded | StoreView,
    folder: str | Path,
    *,
    title: str = "Holdings",
    prices: FrameLike | pl.LazyFrame | None = None,
    prefer: Sequence[str] = BASES,
    haircuts: pl.DataFrame | None = None,
    actions: pl.DataFrame | None = None,
    population: bool | None = None,
    made_at: datetime | None = None,
) -> Path:
    """Write ``report.html`` and the frames behind it as parquet into a folder.

    The page is one file without a script that loads nothing: it can be mailed, and
    printed to PDF by any browser. It opens with value, P&L, return and day change,
    each with its coverage, and with what is not known. Beside it stand ``holdings``,
    ``positions``, ``collateral``, ``snapshots`` and ``rejects``, each ``.parquet``,
    exact. What is there under these names is replaced.

    Parameters
    ----------
    source
        A `Store`: its current snapshots, what changed since the last earlier day, and
        how the accounts did. Or `Loaded`, one snapshot per account, without a past.
    folder
        Made if it is not there.
    title
        Of the page.
    prices, prefer
        Prices for what the payloads leave open, and the order of the bases, as for
        `consolidate`.
    haircuts
        Published haircuts for what the payloads leave open, such as
        ``read_market(folder).margins``, as for `collateral`; none is estimated.
    actions
        `ACTIONS`: explain changes, as for `compare`, and keep a price from crossing
        them, as for `consolidate`.
    population
        Spread the accounts' returns instead of listing the accounts; None: for more
        than 50 accounts.
    made_at
        The instant of the report, for its footer; left out if None.

    Returns
    -------
    Path
        Of the page.

    Raises
    ------
    FrameError
        A frame lacks a column, or has two rows for one key.
    StoreError
        The store cannot be read.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from tempfile import TemporaryDirectory
    >>> import holdings_kit as hk
    >>> body = b'''{"securities": [{"isin": "INE062A01020", "nseTicker": "SBIN",
    ... "holdings": {"quantity": 3, "averagePrice": 801.5}}], "smallcaseAuthId": "a1",
    ... "snapshotDate": "2026-01-05T10:15:30.123Z"}'''
    >>> loaded = hk.read_gateway(body, fetched_at=datetime(2026, 1, 5, 11, tzinfo=UTC))
    >>> with TemporaryDirectory() as folder:
    ...     page = write_report(loaded, folder)
    ...     page.name, len(list(page.parent.glob("*.parquet")))
    ('report.html', 5)
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    loaded = source if isinstance(source, Loaded) else read_for_report(source)
    made = figures(
        loaded, prices=prices, prefer=prefer, haircuts=haircuts, actions=actions
    )
    frames = {
        "holdings": loaded.holdings,
        "positions": made.positions,
        "collateral": made.collateral,
        "snapshots": loaded.snapshots,
        "rejects": loaded.rejects,
    }
    for name, frame in frames.items():
        frame.write_parquet(folder / f"{name}.parquet")
    total = summarize(made.positions).row(0, named=True)
    shots = loaded.snapshots.filter(status="current")
    totals = summarize(
        made.by_account, by="account_id", accounts=shots.select("account_id")
    )
    on = _find_day(shots)
    points = find_points(loaded, made.positions, made.collateral, total, totals, on=on)
    past = _look_back(source, shots, prices=prices, actions=actions)
    many = totals.height > _PERSON if population is None else population
    parts = [page.write_headline(total, made.positions, points, find_moves(past))]
    if made.positions.height:
        parts += [
            write_allocation(made.positions),
            page.write_positions(made.positions, made.by_account, total, on=on),
        ]
    parts.append(write_changes(past))
    if many:
        parts.append(accounts_part.write_population(totals, loaded.snapshots))
    elif loaded.snapshots.height or totals.height:
        parts.append(accounts_part.write_accounts(totals, loaded.snapshots))
    if made.positions.height:
        both = risk_part.write_collateral(made.collateral, loaded.holdings)
        both += risk_part.write_concentration(made.by_account)
        if many:  # side by side below the spread; else beside the accounts
            both = both.replace('"card c12"', '"card c6"')
        place = "c12" if many else "c5"
        parts.append(f'<div class="{place} grid side">{both}</div>')
    parts += [write_performance(past), page.write_points(points)]
    file = folder / "report.html"
    file.write_text(
        write_document(
            title,
            describe_source(loaded),
            "\n".join(part for part in parts if part),
            _write_footer(loaded, made.positions, source, made_at),
        ),
        encoding="utf-8",
    )
    return file


def _find_day(shots: pl.DataFrame) -> date | None:
    """Find the Indian day of the newest current snapshot: the report's day."""
    days = shots.select(pl.col("snapshot_at").dt.convert_time_zone(INDIA.key).dt.date())
    newest: Any = days.to_series().max()
    return newest


def _look_back(
    source: Loaded | StoreView,
    shots: pl.DataFrame,
    *,
    prices: FrameLike | pl.LazyFrame | None,
    actions: pl.DataFrame | None,
) -> Past:
    """Compare with what was current before the report's day, and measure the past."""
    if isinstance(source, Loaded) or shots["snapshot_at"].count() == 0:
        return Past(why=_NO_PAST)
    midnight = pl.col("snapshot_at").dt.convert_time_zone(INDIA.key).dt.truncate("1d")
    start: Any = shots.select(
        (midnight - pl.duration(microseconds=1)).dt.convert_time_zone("UTC").max()
    ).item()
    before = source.as_of(start)
    if before.snapshots.is_empty():
        return Past(why=_NO_PAST)
    history = source.history()
    now = source.current()
    # an account that is there on one side only neither gained nor was it bought, and
    # what was not fetched since is not unchanged
    there = before.snapshots.select("account_id").unique()
    news = shots.filter(pl.col("snapshot_at") > start).select("account_id").unique()
    both = there.join(news, on="account_id", how="semi")
    fresh = news.join(there, on="account_id", how="anti").height
    old = there.join(news, on="account_id", how="anti").height
    if both.is_empty():
        return Past(why="No account has both an older snapshot and a newer one.")
    sides = (
        look_through(side).join(both, on="account_id", how="semi")
        for side in (before, now)
    )
    changes = compare(
        *sides, snapshots=history.snapshots, prices=prices, actions=actions
    )
    if find_spec("numpy") is None:  # of the extra `risk`
        why = 'It needs numpy: pip install "holdings-kit[risk]", and report again.'
        return Past(changes, None, fresh, old, why)
    series = performance(history, prices=prices, actions=actions)
    return Past(changes, series, fresh, old)


def describe_source(loaded: Loaded) -> str:
    """Say how many accounts there are, at how many brokers, and of when."""
    shots = loaded.snapshots.filter(status="current")
    accounts = number_of(loaded.snapshots["account_id"].n_unique(), "account")
    brokers = number_of(loaded.snapshots["broker"].drop_nulls().n_unique(), "broker")
    at = shots["snapshot_at"].drop_nulls().sort()
    if at.is_empty():
        return f"{accounts} at {brokers}"
    first, last = (format_value(instant, "instant") for instant in (at[0], at[-1]))
    if first == last:
        return f"{accounts} at {brokers} · taken {first}"
    if first.split(",")[0] == last.split(",")[0]:
        last = last.split(", ")[1]
    return f"{accounts} at {brokers} · taken {first.removesuffix(' IST')} to {last}"


def _write_footer(
    loaded: Loaded,
    positions: pl.DataFrame,
    source: Loaded | StoreView,
    made_at: datetime | None,
) -> str:
    """Say where the figures come from: snapshots, prices, version, instant."""
    shots = loaded.snapshots
    formats = ", ".join(
        f"{quantity(count)} {kind}"
        for kind, count in shots.group_by("format").len().sort("format").iter_rows()
    )
    states = shots.group_by("status").len().sort("status").rows()
    statuses = ", ".join(
        f"{quantity(count)} {status}" for status, count in states if status
    )
    current = shots.filter(status="current")["snapshot_id"].sort()
    ids = " ".join(f"<code>{safe(name[:12])}</code>" for name in current.head(_IDS))
    left = current.len() - _IDS
    more = (
        f" and {quantity(left)} more in <code>snapshots.parquet</code>"
        if left > 0
        else ""
    )
    place = "frames in memory" if isinstance(source, Loaded) else repr(source)
    when = "" if made_at is None else f"Made {format_value(made_at, 'instant')}. "
    return (
        f"<div><b>Made from</b>{number_of(shots.height, 'snapshot')} ({safe(formats)}; "
        f"{safe(statuses)}), {number_of(loaded.holdings.height, 'current line')}, "
        f"{number_of(loaded.rejects.height, 'part')} set aside; {safe(place)}.</div>"
        f"<div><b>Prices</b>{safe(_describe_prices(positions))}</div>"
        f"<div><b>Reproduce</b>{when}holdings-kit {safe(version('holdings-kit'))}, "
        f"polars {safe(pl.__version__)}; frames beside this page: "
        f"<code>positions.parquet</code> <code>collateral.parquet</code>. "
        f"Snapshots {ids}{more}</div>"
    )


def _describe_prices(positions: pl.DataFrame) -> str:
    """Say how much has a price, and what share of the known value is at which one."""
    if positions.is_empty():
        return "Nothing is held in what was read."
    said = describe_priced(positions, summarize(positions).row(0, named=True))
    value = float(positions["known_market_value"].abs().sum())
    bases = (
        positions.filter(pl.col("known_market_value").is_not_null())
        .group_by("price_basis", "price_date")
        .agg(pl.col("known_market_value").abs().sum())
        .sort("known_market_value", "price_basis", descending=True, nulls_last=True)
    )
    shares = "; ".join(
        f"{percent(float(part) / value)} of known value at {basis or 'several prices'}"
        f" of {'an unknown day' if day is None else format_value(day, 'date')}"
        for basis, day, part in bases.iter_rows()
        if value
    )
    said = f"{said[:1].upper()}{said[1:]}. "
    return f"{said}{shares}. Of mixed rows the day is the oldest." if shares else said


def write_document(
    title: str, below: str, body: str, footer: str, *, style: str = ""
) -> str:
    """Write a whole page in the report's look; it loads nothing."""
    here = resources.files("holdings_kit").joinpath("display")
    layout = here.joinpath("report.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en-IN"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{safe(title)}</title>{write_icon()}"
        f"<style>{read_stylesheet()}\n{layout}{style}</style>"
        '</head>\n<body><div class="page"><header><div>'
        f"<h1>{safe(title)}</h1><p>{safe(below)}</p></div></header>\n"
        f'<main class="grid">\n{body}\n</main>\n<footer>{footer}</footer></div></body>'
        "</html>\n"
    )
