"""The explorer on the page: sliders, figures, concentration, and the pledge plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import polars as pl
from ipywidgets import HTML, VBox

from holdings_kit.display._numbers import compact_rupees, name_class, percent, quantity
from widgets.board import Board
from widgets.page import bars, notice
from widgets.panel import Panel, Results, controls as c
from widgets.risk.model import RiskModel
from widgets.risk.page import (
    REST,
    count_known,
    draw_losses,
    list_beside,
    write_figures,
    write_plan,
)
from widgets.risk.shocks import CUSTOM, floor_of, preset, scenarios
from widgets.static import StaticFallback
from widgets.table import HoldingsTable

if TYPE_CHECKING:
    from holdings_kit.risk import PledgePlan
    from holdings_kit.schema import Loaded

_SLIDERS: Final = [
    ("price", "Price", -0.6, 0.3, 0.005, "%"),
    ("haircut", "Haircut added", 0.0, 0.6, 0.005, "pts"),
]
_SHARES: Final = (
    ("Largest holding", "largest_share"),
    ("Five largest", "top_5_share"),
    ("Ten largest", "top_10_share"),
    ("HHI", "hhi"),
)
_PLAN: Final = [
    *("symbol", "pledge_quantity", "available_quantity", "pledged_quantity"),
    *("price", "haircut", "collateral_value", "why"),
]
_NOTHING: Final = "there is no result; correct the field that is marked"


class RiskExplorer(StaticFallback, VBox):
    """Move prices and haircuts, and read the effect back: `risk.result`.

    Parameters
    ----------
    book
        `Loaded`, for look-through of smallcases, or HOLDINGS.
    prices
        ``instrument_id, date, close``, adjusted: the history for value at risk.
        Without it that part says what it needs.
    choices
        Start values: ``need``, ``cash``, ``rules``, ``account``, ``scenario`` …

    Examples
    --------
    >>> from holdings_kit import sandbox
    >>> from holdings_kit.schema import HOLDINGS, empty
    >>> risk = RiskExplorer(empty(HOLDINGS))
    >>> risk.result.height
    0
    """

    static_title = "What if prices fall?"

    def __init__(
        self,
        book: Loaded | pl.DataFrame,
        *,
        prices: pl.DataFrame | None = None,
        **choices: Any,
    ) -> None:
        self.model = model = RiskModel(book, prices, **choices)
        self.book = Panel(
            model,
            _list_book_controls(model),
            title="What if prices fall?",
            shows_work=False,
        )
        self.scenes = Panel(model, _list_scenario_controls(model), shows_work=False)
        self.shocks = Panel(
            model,
            _list_shock_controls(model),
            press={"pin": model.pin, "reset": model.reset},
            shows_work=False,
        )
        self.planner = Panel(
            model,
            _list_plan_controls(),
            press={"plan": model.plan_pledge, "cancel": model.cancel},
        )
        self.loss = Panel(model, _list_loss_controls(), shows_work=False)
        self.figures, self.planned = Board({}), Board({})
        self.shares, self.risked = HTML(), HTML()
        self.table: HoldingsTable | None = None
        panels = [self.book, self.scenes, self.shocks, self.loss, self.planner]
        self.above = Results(model, "result", panels)
        self.below = Results(model, "result", panels, says_why=False)  # above
        self.planning = Results(model, "plan", panels, press="Plan the pledge")
        self.losing = Results(model, "losses", panels)
        self.losing.show(self.risked)
        self.above.show(self.figures)
        self.below.show(self.shares)
        super().__init__(
            [
                *(self.book, self.scenes, self.above, self.shocks, self.below),
                *(self.loss, self.losing),
                *(self.planner, self.planning),
            ]
        )
        self.add_class("hk-tool")
        model.observe(self._show_result, "result")
        model.observe(self._show_names, "names")
        model.observe(self._show_origin, ["origin", "scenario"])
        model.observe(self._show_scenes, ["off_list", "quantity"])
        model.observe(self._show_book, "valued")
        model.observe(self._show_plan, "plan")
        model.observe(self._show_losses, "losses")
        model.observe(self._show_busy, "busy")
        model.observe(self._show_stale, "stale")
        self._show_result(None)
        self._show_shares()
        self._show_losses(None)

    @property
    def result(self) -> pl.DataFrame:
        """The effect of the shocks as they stand (SHOCKED, one row).

        Raises
        ------
        ConfigError
            A field holds what cannot be used.
        """
        return self.model.require_current("result", nothing=_NOTHING)

    @property
    def effects(self) -> pl.DataFrame:
        """The effect on each position.

        Raises
        ------
        ConfigError
            A field holds what cannot be used.
        """
        self.model.require_current("result", nothing=_NOTHING)
        return self.model.effects

    @property
    def losses(self) -> pl.DataFrame:
        """Value at risk of today's values, a row per method (RISK).

        Empty without `prices`.

        Raises
        ------
        ConfigError
            A field holds what cannot be used, or nothing can be measured.
        """
        if self.model.prices is not None:
            self.model.require_current("losses", nothing=_NOTHING)
        return self.model.losses

    @property
    def plan(self) -> PledgePlan | None:
        """The pledge plan for the inputs as they stand; ``None`` where there is none.

        A plan for another need, cash or account is not given; `model.plan` has it.
        """
        return None if "plan" in self.model.stale else self.model.plan

    def _show_result(self, _change: object) -> None:
        model = self.model
        if model.result is None or model.result.is_empty():
            self.shocks.beside = {}
            self.figures.markup = (
                notice("This book is empty: nothing to shock.")
                if model.result is not None
                else notice(f"Not valued: {model.error}", "bad")
            )
            return
        row = model.result.row(0, named=True)
        self.figures.markup = write_figures(
            row,
            count_known(model.effects, row, model.collateral.height),
            scenario=model.scenario,
            origin=model.origin,
            single=model.single,
        )
        self._show_beside()

    def _show_beside(self) -> None:
        model = self.model
        if model.effects is not None and not model.effects.is_empty():
            names = [key for key, _ in model.names]
            self.shocks.beside = list_beside(model.effects, model.kinds, names)

    def _show_stale(self, _change: object) -> None:
        mark = "result" in self.model.stale
        (self.shocks.add_class if mark else self.shocks.remove_class)("hk-old")

    def _show_losses(self, _change: object) -> None:
        given = self.model.prices is not None
        if self.model.losses is None:
            self.risked.value = notice(f"Not measured: {self.model.error}", "bad")
            return
        self.risked.value = (
            draw_losses(self.model.losses)
            if given
            else notice(
                "Value at risk needs a price history: RiskExplorer(…, prices=…)"
            )
        )

    def _show_names(self, _change: object) -> None:
        self.shocks.change("sliders", rows=_list_rows(self.model))
        self.scenes.change("off_list", options=self.model.names)
        self._show_beside()

    def _show_book(self, _change: object) -> None:
        self._show_names(None)
        self._show_origin(None)
        self._show_shares()

    def _show_origin(self, _change: object) -> None:
        """Say which scenario sliders were changed from; a list cut stays in force."""
        model = self.model
        cut = floor_of(model.origin or model.scenario) is not None
        self._show_scenes(None)
        self.scenes.change("off_list", hidden=not cut)

    def _show_scenes(self, _change: object) -> None:
        self.scenes.change("scenario", options=_list_scenes(self.model))

    def _show_busy(self, _change: object) -> None:
        self.planner.change("plan", disabled=bool(self.model.busy))
        self.planner.change("cancel", disabled=not self.model.busy)

    def _show_shares(self) -> None:
        views = self.model.concentration()
        rows = [
            (
                str(row["view"]),
                [(percent(row[name]), row[name] or 0.0) for _, name in _SHARES],
            )
            for row in views.iter_rows(named=True)
        ]
        heads = ["View", *(label for label, _ in _SHARES)]
        self.shares.value = bars(
            "Concentration, shares of value",
            heads,
            rows,
            whys={name: "no position has a price" for name, _ in rows},
        )

    def _show_plan(self, _change: object) -> None:
        plan = self.model.plan
        if plan is None:
            self.planning.show()
            return
        self.planned.markup = write_plan(plan)
        left = plan.plan.filter(pl.col("pledge_quantity").fill_null(0) == 0)
        self.table = HoldingsTable(
            pl.concat([plan.order, left]),
            caption="Every holding: what to pledge, or why not",
            columns=_PLAN,
            page_size=10,
        )
        self.planning.show(self.planned, self.table)


def _list_scenes(model: RiskModel) -> list[tuple[str, str]]:
    """List the scenarios, each with its fall and what that takes in rupees."""
    labels = dict(scenarios())
    if model.origin:
        labels[CUSTOM] = f"Changed by you, from {labels[model.origin]}"
    for key, label in labels.items():
        found = preset(key)
        if found is not None:
            fall = found["price"]
            labels[key] = f"{label} · {quantity(100 * fall)}\N{NARROW NO-BREAK SPACE}%"
            if model.value is not None:
                effect = float(model.value) * fall
                labels[key] += f" · {compact_rupees(effect)}"
        floor = floor_of(key)
        if floor is not None:
            labels[key] += f" · {_say_cut(model, floor)}"
    return list(labels.items())


def _say_cut(model: RiskModel, floor: float) -> str:
    """Say what collateral a cut of the list takes: of those chosen, else at most."""
    rows = model.collateral.filter(pl.col("haircut") < floor)
    if model.off_list:
        rows = rows.filter(pl.col("instrument_id").is_in(model.off_list))
    left = (1 - floor) / (1 - pl.col("haircut").cast(pl.Float64()))
    worth = pl.col("collateral_value").cast(pl.Float64())
    lost = rows.select((worth * (1 - left)).sum()).item()
    most = "" if model.off_list else "at most "
    return f"{most}{compact_rupees(-lost)} of collateral"


def _list_rows(model: RiskModel) -> list[tuple[str, str, str, str]]:
    """List the rows of sliders, each with the wider row that it follows."""
    kinds = [
        (kind, name_class(kind), "all", "the whole class") for kind in model.classes
    ]
    own = pl.col("instrument_id").is_in([key for key, _ in model.names])
    firms = dict(
        model.positions.filter(own).select("instrument_id", "name").iter_rows()
    )
    names = [
        (key, name, model.class_of(key) or "all", firms.get(key) or "")
        for key, name in model.names
    ]
    widest = ("all", "Everything", "", "what has no slider of its own follows")
    return [widest, *kinds, *names]


def _list_book_controls(model: RiskModel) -> list[c.Control]:
    accounts = [(key, key) for key in model.accounts]
    if len(accounts) > 1:
        accounts = [("", f"all {len(accounts)}"), *accounts]
    else:
        accounts = [("", accounts[0][0] if accounts else "none")]
    rules = [("strict", "strict 50:50"), ("broker", "broker practice")]
    count = [
        ("pledged", "pledged today"),
        ("pledgeable", "could be pledged"),
        ("owned", "everything owned"),
    ]
    return [
        c.select("account", "Account", accounts, group="Book and margin"),
        c.select("quantity", "Collateral from", count, group="Book and margin"),
        c.select("rules", "Rule", rules, group="Book and margin"),
        c.field("cash", "Cash, ₹", kind="number", min=0, group="Book and margin"),
        c.field(
            "need", "Margin need, ₹", kind="number", min=0, group="Book and margin"
        ),
    ]


def _list_scenario_controls(model: RiskModel) -> list[c.Control]:
    return [
        c.cards("scenario", "Scenario", _list_scenes(model), group="Scenario"),
        c.chips(
            "off_list",
            "Off the list",
            model.names,
            group="Scenario",
            hidden=floor_of(model.scenario) is None,
        ),
    ]


def _list_shock_controls(model: RiskModel) -> list[c.Control]:
    return [
        c.grid(
            "sliders",
            "A value of 0 follows the wider row",
            _list_rows(model),
            _SLIDERS,
            first="Applies to",
            beside=["Value then, ₹", "Effect, ₹"],
            rest=REST,
            group="By holding",
        ),
        c.field(
            "add",
            "Give another holding its own slider",
            placeholder="symbol",
            group="By holding",
        ),
        c.button("pin", "Add sliders", group="By holding"),
        c.button("reset", "Reset sliders", group="By holding"),
    ]


def _list_loss_controls() -> list[c.Control]:
    group = "Value at risk"
    level: dict[str, Any] = {"kind": "number", "percent": True, "step": 0.5}
    return [
        c.field("level", "Confidence, %", **level, group=group),
        c.field("loss_days", "Days", kind="number", min=1, step=1, group=group),
        c.field("window", "Returns back", kind="number", min=2, step=1, group=group),
    ]


def _list_plan_controls() -> list[c.Control]:
    return [
        c.field(
            "horizon_days", "Days", kind="number", min=0, step=1, group="Pledge planner"
        ),
        c.button("plan", "Plan the pledge", primary=True, group="Pledge planner"),
        c.button("cancel", "Cancel", disabled=True, group="Pledge planner"),
    ]
