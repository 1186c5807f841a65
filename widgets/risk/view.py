"""The explorer on the page: sliders, figures, concentration, and the pledge plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ipywidgets import HTML, HBox, VBox

from holdings_kit.display import number_of
from widgets.formats import UNKNOWN, shown
from widgets.page import bars, notice, tiles
from widgets.panel import Panel, controls as c
from widgets.risk.losses import draw_losses
from widgets.risk.model import RiskModel
from widgets.risk.shocks import scenarios
from widgets.table import HoldingsTable

if TYPE_CHECKING:
    import polars as pl

    from holdings_kit.risk import PledgePlan
    from holdings_kit.schema import Loaded

__all__ = ["RiskExplorer"]

_SLIDERS: Final = [
    ("price", "Price", -0.6, 0.3, 0.005),
    ("haircut", "Haircut added", 0.0, 0.6, 0.005),
]
_FIGURES: Final = (
    ("Value", "market_value"),
    ("P&L", "unrealized_pnl"),
    ("Collateral", "collateral_value"),
    ("Usable margin", "usable_value"),
    ("Headroom", "headroom_value"),
)
_SHARES: Final = (
    ("Largest holding", "largest_share"),
    ("Five largest", "top_5_share"),
    ("Ten largest", "top_10_share"),
    ("HHI", "hhi"),
)
_PLAN: Final = [
    "symbol",
    "pledge_quantity",
    "available_quantity",
    "pledged_quantity",
    "price",
    "haircut",
    "collateral_value",
    "why",
]
_WORST: Final = 8


class RiskExplorer(VBox):
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

    def __init__(
        self,
        book: Loaded | pl.DataFrame,
        *,
        prices: pl.DataFrame | None = None,
        **choices: Any,
    ) -> None:
        self.model = model = RiskModel(book, prices, **choices)
        self.book = Panel(model, _list_book_controls(model), title="What if?", press={})
        self.shocks = Panel(
            model,
            _list_shock_controls(model),
            title="",
            press={"pin": model.pin, "reset": model.reset},
        )
        self.planner = Panel(
            model,
            _list_plan_controls(),
            title="",
            press={"plan": model.plan_pledge, "cancel": model.cancel},
        )
        self.loss = Panel(model, _list_loss_controls(), title="", press={})
        self.figures, self.worst, self.shares = HTML(), HTML(), HTML()
        self.planned, self.risked = HTML(), HTML()
        self.table: HoldingsTable | None = None
        effects = HBox([self.worst, self.shares]).add_class("hk-pair")
        self.parts = [
            *(self.book, self.figures, self.shocks, effects),
            *(self.loss, self.risked),
            *(self.planner, self.planned),
        ]
        super().__init__(self.parts)
        self.add_class("hk-tool")
        model.observe(self._show_result, "result")
        model.observe(self._show_names, "names")
        model.observe(self._show_plan, "plan")
        model.observe(self._show_losses, "losses")
        model.observe(self._show_busy, "busy")
        self._show_result(None)
        self._show_shares()
        self._show_losses(None)

    @property
    def result(self) -> pl.DataFrame:
        """The effect of the shocks as they stand (SHOCKED, one row)."""
        return self.model.result

    @property
    def effects(self) -> pl.DataFrame:
        """The effect on each position."""
        return self.model.effects

    @property
    def losses(self) -> pl.DataFrame:
        """Value at risk of today's values, a row per method (RISK)."""
        return self.model.losses

    @property
    def plan(self) -> PledgePlan | None:
        """The last pledge plan; ``None`` before."""
        return self.model.plan

    def _show_result(self, _change: object) -> None:
        if self.model.result.is_empty():
            self.figures.value = notice("This book is empty: nothing to shock.")
            return
        row = self.model.result.row(0, named=True)
        self.figures.value = tiles(
            _make_tile(row, *each) for each in _FIGURES
        ) + notice(_describe_coverage(row, single=self.model.single), "warn")
        self.worst.value = _draw_worst(self.model.effects)

    def _show_losses(self, _change: object) -> None:
        given = self.model.prices is not None
        self.risked.value = (
            draw_losses(self.model.losses)
            if given
            else notice(
                "Value at risk needs a price history: RiskExplorer(…, prices=…)"
            )
        )

    def _show_names(self, _change: object) -> None:
        self.shocks.change("sliders", rows=_list_instrument_options(self.model))
        self.shocks.change("off_list", options=self.model.names)
        self._show_shares()

    def _show_busy(self, _change: object) -> None:
        self.planner.change("plan", disabled=bool(self.model.busy))
        self.planner.change("cancel", disabled=not self.model.busy)

    def _show_shares(self) -> None:
        views = self.model.concentration()
        rows = [
            (
                str(row["view"]),
                [(shown(row[name], "share"), row[name] or 0.0) for _, name in _SHARES],
            )
            for row in views.iter_rows(named=True)
        ]
        heads = ["View", *(label for label, _ in _SHARES)]
        self.shares.value = bars("Concentration, shares of value", heads, rows)

    def _show_plan(self, _change: object) -> None:
        plan = self.model.plan
        if plan is None:
            self.planned.value = ""
            self.children = [*self.parts]
            return
        self.planned.value = _describe_plan(plan)
        self.table = HoldingsTable(
            plan.plan.sort("pledge_quantity", descending=True),
            caption="What to pledge, and why the rest is left out",
            columns=_PLAN,
            page_size=10,
        )
        self.children = [*self.parts, self.table]


