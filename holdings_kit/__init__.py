# pyright: basic
"""Equity holdings as exact polars frames: read, consolidate, value, compare, risk.

One rule: a number is made only from facts that are there. Unknown is null, never 0;
every price says its basis, every total its coverage; what cannot be read is set aside.

    loaded = hk.read_webhooks("dumps")
    positions = hk.consolidate(loaded.holdings, prices=hk.read_prices("prices.csv"))
    totals = hk.summarize(positions)

help(hk.consolidate) shows one name with an example; what there is:

Read
    read_arrow, read_gateway, read_webhooks     payloads of the two APIs -> Loaded
    read_instruments, read_market, read_prices  master, exchanges' files, your prices
    adjust, market, identity                    splits; trading days; who is who
    lint, redact                                what is odd; hide whose it is
Ask
    consolidate, summarize                      positions with their values; totals
    concentration, look_through                 how concentrated, smallcases opened
    collateral, pledge_plan                     what it is worth as a pledge
    shock, value_at_risk, haircuts              what if; how bad; is the haircut right
    compare, bridge, timeline                   what changed, and why
    performance                                 flows inferred, returns chained
Fetch and keep
    ArrowClient, GatewayClient                  from the brokers, or from the sandbox
    AsyncArrowClient, AsyncGatewayClient        the same in an event loop
    sandbox, replay                             both APIs on this machine, no keys
    Store, scan_arrow, scan_webhooks            snapshots on disk, dumps of any size
    population, cluster                         questions about all accounts
Show and take elsewhere
    show, plot                                  tables and pictures
    to_pandas, export, json_schema              to other tools
    show_versions, HoldingsError                for a report; the base of all errors

holdings_kit.schema has the columns of every frame; dir(hk) lists these names.
"""

import inspect
from difflib import get_close_matches
from importlib.metadata import version

from holdings_kit.errors import attach_room

# The public names stand once, in __init__.pyi; each is loaded when it is first used.
_load, _show_names, __all__ = attach_room(__name__, __file__)

# What people type first, and where it is.
_GUESSES = {
    "pnl": "summarize? P&L is in POSITIONS, made by consolidate",
    "profit": "summarize? P&L is in POSITIONS, made by consolidate",
    "positions": "consolidate? It turns holdings into POSITIONS",
    "portfolio": "consolidate? It turns holdings into POSITIONS",
    "aggregate": "consolidate? It turns holdings into POSITIONS",
    "totals": "summarize? It adds POSITIONS up, with their coverage",
    "value": "summarize? It adds POSITIONS up, with their coverage",
    "summary": "summarize? It adds POSITIONS up, with their coverage",
    "holdings": "read_arrow, read_gateway or read_webhooks? Each returns .holdings",
    "read": "read_arrow, read_gateway or read_webhooks?",
    "load": "read_arrow, read_gateway or read_webhooks?",
    "webhooks": "read_webhooks, or scan_webhooks for a large dump?",
    "fetch": "ArrowClient or GatewayClient?",
    "client": "ArrowClient or GatewayClient?",
    "arrow": "read_arrow for a reply, ArrowClient to fetch one?",
    "gateway": "read_gateway for a body, GatewayClient to fetch one?",
    "smallcase": "read_gateway for a body, GatewayClient to fetch one?",
    "var": "value_at_risk?",
    "es": "value_at_risk? It gives expected shortfall too",
    "expected_shortfall": "value_at_risk? It gives expected shortfall too",
    "stress": "shock?",
    "scenario": "shock? It takes a scenario's name",
    "margin": "collateral, or holdings_kit.risk.margin for a whole account?",
    "pledge": "pledge_plan?",
    "haircut": "haircuts?",
    "backtest": "haircuts.backtest?",
    "garch": "haircuts.garch?",
    "ewma": "haircuts.ewma?",
    "weights": "concentration?",
    "exposure": "look_through, or concentration?",
    "funds": "look_through?",
    "diff": "compare?",
    "changes": "compare? It returns CHANGES",
    "trades": "compare? It says what changed between two snapshots",
    "waterfall": "bridge? hk.plot draws it",
    "history": "timeline?",
    "returns": "performance? It infers the flows and chains the returns",
    "xirr": "performance? Its column xirr is money-weighted",
    "twr": "performance? Its column twr is time-weighted",
    "drawdown": "performance?",
    "lots": "holdings_kit.portfolio.fifo_lots? It needs a table of trades",
    "isin": "identity?",
    "instruments": "read_instruments?",
    "calendar": "market?",
    "trading_days": "market?",
    "anonymize": "redact?",
    "pseudonymize": "redact?",
    "validate": "lint?",
    "check": "lint?",
    "simulator": "sandbox?",
    "dask": "cluster?",
    "database": "Store?",
    "save": "Store? Its append keeps what a reader returned",
    "chart": "plot?",
    "figure": "plot?",
    "error": "HoldingsError?",
    "schema": "holdings_kit.schema? Import it by that name",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        return version("holdings-kit")
    if name in __all__ or not name.strip("_") or name.startswith("__"):
        return _load(name)
    message = f"module 'holdings_kit' has no attribute {name!r}"
    # with the module as `obj` Python itself would add a second, cruder suggestion
    raise AttributeError(f"{message}{_suggest_name(name)}", name=name, obj=None)


def __dir__() -> list[str]:
    return [] if _is_asked_by_help() else _show_names()


def _is_asked_by_help() -> bool:
    """See who asks: ``help`` prints and loads all of every name it is given.

    That is 3,000 lines, and an error where an extra is missing. Without names it shows
    the text at the top of this file, which lists them.
    """
    frame = inspect.currentframe()
    while frame and frame.f_globals.get("__name__") != "pydoc":
        frame = frame.f_back
    return frame is not None


def _suggest_name(name: str) -> str:
    """Name the nearest public name, or where the thing guessed at is found."""
    lower = {public.lower(): public for public in __all__}
    word = name.lower()
    for guess in (word, f"{word}s", word.removesuffix("s"), word.replace("_", "")):
        if guess in lower:
            return f"; did you mean {lower[guess]}?"
        if guess in _GUESSES:
            return f"; did you mean {_GUESSES[guess]}"
    near = get_close_matches(word, [*lower, *_GUESSES], 1)
    if not near:
        return "; dir(holdings_kit) lists what there is"
    found = near[0]
    return (
        f"; did you mean {lower[found]}?"
        if found in lower
        else (f"; did you mean {_GUESSES[found]}")
    )
