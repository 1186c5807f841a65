"""Every fault the sandbox knows × every call the clients make.

Each cell is the promised error or the right data: for a fault that passes (once) and
for one that stays (always). The test prints the table and counts its cells.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import holdings_kit as hk
from holdings_kit.clients import ArrowClient, GatewayClient, Options
from holdings_kit.errors import HoldingsError
from holdings_kit.sandbox import serve
from holdings_kit.sandbox._faults import TARGETS

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdings_kit.sandbox import Sandbox

DATA, EMPTY = "data", "no rows"
DOWN, WIRE = "SourceUnavailable", "WireError"


class Promise(NamedTuple):
    """What a call comes to: a GET or a POST, the fault once or always."""

    get_once: str
    get_always: str
    post_once: str
    post_always: str

    def of(self, call: Call, *, always: bool) -> str:
        return self[2 * (not call.get) + always]


def stays(kind: str) -> Promise:
    return Promise(kind, kind, kind, kind)


def passes(kind: str, *, post: str) -> Promise:
    return Promise(DATA, kind, post, kind)


PROMISED = {
    "401": stays("AuthError"),
    "403": stays("PermissionDenied"),
    "429": passes("RateLimited", post=DATA),
    "429 retry-after 1s": passes("RateLimited", post=DATA),
    "500": passes(DOWN, post=DOWN),
    "502": passes(DOWN, post=DOWN),
    "timeout 0.02s": passes(DOWN, post=DOWN),  # ends in a 504
    "timeout 20s": passes(DOWN, post=DOWN),  # ends in our own patience
    "slow 0.1s": stays(DATA),
    "truncate": passes(WIRE, post=WIRE),
    "cut": passes(DOWN, post=DOWN),
    "wrong type": stays(DATA),
    "empty": stays(WIRE),
    "success false": stays("SourceError"),
}
# A 200 that says it failed: Arrow's code tells a failure of the server, Gateway's words
# tell nothing. Emptied replies of lists are empty lists, the rest has lost its shape.
# Half a list of instruments parses up to the torn line, which is an error of its own.
EXCEPT = {
    "success false": dict.fromkeys(
        ("limits", "candles", "instruments", "arrow holdings"), passes(DOWN, post=DOWN)
    )
    | dict.fromkeys(("login", "quotes"), stays(DOWN)),
    "empty": dict.fromkeys(("arrow holdings", "quotes", "candles"), stays(EMPTY))
    | {"instruments": passes(WIRE, post=WIRE)},
    "truncate": {"instruments": stays(WIRE)},
}


class Call(NamedTuple):
    name: str
    target: str
    get: bool
    make: Callable[[World], Any]


class World:
    """A sandbox with somebody who has imported, and both clients."""

    def __init__(self, sb: Sandbox, *, timeout: float) -> None:
        self.sb = sb
        people = sb.personas.values()
        self.kite = next(one for one in people if one.broker == "kite")
        self.other = next(one for one in people if one.broker == "upstox")
        self.options = Options(attempts=3, timeout=timeout)
        self.gateway = GatewayClient(
            gateway=sb.gateway,
            api_secret=sb.api_secret,
            shared_secret=sb.shared_secret,
            base_url=sb.base_url,
            clock=sb.now,
            options=self.options,
        )
        self.arrow = ArrowClient(
            app_id=sb.app_id,
            token=sb.arrow_token("sample"),
            account_id=sb.personas["sample"].account_id,
            base_url=sb.arrow_url,
            clock=sb.now,
            options=self.options,
        )
        self.transaction = self.gateway.create_import().transaction_id
        sb.play(self.transaction, persona=self.kite.key)
        listings = self.arrow.holdings().listings
        self.listed = listings.filter(pl.col("exchange") == "NSE")  # one request
        self.right = {call.name: call.make(self) for call in CALLS}

    def login(self) -> str | None:
        with ArrowClient.login(
            app_id=self.sb.app_id,
            app_secret=self.sb.app_secret,
            request_token=self.sb.request_token("sample"),
            base_url=self.sb.arrow_url,
            options=self.options,
        ) as client:
            return client.account_id

    def candles(self) -> pl.DataFrame:
        now = self.sb.now()
        key = {"exchange": "NSE", "token": self.listed["token"][0]}
        return self.arrow.candles(
            **key, interval="day", start=now - timedelta(days=9), end=now
        )

    def transactions(self) -> int:
        return len(self.sb._world.imports._all)


CALLS = (
    Call("create", "create", False, lambda w: bool(w.gateway.create_import())),
    Call(
        "transaction",
        "transaction",
        True,
        lambda w: w.gateway.transaction(w.transaction)._replace(auth_token=None),
    ),
    Call(
        "gateway holdings",
        "gateway.holdings",
        True,
        lambda w: w.gateway.holdings(w.kite.auth_id),
    ),
    Call(
        "refresh by fetch",
        "gateway.holdings",
        True,
        lambda w: w.gateway.refresh(w.kite.auth_id, broker="kite").loaded,
    ),
    Call(
        "refresh by import",
        "create",
        False,
        lambda w: bool(w.gateway.refresh(w.other.auth_id, broker="upstox").transaction),
    ),
    Call("login", "login", False, lambda w: w.login()),
    Call("arrow holdings", "arrow.holdings", True, lambda w: w.arrow.holdings()),
    Call("limits", "limits", True, lambda w: w.arrow.limits()),
    Call("quotes", "quotes", False, lambda w: w.arrow.quotes(w.listed)),
    Call("instruments", "instruments", True, lambda w: w.arrow.instruments()),
    Call("candles", "candles", True, lambda w: w.candles()),
)


def frames(value: Any) -> list[pl.DataFrame]:
    if isinstance(value, hk.Loaded):
        return list(value)
    return [value] if isinstance(value, pl.DataFrame) else []


def shown(value: Any, right: Any) -> str:
    """``data`` where all is as without a fault, ``no rows`` where it says nothing."""
    if not frames(value):
        assert value == right
        return DATA
    try:
        for ours, expected in zip(frames(value), frames(right), strict=True):
            assert_frame_equal(ours, expected)
    except AssertionError:
        main = value.holdings if isinstance(value, hk.Loaded) else value
        prices = main.select(pl.col("^(last|close)_price$").is_not_null().any())
        assert not any(prices.row(0)) or main.is_empty(), "neither right nor empty"
        return EMPTY
    return DATA


def outcome(world: World, call: Call, fault: str) -> str:
    """Make the call under the fault; nothing is ever created twice."""
    world.sb.set_faults(f"{call.target}: {fault}")
    before = world.transactions()
    try:
        came = shown(call.make(world), world.right[call.name])
    except HoldingsError as error:
        came = type(error).__name__
    world.sb.set_faults("")
    assert world.transactions() - before <= 1, f"{call.name} under {fault} came twice"
    return came


@pytest.mark.usefixtures("no_waits")
def test_every_fault_times_every_call_is_as_promised(
    capsys: pytest.CaptureFixture[str],
) -> None:
    known = {fault.split()[0] for fault in PROMISED}
    for call in CALLS:
        spoiled = {name.split()[0] for name in TARGETS[call.target]} - {"ok"}
        assert spoiled <= known, "a fault of the sandbox is not in the table"
    table: list[tuple[str, ...]] = []
    broken: list[str] = []
    with serve(seed=7) as sb:
        sb.advance(days=3)
        patient, hasty = World(sb, timeout=20), World(sb, timeout=1.2)
        for fault, promise in PROMISED.items():
            world = hasty if fault == "timeout 20s" else patient
            for always in (False, True):
                row = [f"{fault}, {'always' if always else 'once'}"]
                for call in CALLS:
                    plan = f"{fault}*{9 if always else 1}"
                    came = outcome(world, call, plan)
                    rule = EXCEPT.get(fault, {}).get(call.name, promise)
                    wanted = rule.of(call, always=always)
                    row.append(came)
                    if came != wanted:
                        broken.append(f"{row[0]}, {call.name}: {came}, not {wanted}")
                table.append(tuple(row))
        for world in (patient, hasty):
            world.gateway.close()
            world.arrow.close()
    cells = [cell for row in table for cell in row[1:]]
    counts = {kind: cells.count(kind) for kind in sorted(set(cells))}
    lines = [("fault", *(call.name for call in CALLS)), ("---",) * (len(CALLS) + 1)]
    with capsys.disabled():
        for row in (*lines, *table):
            sys.stdout.write(f"\n| {' | '.join(row)} |")
        sys.stdout.write(f"\n{len(cells)} cells: {counts}; broken: {len(broken)}\n")
    assert broken == []
    assert len(cells) == len(PROMISED) * 2 * len(CALLS)
