"""What a cell shows that ends with an object of this package: a card, or a few lines.

Nothing is opened, fetched or computed anew for it: only what the object holds is told.
"""

from __future__ import annotations

import re
from dataclasses import fields
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import polars as pl

from holdings_kit.display._frame_view import show
from holdings_kit.display._numbers import (
    UNKNOWN,
    format_value,
    kind_of_number,
    label_of_column,
    number_of,
    percent,
    probability,
    quantity,
    rupees,
)
from holdings_kit.display._page import Cell, safe, wrap_page, write_facts
from holdings_kit.errors import HoldingsError, printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdings_kit.display._frame_view import FrameView
    from holdings_kit.haircuts.statistics import TestResult
    from holdings_kit.read import Market
    from holdings_kit.risk import PledgePlan
    from holdings_kit.schema import Loaded

Value: TypeAlias = Any  # a field of any record

_LINES: Final = 10
_LONG: Final = 80  # characters of a text in one line
_FEW: Final = 5
_REJECTED: Final = 0.05  # p-values below are called a rejection
_LIGHTS: Final = ("green", "yellow", "red")
_USER_OF_URL: Final = re.compile(r"(?<=://)[^/@\s'\"]*@")


class Card(NamedTuple):
    """What is told of an object; every text is escaped when it is written.

    `lines` are for a terminal, the rest is for a notebook.
    """

    title: str
    about: str = ""
    facts: tuple[tuple[str, Cell], ...] = ()
    tables: tuple[FrameView, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    error: str = ""
    lines: tuple[str, ...] | None = None  # None: its name and its fields


def describe(shown: object) -> Card:
    """Make the card of an object: its class's own, else its fields."""
    for kind in type(shown).__mro__:
        if kind.__name__ in _CARDS:
            return _CARDS[kind.__name__](shown)
    facts = _list_fields(shown)
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(shown).__name__)
    plain = not facts and type(shown).__repr__.__name__ != "_write_text"
    about = _hide_user(repr(shown)) if plain else ""
    return Card(
        name[:1] + name[1:].lower() if " " in name else name,
        about,
        tuple((label_of_column(key), _write_field(key, value)) for key, value in facts),
    )


def write_html(shown: object) -> str:
    """Write the card of an object as HTML."""
    card = describe(shown)
    return wrap_page(
        f'<p class="h">{safe(card.title)}</p>',
        f'<p class="a">{safe(card.about)}</p>' if card.about else "",
        f'<p class="e">{safe(card.error)}</p>' if card.error else "",
        write_facts(card.facts),
        *(table.write_table() for table in card.tables),
        *(f'<p class="o">{safe(text)}</p>' for text in card.warnings),
        *(f"<p>{safe(text)}</p>" for text in card.notes),
    )


def write_text(shown: object) -> str:
    """Write an object for a terminal: its title and lines, else name and fields."""
    card = describe(shown)
    if card.lines is not None:
        return printable("\n".join(card.lines[:_LINES]))
    parts = ", ".join(f"{key}={_shorten(value)}" for key, value in _list_fields(shown))
    return printable(f"{type(shown).__name__}({parts})")


def _list_fields(shown: Value) -> list[tuple[str, Any]]:
    """List what a record holds; nothing of an object that is none."""
    told: dict[str, Any] = {}
    if hasattr(shown, "_asdict"):
        told = shown._asdict()
    elif hasattr(shown, "__dataclass_fields__"):
        names = [field.name for field in fields(shown) if field.repr]
        told = {name: getattr(shown, name) for name in names}
    return list(told.items())


def _shorten(value: Value) -> str:
    """Write a field in a few words, as code where it is short."""
    if isinstance(value, pl.DataFrame | pl.LazyFrame):
        return _say_row_count(value)
    if isinstance(value, bytes):
        return f"<{number_of(len(value), 'byte')}>"
    if type(value) in {dict, list, set, frozenset} and len(value) > _FEW:
        return f"<{number_of(len(value), 'item')}>"
    text = _hide_user(repr(value)).replace("\n", " ")
    return text if len(text) <= _LONG else f"{text[: _LONG - 1]}…"


def _say_row_count(frame: pl.DataFrame | pl.LazyFrame) -> str:
    if isinstance(frame, pl.LazyFrame):
        return "rows not counted"
    return f"<{number_of(frame.height, 'row')}>"


def _hide_user(text: str) -> str:
    """Leave out the name and password that an address may carry."""
    return _USER_OF_URL.sub("", text)