def _list_instrument_options(model: RiskModel) -> list[tuple[str, str]]:
    kinds = [(kind, f"Class: {kind.replace('_', ' ')}") for kind in model.classes]
    return [("all", "Everything"), *kinds, *model.names]


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


def _list_shock_controls(model: RiskModel) -> list[c.Control]:
    return [
        c.select("scenario", "Scenario", scenarios(), group="Shocks"),
        c.button("reset", "Reset sliders", group="Shocks"),
        c.chips(
            "off_list",
            "Off the list",
            model.names,
            group="Shocks",
            when={"scenario": [k for k, _ in scenarios() if k.startswith("list_cut")]},
        ),
        c.grid(
            "sliders",
            "A slider at 0 follows the wider row",
            _list_instrument_options(model),
            _SLIDERS,
            first="Applies to",
            group="Shocks",
        ),
        c.field("add", "Another name", placeholder="symbol", group="Shocks"),
        c.button("pin", "Add sliders", group="Shocks"),
    ]


def _list_loss_controls() -> list[c.Control]:
    group = "Value at risk"
    span: dict[str, Any] = {"min": 0.5, "max": 0.9999, "step": 0.005}
    return [
        c.field("level", "Confidence", kind="number", **span, group=group),
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


def _make_tile(row: dict[str, Any], label: str, name: str) -> tuple[str, str, str]:
    before, after = row[f"{name}_before"], row[f"{name}_after"]
    if after is None or before is None:
        return label, UNKNOWN, "unknown"
    change = after - before
    sign = "+" if change > 0 else ""
    return label, f"₹ {shown(after, 'money')}", f"{sign}{shown(change, 'money')}"


def _describe_coverage(row: dict[str, Any], *, single: bool) -> str:
    said = []
    if row["unpriced_count"]:
        said.append(f"{number_of(row['unpriced_count'], 'position')} without a price")
    if row["unknown_collateral_count"]:
        unknown = number_of(row["unknown_collateral_count"], "holding")
        said.append(f"the collateral of {unknown} is unknown")
    if not single:
        said.append("margin is of one account, choose one")
    if row["headroom_value_after"] is not None and row["headroom_value_after"] < 0:
        said.insert(0, "the margin need is not met")
    text = "; ".join(said)
    return text[:1].upper() + text[1:] + ("." if text else "")


def _draw_worst(effects: pl.DataFrame) -> str:
    """Draw the positions that lose most, bars in parts of the largest loss."""
    lost = effects.drop_nulls("value_effect").sort("value_effect").head(_WORST)
    lost = lost.filter(lost["value_effect"] < 0)
    if lost.is_empty():
        return ""
    largest = -lost["value_effect"][0]
    rows = [
        (
            row["symbol"] or row["instrument_id"],
            [
                (shown(row["price_shock"], "share"), 0.0),
                (shown(row["value_effect"], "money"), -row["value_effect"] / largest),
            ],
        )
        for row in lost.iter_rows(named=True)
    ]
    heads = ["Holding", "Price", "Effect, ₹"]
    return bars("Largest losses", heads, rows)


def _describe_plan(plan: PledgePlan) -> str:
    if plan.status == "infeasible":
        unmet = shown(plan.unmet_value, "money")
        said = f"Pledging everything still leaves ₹ {unmet} of the need unmet."
        return notice(said, "bad")
    proof = "proven cheapest" if plan.gap == 0 else "not proven: time ran out"
    return tiles(
        [
            ("Cost", f"₹ {shown(plan.cost, 'money')}", proof),
            ("Fees", f"₹ {shown(plan.fee_value, 'money')}", "per ISIN, with GST"),
            ("Interest", f"₹ {shown(plan.interest_value, 'money')}", "on missing cash"),
            (
                "Collateral",
                f"₹ {shown(plan.collateral_value, 'money')}",
                "of what to pledge now",
            ),
            ("One rupee more", f"₹ {shown(plan.shadow_price, 'number')}", "would cost"),
        ]
    )
