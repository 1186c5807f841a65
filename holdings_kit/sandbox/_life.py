"""The life of the personas as frames: what each API says each day, and why."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import polars as pl

from holdings_kit.changes import ACTIONS, MOVES
from holdings_kit.errors import ConfigError, readable
from holdings_kit.sandbox._clock import IST
from holdings_kit.sandbox._corporate import list_accounts, write_arrow, write_gateway
from holdings_kit.sandbox._payloads import (
    View,
    to_bytes,
    wrap_gateway,
    write_arrow_holdings,
    write_gateway_holdings,
)
from holdings_kit.sandbox._timeline import Event, Timeline
from holdings_kit.schema import INSTANT

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdings_kit.sandbox._personas import Persona

PAYLOADS: Final = pl.Schema(
    {
        "day": pl.Int64(),  # session, from 0
        "snapshot_at": INSTANT,
        "persona": pl.String(),
        "source": pl.String(),  # arrow | gateway
        "format": pl.String(),  # arrow | gateway-v1 | gateway-v2
        "account_id": pl.String(),
        "body": pl.Binary(),  # the bytes a client would read
    }
)
EVENTS: Final = pl.Schema(
    {
        "day": pl.Int64(),
        "date": pl.Date(),
        "source": pl.String(),
        "account_id": pl.String(),
        "instrument_id": pl.String(),  # ISIN after the event
        "instrument_id_before": pl.String(),
        "cause": pl.String(),  # as in CHANGES
        "event": pl.String(),  # what happened: delisting, sell_all, …
        "quantity": pl.Int64(),  # units traded, moved or added; signed
        "other_account_id": pl.String(),  # the other side of a transfer
    }
)
_LISTED: Final = {
    "split": ("split", "1:5"),
    "bonus": ("bonus", "1:2"),
    "isin_change": ("isin_change", None),
    "delisting": ("delisting", None),
}
"""Action of the market → kind and ratio in the table; the others are not listed."""
_EVENING: Final = time(15, 0)


@readable
class Life(NamedTuple):
    """Payloads with their ground truth.

    Attributes
    ----------
    payloads
        One row per day, account and format (`PAYLOADS`).
    events
        One row per source, account, instrument and day with a cause (`EVENTS`). A row
        of a payload without one is ``unchanged`` or ``price_only``. Gateway books a
        trade one day late (``settled``): on its day it stands in the positions.
        The last sale closes an account; that a fetch failed would look the same.
    actions
        Splits, bonuses and ISIN changes, as `compare` takes them.
    moves
        Who owns which account, as `compare` takes it.

    Examples
    --------
    >>> told = life(days=2)
    >>> told.payloads["format"].unique().sort().to_list()
    ['arrow', 'gateway-v1', 'gateway-v2']
    >>> told.events.select("account_id", "cause").is_empty(), told.moves.height > 0
    (False, True)
    """

    payloads: pl.DataFrame
    events: pl.DataFrame
    actions: pl.DataFrame
    moves: pl.DataFrame


def life(
    *,
    seed: int = 0,
    days: int = 45,
    start: date = date(2026, 1, 5),
    cast: Literal["personas", "corporate"] = "personas",
) -> Life:
    """Write what both APIs say about every persona, day by day, and what happened.

    ``corporate`` tells of accounts to which corporate actions happen instead: mergers,
    demergers, rights, a buyback, a bonus credited late, a delisting, a reduction of
    capital, shares sold before they settled or received without an average; averages
    follow at once, late or never. It needs 12 days. A served persona lives such a life
    where the file of people names it (`serve`).

    Days are sessions of an invented exchange that rests at week-ends only; a snapshot
    is taken at 15:00 IST. Same seed, same bytes.

    Parameters
    ----------
    seed
        Decides ids, quantities, prices and the days between events.
    days
        Number of sessions; 45 hold the whole life.
    start
        Date of the first session, a week-day.
    cast
        Whose life: that of the personas, or of accounts with corporate actions.

    Raises
    ------
    ConfigError
        Fewer than one day, or a start on a week-end.

    Examples
    --------
    >>> told = life(seed=0, days=3)
    >>> told.payloads.height, told.events["cause"].unique().sort().to_list()
    (99, ['opened', 'pledged', 'settled', 'sold'])
    """
    if days < 1:
        raise ConfigError(f"days is {days}; a life has one at least")
    if start.weekday() in {5, 6}:
        raise ConfigError(f"{start} is no week-day; the sandbox's exchange is closed")
    timeline = Timeline(seed, start)
    if cast == "corporate":
        return _play_corporate_life(seed, days, timeline.market.date_of)
    payloads = [
        row
        for day in range(days)
        for persona in timeline.personas.values()
        for row in _list_payloads(timeline, persona, day)
    ]
    events = [
        row
        for day in range(days)
        for event in timeline.events(day)
        for row in _list_truths(timeline, event)
    ]
    return Life(
        pl.DataFrame(payloads, schema=PAYLOADS, orient="row"),
        pl.DataFrame(events, schema=EVENTS, orient="row"),
        pl.DataFrame(_list_actions(timeline, days), schema=ACTIONS),
        pl.DataFrame(_list_moves(timeline), schema=MOVES, orient="row"),
    )


def _play_corporate_life(seed: int, days: int, date_of: Callable[[int], date]) -> Life:
    payloads: list[tuple[object, ...]] = []
    events: list[tuple[object, ...]] = []
    actions: list[dict[str, Any]] = []
    accounts = list_accounts(seed)
    for account in accounts:
        isins: list[dict[str, str]] = []
        for day in account.live(days):
            local = datetime.combine(date_of(day), _EVENING, IST)
            at = local.astimezone(UTC)
            stamp = f"{at:%Y-%m-%dT%H:%M:%S}.000Z"
            isins.append({name: one.isin for name, one in account.shares.items()})
            for kind, who, body in (
                ("arrow", account.account_id, write_arrow(account)),
                *(
                    (
                        f"gateway-{version}",
                        account.auth_id,
                        write_gateway(account, stamp, version=version),
                    )
                    for version in ("v1", "v2")
                ),
            ):
                source = kind.partition("-")[0]
                payloads.append((day, at, account.story, source, kind, who, body))
        for one in account.happened:
            now, before = isins[one.session], isins[max(one.session - 1, 0)]
            shared = (now[one.symbol], before[one.symbol])
            for source, who, cause in (
                ("arrow", account.account_id, one.arrow),
                ("gateway", account.auth_id, one.gateway),
            ):
                if cause is not None:
                    when = (one.session, date_of(one.session), source, who)
                    what = (cause, one.event, one.quantity, None)
                    events.append((*when, *shared, *what))
        actions += [
            {"ex_date": date_of(row["session"]), "source": "sandbox"} | row
            for row in account.actions
            if row["session"] < days
        ]
    moves = [(one.account_id, one.account_id) for one in accounts]
    return Life(
        pl.DataFrame(payloads, schema=PAYLOADS, orient="row"),
        pl.DataFrame(events, schema=EVENTS, orient="row").sort(
            "day", maintain_order=True
        ),
        pl.DataFrame(actions, schema=ACTIONS),
        pl.DataFrame(moves, schema=MOVES, orient="row"),
    )


def _list_payloads(
    timeline: Timeline, persona: Persona, day: int
) -> list[tuple[object, ...]]:
    local = datetime.combine(timeline.market.date_of(day), _EVENING, IST)
    instant = local.astimezone(UTC)
    view = View(timeline, persona, instant)
    bodies = [("arrow", "arrow", persona.account_id, write_arrow_holdings(view))]
    for version in ("v1", "v2"):
        data = write_gateway_holdings(view, version=version, mutual_funds=True)
        body = to_bytes(wrap_gateway(data))
        bodies.append(("gateway", f"gateway-{version}", persona.auth_id, body))
    return [(day, instant, persona.key, *rest) for rest in bodies]


def _list_truths(timeline: Timeline, event: Event) -> list[tuple[object, ...]]:
    market, who = timeline.market, timeline.personas
    after = market.instrument(event.key, event.session).isin
    before = market.instrument(event.key, event.session - 1).isin
    day = (event.session, market.date_of(event.session))

    def account(persona: str | None, source: str) -> str | None:
        found = who.get(persona or "")
        if found is None:
            return None
        return found.account_id if source == "arrow" else found.auth_id

    return [
        (
            *day,
            source,
            account(event.persona, source),
            after,
            before,
            cause,
            event.name,
            event.quantity,
            account(event.other, source),
        )
        for source, cause in (("arrow", event.arrow), ("gateway", event.gateway))
        if cause is not None
    ]


def _list_actions(timeline: Timeline, days: int) -> list[dict[str, object]]:
    market = timeline.market
    rows: list[dict[str, object]] = []
    for action in market.actions:
        if action.session >= days or action.kind not in _LISTED:
            continue
        kind, ratio = _LISTED[action.kind]
        before = market.instrument(action.key, action.session - 1).isin
        after = market.instrument(action.key, action.session).isin
        rows.append(
            {
                "instrument_id": before,
                "ex_date": market.date_of(action.session),
                "kind": kind,
                "ratio": ratio,
                "new_instrument_id": after if after != before else None,
                "source": "sandbox",
            }
        )
    return rows


def _list_moves(timeline: Timeline) -> list[tuple[str, str]]:
    return [
        (one.person, account)
        for one in timeline.personas.values()
        for account in (one.account_id, one.auth_id)
    ]
