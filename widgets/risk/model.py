"""The explorer as a view-model: a book and shocks in, effects and a plan out."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, Final

import polars as pl
from traitlets import Dict, Enum, Float, Int, List, Unicode, observe

import holdings_kit as hk
from holdings_kit.errors import ConfigError, HoldingsError
from holdings_kit.risk import RISK, Fees
from holdings_kit.risk._shock import ReadyBook
from widgets.job import Job, Result
from widgets.risk.shocks import (
    CUSTOM,
    NO_SHOCK,
    Sliders,
    floor_of,
    preset,
    scenarios,
    shocks_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdings_kit.risk import PledgePlan
    from holdings_kit.schema import Loaded

_NAMES: Final = 8
_MOST_ACCOUNTS: Final = 200


_BOOK: Final = ("account", "cash", "need", "rules")


class RiskModel(Job):
    """Shock a book; every change of a choice makes `result` anew, at once.

    Attributes
    ----------
    account, scenario, sliders, off_list, need, cash, rules, quantity, horizon_days
        Choices. `sliders` maps ``all``, an asset class or an instrument id to
        ``price`` and ``haircut``, fractions; 0 follows the wider row. A slider that is
        moved by hand makes the scenario ``custom``.
    origin
        The published scenario that a custom one was changed from; empty if none.
    result
        SHOCKED, one row.
    positions, kinds, collateral
        `holdings` netted and valued (POSITIONS); the asset class of each position; what
        they are worth as collateral without a shock (COLLATERAL).
    effects
        Each position before and after (`holdings_kit.risk.shock_positions`).
    plan
        The last pledge plan; ``None`` before.
    level, loss_days, window
        Choices of value at risk: confidence, days of a loss, returns looked back at.
    losses
        RISK, a row per method (`holdings_kit.value_at_risk`) of today's values, without
        the shocks; empty without `prices`.
    """

    inputs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "result": (*_BOOK, "quantity", "scenario", "sliders", "off_list"),
        "plan": (*_BOOK, "horizon_days"),
        "losses": ("account", "level", "loss_days", "window"),
    }

    account = Unicode()
    scenario = Unicode(NO_SHOCK)
    sliders = Dict()
    off_list = List(Unicode())
    need = Float(0.0, min=0.0)
    cash = Float(0.0, min=0.0)
    rules = Enum(("strict", "broker"), "strict")
    quantity = Enum(("pledged", "pledgeable", "owned"), "pledgeable")
    horizon_days = Int(30, min=0, max=366)
    add = Unicode()
    level = Float(0.99, min=0.5, max=0.9999)
    loss_days = Int(1, min=1, max=250)
    window = Int(250, min=2, max=5000)
    origin = Unicode()

    names = List()
    valued = Int(0)
    result = Result()
    effects = Result()
    plan = Result()
    losses = Result()

    def __init__(
        self,
        book: Loaded | pl.DataFrame,
        prices: pl.DataFrame | None = None,
        **choices: Any,
    ) -> None:
        self.prices = prices
        self.losses = pl.DataFrame(schema=RISK)
        if isinstance(book, pl.DataFrame):
            self._reported = self._through = book
        else:
            self._reported, self._through = book.holdings, hk.look_through(book)
        accounts = self._through["account_id"].unique().sort().to_list()
        self.accounts: list[str] = accounts[:_MOST_ACCOUNTS]
        self._ready = self._presetting = False
        self._ready_book: ReadyBook | None = None
        self._ready_figures: tuple[float, float, str] | None = None
        super().__init__(**choices)
        self._value_book()

    @property
    def holdings(self) -> pl.DataFrame:
        """The holdings of the account chosen, each share once."""
        return self._select_account(self._through)

    @property
    def classes(self) -> list[str]:
        """The asset classes in the book."""
        return self.positions["asset_class"].drop_nulls().unique().sort().to_list()

    def class_of(self, instrument_id: str) -> str:
        """Give the asset class of an instrument; empty where it is not known."""
        return self._classes.get(instrument_id, "")

    @property
    def value(self) -> Decimal | None:
        """What the positions with a price are worth; null where none has one."""
        known = self.positions["market_value"].drop_nulls().to_list()
        return sum(known, Decimal(0)) if known else None

    @property
    def single(self) -> bool:
        """Whether this is one account: cash and need are facts about an account."""
        return self.collateral["account_id"].n_unique() <= 1

    def concentration(self) -> pl.DataFrame:
        """Measure concentration as reported and after look-through, a row each."""
        after = before = hk.concentration(self.positions)
        if self._reported is not self._through:
            reported = self._select_account(self._reported)
            before = hk.concentration(hk.consolidate(reported))
        view = pl.Series("view", ["as reported", "looked through"])
        return pl.concat([before, after]).insert_column(0, view)

    def pin(self) -> None:
        """Give the instrument named in `add` sliders of its own."""
        said = self.add.strip().upper()
        text = pl.col("symbol", "instrument_id", "isin").str.to_uppercase()
        rows = self.positions.filter(pl.any_horizontal(text == said))
        if rows.is_empty():
            raise ConfigError(f"{self.add!r} is not in this book; write its symbol")
        key = rows["instrument_id"][0]
        if key not in dict(self.names):
            self.names = [*self.names, (key, rows["symbol"][0] or key)]
        self.add = ""

    def reset(self) -> None:
        """Put every slider back to 0."""
        self._set_shocks({}, scenario=NO_SHOCK)
        self.off_list = []

    def plan_pledge(self) -> None:
        """Search the cheapest pledge that meets the need, in a thread."""
        what = "Searching the cheapest pledge"
        self.begin(self._run_plan(), what=what, makes=["plan"])

    async def _run_plan(self) -> None:
        used = self.capture_inputs("plan")
        if self.need <= 0:
            raise ConfigError("the need is 0; enter the margin to reach, in rupees")
        rows = self.holdings
        if rows["account_id"].n_unique() > 1:
            raise ConfigError("a pledge is planned for one account; choose one")
        plan: PledgePlan = await self.run_in_thread(
            hk.pledge_plan,
            rows,
            need=_read_amount(self.need),
            cash=_read_amount(self.cash),
            fees=Fees(),
            rules=self.rules,  # pyright: ignore[reportArgumentType]
            horizon_days=self.horizon_days,
        )
        self.set_result("plan", plan, used)

    @observe("account")
    def _reload_book(self, _change: object) -> None:
        if self._ready:
            self._ready = False
            self.reset()
            self._value_book()

    @observe("scenario")
    def _apply_preset(self, _change: object) -> None:
        known = dict(scenarios())
        if self.scenario not in known:
            raise ConfigError(f"unknown scenario {self.scenario!r}")
        if self.scenario != CUSTOM:
            found = preset(self.scenario)
            self._set_shocks({} if found is None else {"all": found})
        self._apply_shock()

    @observe("sliders")
    def _leave_scenario(self, _change: object) -> None:
        """Take the label of a scenario off sliders that were moved by hand."""
        if not self._presetting and self.scenario != CUSTOM:
            published = self.scenario != NO_SHOCK
            self.origin = self.scenario if published else ""
            self.scenario = CUSTOM
        self._apply_shock()

    @observe("off_list", "need", "cash", "rules", "problems")
    def _shock_again(self, _change: object) -> None:
        self._apply_shock()

    @observe("level", "loss_days", "window")
    def _measure_again(self, _change: object) -> None:
        if self._ready:
            self._measure_losses()

    def _measure_losses(self) -> None:
        if self.prices is None or set(self.inputs["losses"]) & set(self.problems):
            return
        used = self.capture_inputs("losses")
        try:
            losses = hk.value_at_risk(
                self.positions,
                self.prices,
                level=self.level,
                horizon_days=self.loss_days,
                window=self.window,
            )
        except HoldingsError as error:
            self.error = str(error)
            self.drop_results("losses")
            return
        self.error = ""
        self.set_result("losses", losses, used)

    def _set_shocks(self, sliders: Sliders, *, scenario: str | None = None) -> None:
        """Set the sliders as a scenario has them, not as a hand moved them."""
        self._presetting = True
        try:
            self.origin = ""
            if scenario is not None:
                self.scenario = scenario
            self.sliders = dict(sliders)
        finally:
            self._presetting = False

    @observe("quantity")
    def _plan_again(self, _change: object) -> None:
        if self._ready:
            self.collateral = hk.collateral(self.holdings, quantity=self.quantity)  # pyright: ignore[reportArgumentType]
            self._ready_book = None
            self._apply_shock()

    def _select_account(self, holdings: pl.DataFrame) -> pl.DataFrame:
        if not self.account:
            return holdings
        return holdings.filter(pl.col("account_id") == self.account)

    def _value_book(self) -> None:
        """Value the book once; a slider then only moves it."""
        self.positions = hk.consolidate(self.holdings)
        self.kinds = self.positions.select("instrument_id", "asset_class").unique(
            "instrument_id", maintain_order=True
        )
        self._classes = {key: kind or "" for key, kind in self.kinds.iter_rows()}
        self.collateral = hk.collateral(self.holdings, quantity=self.quantity)  # pyright: ignore[reportArgumentType]
        self._ready_book = None
        largest = self.positions.filter(pl.col("market_value").is_not_null())
        top = largest.select("instrument_id", "symbol").head(_NAMES)
        self.names = [(key, symbol or key) for key, symbol in top.iter_rows()]
        self._ready = True
        self._apply_shock()
        self._measure_losses()
        self.valued += 1

    def _apply_shock(self) -> None:
        """Make the result anew; while an input is wrong the old one stays, stale."""
        if not self._ready or set(self.inputs["result"]) & set(self.problems):
            return
        used = self.capture_inputs("result")
        shocks = shocks_of(
            self.sliders,
            classes=self._classes,
            floor=floor_of(self.origin or self.scenario),
            off_list=self.off_list,
        )
        try:
            result, effects = self._prepare_book().shock(shocks)
        except HoldingsError as error:
            self.error = str(error)
            self.drop_results("result", "effects")
            return
        self.error = ""
        self.effects = effects
        self.set_result("result", result, used)

    def _prepare_book(self) -> ReadyBook:
        """Take the book as last prepared, unless the margin is of other figures."""
        figures = (self.cash, self.need, self.rules)
        if self._ready_book is None or self._ready_figures != figures:
            self._ready_figures = figures
            self._ready_book = ReadyBook(
                self.positions,
                self.collateral,
                cash=_read_amount(self.cash) if self.single else None,
                need=_read_amount(self.need) if self.single else None,
                rules=self.rules,  # pyright: ignore[reportArgumentType]
            )
        return self._ready_book


def _read_amount(amount: float) -> Decimal:
    return Decimal(str(round(amount, 2)))
