"""The laboratory on the page: settings, the models ranked, pictures, exports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import polars as pl
from ipywidgets import HTML, VBox

from holdings_kit.display import plot
from holdings_kit.display._export import guard_formulas
from holdings_kit.display._numbers import quantity
from holdings_kit.errors import HoldingsError
from widgets.board import Board
from widgets.laboratory.model import LabModel
from widgets.laboratory.page import name_file, write_empty, write_judgement
from widgets.laboratory.verdicts import judge_models, rename_rows
from widgets.page import notice, picture
from widgets.panel import Panel, Results, controls as c
from widgets.static import StaticFallback
from widgets.table import HoldingsTable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date

    from matplotlib.figure import Figure

    from widgets.laboratory.model import Model

_COVERAGE: Final = [
    *("instrument", "model", "windows", "breaches", "expected", "ratio"),
    *("mean_haircut", "break_even_haircut", "worst_loss_above_haircut", "side"),
    *("offsets_p", "GARCH_p", "traffic_light"),
]
"""As many as a page is wide; the table offers the others."""
_DAILY: Final = ["instrument", "date", "model", "haircut", "volatility", "floor_hit"]
_HEADS: Final = {
    "instrument_id": "instrument",
    "n": "windows",
    "excess": "excess_haircut",
    "worst_shortfall": "worst_loss_above_haircut",
    "garch_p": "GARCH_p",
}
"""Columns named for people; `coverage` and the exports keep their own names."""
_TITLE: Final = "Which haircut holds?"
_NOTHING: Final = "nothing is built yet; press Run"
_MAPPED: Final = 20
"""Names of a heat map that can be read; more are in the table."""


class HaircutLab(StaticFallback, VBox):
    """Build and judge haircut models by clicking; read back `coverage`, `haircuts`.

    Parameters
    ----------
    prices
        PRICES: ``instrument_id, date, close``; a column ``symbol`` names instruments on
        the page.
    models
        Further models by name, functions prices → HAIRCUTS.

    Examples
    --------
    >>> from holdings_kit.haircuts import PRICES
    >>> bench = HaircutLab(pl.DataFrame(schema=PRICES))
    >>> bench.model.models
    ['ewma', 'historical']
    """

    static_title = _TITLE

    def __init__(
        self, prices: pl.DataFrame, *, models: Mapping[str, Model] | None = None
    ) -> None:
        self.model = model = LabModel(prices, models=models)
        self.panel = Panel(
            model,
            _list_lab_controls(model),
            title=_TITLE,
            press={"run": model.run, "cancel": model.cancel},
        )
        self.picker = Panel(
            model,
            [c.select("name", "Name in the picture", list(model.names.items()))],
            shows_work=False,
        )
        self.board = Board(
            {
                "open": self._toggle_names,
                "coverage": self._export_coverage,
                "haircuts": self._export_haircuts,
            }
        )
        self._opened: list[str] = []
        self.breaches, self.heat, self.duel = HTML(), HTML(), HTML()
        self.table: HoldingsTable | None = None
        self.daily: HoldingsTable | None = None
        self.results = Results(model, "coverage", [self.panel], press="Run")
        super().__init__([self.panel, self.results])
        self.add_class("hk-tool")
        model.observe(self._show_coverage, "coverage")
        model.observe(self._show_breaches, "name")
        model.observe(self._show_models, "models")
        model.observe(self._show_busy, "busy")
        self._show_coverage(None)

    @property
    def coverage(self) -> pl.DataFrame:
        """How the haircuts held (COVERAGE, a row per instrument and model)."""
        return self.model.require_current("coverage", nothing=_NOTHING)

    @property
    def haircuts(self) -> pl.DataFrame:
        """What the models say each day (HAIRCUTS)."""
        self.model.require_current("coverage", nothing=_NOTHING)
        return self.model.haircuts

    def _show_busy(self, _change: object) -> None:
        idle = not self.model.busy
        self.panel.change("run", disabled=not idle)
        self.panel.change("cancel", disabled=idle, hidden=idle)

    def _show_models(self, _change: object) -> None:
        if self.model.coverage is None:
            self._show_coverage(None)

    def _show_coverage(self, _change: object) -> None:
        model = self.model
        self._opened = []
        self._show_judgement()
        if model.coverage is None:
            self.table = self.daily = None
            self.breaches.value = self.heat.value = self.duel.value = ""
            self.results.show(self.board)
            return
        shown = _name_rows(model, model.coverage)
        columns = [n for n in _COVERAGE if shown[n].count() or n == "model"]
        self.table = HoldingsTable(
            shown,
            caption="Coverage, every name and model",
            columns=columns,
            page_size=10,
        )
        daily = _name_rows(model, model.haircuts)
        self.daily = HoldingsTable(
            daily,
            caption="Haircuts, day by day",
            columns=[name for name in _DAILY if name in daily.columns],
            page_size=10,
        )
        self._show_breaches(None)
        self._show_years()
        self._show_duel()
        self.results.show(
            self.board,
            *(self.picker, self.breaches, self.heat, self.duel),
            *(self.table, self.daily),
        )

    def _show_judgement(self) -> None:
        model = self.model
        if model.coverage is None:
            self.board.markup = write_empty(
                len(model.models), len(model.names), model.prices["date"].n_unique()
            )
            return
        self.board.markup = write_judgement(
            judge_models(model.coverage),
            model.coverage,
            used=model.made_from["coverage"],
            labels=model.labels,
            names=model.names,
            span=self._find_span(),
            refusals=model.refusals,
            opened=self._opened,
        )

    def _find_span(self) -> tuple[date, date]:
        dates: Any = self.model.haircuts["date"]
        return dates.min(), dates.max()

    def _show_breaches(self, _change: object) -> None:
        model = self.model
        if "coverage" not in model.made_from or not model.name:
            return
        used = model.made_from["coverage"]
        loss: Any = used["loss"]
        one = {"instrument_id": model.name}
        self.breaches.value = _draw_or_explain(
            lambda: plot.breach_plot(
                rename_rows(model.haircuts.filter(**one), model.labels, model.names),
                rename_rows(model.prices.filter(**one), {}, model.names),
                instrument_id=model.names[model.name],
                horizon=used["horizon"],
                loss=loss,
            )
        )

    def _show_years(self) -> None:
        """Map breaches by year, of the names with most for what is expected."""
        model = self.model
        worst = (
            model.coverage.group_by("instrument_id")
            .agg(pl.col("breaches").sum() / pl.col("expected").sum())
            .sort(
                "breaches", "instrument_id", descending=[True, False], nulls_last=True
            )
        )
        left = worst.height - _MAPPED
        rows = model.by_year.join(
            worst.head(_MAPPED), on="instrument_id", how="semi", maintain_order="left"
        )
        rows = rename_rows(rows, model.labels, model.names)
        said = (
            f"The {_MAPPED} names with most breaches for what is expected; "
            f"{quantity(left)} more are in the table."
        )
        self.heat.value = _draw_or_explain(lambda: plot.adequacy_heatmap(rows)) + (
            notice(said) if left > 0 else ""
        )

    def _show_duel(self) -> None:
        duels = self.model.comparison
        labels = self.model.labels
        self.duel.value = (
            ""
            if duels is None
            else _draw_or_explain(
                lambda: plot.model_comparison(
                    duels._replace(
                        scores=rename_rows(duels.scores, labels, {}),
                        duels=rename_rows(duels.duels, labels, {}),
                        losses=duels.losses.rename(labels, strict=False),
                    )
                )
            )
        )

    def _toggle_names(self, name: str) -> None:
        others = [one for one in self._opened if one != name]
        self._opened = others if name in self._opened else [*others, name]
        self._show_judgement()

    def _export_coverage(self, _value: str) -> None:
        self._export("coverage", self.model.coverage)

    def _export_haircuts(self, _value: str) -> None:
        self._export("haircuts", self.model.haircuts)

    def _export(self, what: str, frame: pl.DataFrame | None) -> None:
        """Give the browser a file of exact values, with the ids as they are."""
        if frame is not None:
            name = name_file(what, self.model.made_from["coverage"], self._find_span())
            self.board.save(name, guard_formulas(frame).write_csv().encode())


def _list_lab_controls(model: LabModel) -> list[c.Control]:
    seeds = [("first", "the first return"), ("mean:250", "the mean of 250 days")]
    losses = [("terminal", "at the end"), ("worst", "worst on the way")]
    number: dict[str, Any] = {"kind": "number"}
    return [
        c.chips(
            "models", "Built and judged", list(model.labels.items()), group="Models"
        ),
        c.field("level", "Level, %", **number, step=0.5, percent=True, group="Promise"),
        c.field("horizon", "Days to sell", **number, step=1, group="Promise"),
        c.select("loss", "Loss judged", losses, group="Promise"),
        c.field("window", "Days looked back", **number, step=1, group="Estimate"),
        c.field("decay", "EWMA decay λ", **number, step=0.01, group="Estimate"),
        c.select("seed", "EWMA starts from", seeds, group="Estimate"),
        c.button("run", "Run", primary=True),
        c.button("cancel", "Cancel", disabled=True, hidden=True),
    ]


def _name_rows(model: LabModel, frame: pl.DataFrame) -> pl.DataFrame:
    named = rename_rows(frame, model.labels, model.names)
    return named.rename(_HEADS, strict=False)


def _draw_or_explain(draw: Callable[[], Figure]) -> str:
    """Draw, or say why there is no picture."""
    try:
        return picture(draw())
    except HoldingsError as error:
        return notice(f"No picture: {error}", "warn")