def _write_field(name: str, value: Value) -> Cell:
    """Write a field as a person reads it."""
    if value is None:
        return Cell(UNKNOWN, why="not known, or not asked for")
    if isinstance(value, bool) or not isinstance(value, int | float):
        plain = hasattr(value, "year") or hasattr(value, "as_tuple")
        if not isinstance(value, bool) and not plain:
            text = value if isinstance(value, str) else _shorten(value).strip("<>")
            text = _hide_user(text)
            return Cell(text[:_LONG] + ("…" if len(text) > _LONG else ""))
    kind = kind_of_number(name)
    text = format_value(value, kind)
    return Cell(f"₹{text}".replace("₹−", "−₹") if kind == "rupees" else text)


def _pick_filled(frame: pl.DataFrame, *names: str) -> list[str]:
    """Keep the columns that hold something."""
    return [name for name in names if name in frame.columns and frame[name].count()]


def _describe_loaded(loaded: Loaded) -> Card:
    snapshots: pl.DataFrame = loaded.snapshots
    holdings: pl.DataFrame = loaded.holdings
    odd = snapshots.filter(pl.col("status") == "quarantined").height
    counts = [(name, frame.height) for name, frame in loaded._asdict().items()]
    counts += [("events", loaded.events.height)] if loaded.events.height else []
    mark = f" ({quantity(odd)} quarantined)" if odd else ""
    accounts = number_of(snapshots["account_id"].n_unique(), "account")
    columns = _pick_filled(
        holdings,
        *("account_id", "symbol", "owned_quantity", "average_price"),
        *("last_price", "close_price"),
    )
    waiting = f"{number_of(odd, 'snapshot')} quarantined: see status_reason"
    line = ", ".join(
        f"{name} {quantity(n)}{mark if name == 'snapshots' else ''}"
        for name, n in counts
    )
    return Card(
        f"{number_of(holdings.height, 'holding')} of {accounts}",
        _say_origin(snapshots),
        tuple((name.capitalize(), Cell(quantity(n))) for name, n in counts),
        (show(holdings, columns=columns, rows=_FEW),) if columns else (),
        warnings=(*([waiting] if odd else []), *_count_reasons(loaded.rejects)),
        lines=(f"Loaded: {line}",),
    )


def _say_origin(snapshots: pl.DataFrame) -> str:
    """Say from whom snapshots are and of when."""
    sources = snapshots["source"].drop_nulls().unique().sort().to_list()
    instants = snapshots["snapshot_at"].drop_nulls()
    span = [format_value(at, "instant") for at in (instants.min(), instants.max())]
    return ", ".join(
        [
            *([f"from {' and '.join(sources)}"] if sources else []),
            *([" to ".join(dict.fromkeys(span))] if instants.len() else []),
        ]
    )


def _count_reasons(rejects: pl.DataFrame) -> list[str]:
    """Say what could not be read, the most frequent reasons first."""
    if rejects.is_empty():
        return []
    kinds = rejects.group_by("reason").len()
    kinds = kinds.sort("len", "reason", descending=[True, False])
    told = [f"{reason} ({n})" for reason, n in kinds.head(3).iter_rows()]
    rest = kinds.height - len(told)
    more = [f"{number_of(rest, 'other reason')}"] if rest else []
    return [f"{number_of(rejects.height, 'reject')}: {'; '.join([*told, *more])}"]


def _describe_market(market: Market) -> Card:
    parts = {
        name: value
        for name, value in vars(market).items()
        if name not in {"files", "notices", "rejects"} and value.height
    }
    files = f"Market of {number_of(market.files.height, 'file')}"
    rejects = number_of(market.rejects.height, "reject")
    told = [_count_noun(name, frame) for name, frame in parts.items()]
    return Card(
        files,
        "",
        tuple(
            (name.capitalize(), Cell(quantity(frame.height) + _say_span(frame)))
            for name, frame in parts.items()
        ),
        warnings=tuple(_count_reasons(market.rejects)),
        notes=(number_of(market.notices.height, "notice"),),
        lines=(f"{files}: {', '.join([*told, rejects])}",),
    )


def _count_noun(name: str, frame: pl.DataFrame) -> str:
    one = {"volatilities": "volatility", "collateral": "collateral rate"}
    noun = one.get(name, name.removesuffix("s"))
    many = name if name != "collateral" else "collateral rates"
    return number_of(frame.height, noun, many) + _say_span(frame)


def _say_span(frame: pl.DataFrame) -> str:
    if "date" not in frame.columns or not frame["date"].count():
        return ""
    first, last = frame["date"].min(), frame["date"].max()
    return f" ({first} to {last})"  # ISO: these can be copied into a call


def _describe_plan(plan: PledgePlan) -> Card:
    rows: pl.DataFrame = plan.plan
    chosen = plan.order
    holdings = number_of(chosen.height, "holding")
    usable = f"{rupees(plan.usable_value)} usable of {rupees(plan.need_value)} needed"
    if plan.status == "infeasible":
        title = f"The need is not met: {rupees(plan.unmet_value)} is missing"
    elif chosen.is_empty():
        title = "Nothing to pledge: the need is met without"
    else:
        title = f"Pledge {holdings} for {rupees(plan.cost)}"
    proof = {
        "optimal": "proven cheapest",
        "feasible": f"at most {percent(plan.gap)} dearer than the cheapest",
    }.get(plan.status, "with every holding pledged")
    part = pl.col("pledge_quantity", "available_quantity").cast(pl.Float64())
    table = chosen.select("symbol", part, "price", "haircut", "collateral_value", "why")
    left = rows.height - chosen.height
    lines = [
        f"{row['symbol'] or row['instrument_id']}: {quantity(row['pledge_quantity'])} "
        f"of {quantity(row['available_quantity'])}, collateral "
        f"{rupees(row['collateral_value'])}"
        for row in chosen.head(_FEW).iter_rows(named=True)
    ]
    more = chosen.height - len(lines)
    rest = [f"{number_of(more, 'more holding')} to pledge"] if more else []
    rest += (
        [f"{number_of(left, 'holding')} not needed or not possible"]
        if left and plan.cost is not None
        else []
    )
    interest = plan.shadow_price
    return Card(
        title,
        f"{usable}, cash {rupees(plan.cash_value)}; {proof}",
        (
            ("Cost", _money(plan.cost, "no plan meets the need")),
            ("Fees", _money(plan.fee_value, "no plan meets the need")),
            ("Interest", _money(plan.interest_value, "no plan meets the need")),
            ("Collateral of the plan", _money(plan.collateral_value)),
            ("Pledged already", _money(plan.pledged_value)),
            (
                "One rupee more of need costs",
                Cell(rupees(interest, places=4), why="that rupee is out of reach"),
            ),
        ),
        (show(table, title="", total=True),) if chosen.height else (),
        notes=tuple(rest),
        lines=(f"{title} ({plan.status})", f"{usable}, {proof}", *lines, *rest),
    )


def _money(value: object, why: str = "") -> Cell:
    return Cell(rupees(value), why=why)


def _describe_test(test: TestResult) -> Card:
    line = f"{test.name or 'Test'}: {', '.join(_list_findings(test))}"
    return Card(
        line,
        f"{test.note}" + (f"; {test.side}" if test.side else ""),
        (
            ("Statistic", Cell(_round_to_digits(test.statistic), why=test.note)),
            ("p-value", Cell(probability(test.p_value), why=test.note)),
            ("Degrees of freedom", Cell(str(test.df)))
            if test.df is not None
            else ("Law", Cell("not chi-square")),
        ),
        notes=("Rejected means p below 5 %.",) if test.p_value is not None else (),
        lines=(line, *([test.note] if test.note not in _LIGHTS else [])),
    )


def _list_findings(test: TestResult) -> list[str]:
    """Say what a test saw and what follows; no p-value is said to be none."""
    said: list[str] = []
    if test.breaches is not None:
        said.append(number_of(test.breaches, "breach", "breaches"))
    if test.expected is not None:
        said.append(f"{test.expected:.1f} expected")
    if test.note in _LIGHTS:
        return [*said, test.note]
    if test.p_value is not None:
        answer = "rejected" if test.p_value < _REJECTED else "not rejected"
        return [*said, f"p {probability(test.p_value)} ({answer})"]
    if not said and isfinite(test.statistic):
        said.append(f"{test.statistic:.4g}")
    return [*said, "no p-value"]


def _round_to_digits(value: float) -> str:
    return quantity(float(f"{value:.4g}"))


def _describe_error(error: HoldingsError) -> Card:
    told = vars(error)
    where = {
        key: told[key]
        for key in ("source", "pointer", "frame", "column", "status", "code")
        if told.get(key) not in {None, ""}
    }
    now = error.now
    wait = getattr(error, "retry_after", None)
    return Card(
        type(error).__name__,
        "",
        (
            *((key.capitalize(), Cell(str(value))) for key, value in where.items()),
            ("What now", Cell(f"wait {wait:g} seconds" if wait else str(now))),
        ),
        error=str(error),
    )


_CARDS: Final[dict[str, Callable[[Any], Card]]] = {
    "Loaded": _describe_loaded,
    "Market": _describe_market,
    "PledgePlan": _describe_plan,
    "TestResult": _describe_test,
    HoldingsError.__name__: _describe_error,
}
"""Classes whose card says more than their fields."""
