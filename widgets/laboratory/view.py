"""The laboratory on the page: controls, coverage, pictures, export."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import polars as pl
from ipywidgets import HTML, VBox

from holdings_kit.display import number_of, plot
from holdings_kit.display._numbers import percent, quantity
from holdings_kit.errors import HoldingsError
from widgets.laboratory.model import LabModel
from widgets.page import notice, picture, tiles
from widgets.panel import Panel, Results, controls as c
from widgets.static import StaticFallback
from widgets.table import HoldingsTable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from matplotlib.figure import Figure

    from widgets.laboratory.recipes import Model

__all__ = ["HaircutLab"]

_COVERAGE: Final = [
    "instrument_id",
    "model",
    "n",
    "breaches",
    "expected",
    "ratio",
    "mean_haircut",
    "break_even_haircut",
    "excess",
    "worst_shortfall",
    "first_breach",
    "side",
    "offsets_p",
    "garch_p",
    "detectable_ratio",
    "christoffersen_p",
    "dynamic_quantile_p",
    "traffic_light",
    "note",
]
_PARAMETERS: Final = "Parameters"
_NOTHING: Final = "nothing is built yet; press Run"


class HaircutLab(StaticFallback, VBox):
    """Build and judge haircut models by clicking; read back `coverage`, `haircuts`.

    Parameters
    ----------
    prices
        PRICES: ``instrument_id, date, close``.
    models
        Further models by name, functions prices → HAIRCUTS.

    Examples
    --------
    >>> from holdings_kit.haircuts import PRICES
    >>> bench = HaircutLab(pl.DataFrame(schema=PRICES))
    >>> bench.model.models
    ['ewma', 'historical']
    """

    static_title = "Haircut laboratory"

    def __init__(
        self, prices: pl.DataFrame, *, models: Mapping[str, Model] | None = None
    ) -> None:
        self.model = model = LabModel(prices, models=models)
        self.panel = Panel(
            model,
            _list_lab_controls(model),
            title="Haircut laboratory",
            press={"run": model.run, "cancel": model.cancel},
        )
        self.summary, self.breaches = HTML(), HTML()
        self.heat, self.duel = HTML(), HTML()
        self.table: HoldingsTable | None = None
        self.daily: HoldingsTable | None = None
        self.results = Results(model, "coverage", [self.panel], press="Run")
        super().__init__([self.panel, self.results])
        self.add_class("hk-tool")
        model.observe(self._show_coverage, "coverage")
        model.observe(self._show_breaches, "name")
        model.observe(self._show_busy, "busy")

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
        self.panel.change("run", disabled=bool(self.model.busy))
        self.panel.change("cancel", disabled=not self.model.busy)

    def _show_coverage(self, _change: object) -> None:
        model = self.model
        if model.coverage is None:
            self.table = self.daily = None
            self.summary.value = self.breaches.value = ""
            self.heat.value = self.duel.value = ""
            self.results.show()
            return
        columns = [n for n in _COVERAGE if model.coverage[n].count() or n == "model"]
        self.table = HoldingsTable(
            model.coverage,
            caption=_write_caption(model),
            columns=columns,
            page_size=10,
        )
        self.daily = HoldingsTable(
            model.haircuts, caption="Haircuts, day by day", page_size=10
        )
        self.summary.value = _summarize_models(model.coverage, model.labels) + "".join(
            notice(f"{model.labels[name]} was left out: {why}", "warn")
            for name, why in model.refusals.items()
        )
        self._show_breaches(None)
        self.heat.value = _draw_or_explain(lambda: plot.adequacy_heatmap(model.by_year))
        duels = model.comparison
        self.duel.value = (
            ""
            if duels is None
            else _draw_or_explain(lambda: plot.model_comparison(duels))
        )
        self.results.show(
            self.summary, self.table, self.breaches, self.heat, self.duel, self.daily
        )

    def _show_breaches(self, _change: object) -> None:
        model = self.model
        if "coverage" not in model.made_from or not model.name:
            return
        used = model.made_from["coverage"]
        loss: Any = used["loss"]
        self.breaches.value = _draw_or_explain(
            lambda: plot.breach_plot(
                model.haircuts,
                model.prices,
                instrument_id=model.name,
                horizon=used["horizon"],
                loss=loss,
            )
        )


def _list_lab_controls(model: LabModel) -> list[c.Control]:
    seeds = [("first", "first return"), ("mean:250", "mean of 250 days")]
    losses = [("terminal", "at the end"), ("worst", "worst on the way")]
    names = [(name, name) for name in model.names]
    return [
        c.chips("models", "Models", list(model.labels.items())),
        c.field("level", "Level", kind="number", step=0.001, group=_PARAMETERS),
        c.field("horizon", "Horizon, days", kind="number", step=1, group=_PARAMETERS),
        c.field("window", "Window, days", kind="number", step=1, group=_PARAMETERS),
        c.field("decay", "Decay λ", kind="number", step=0.01, group=_PARAMETERS),
        c.select("seed", "Seed of the EWMA", seeds, group=_PARAMETERS),
        c.select("loss", "Loss judged", losses, group=_PARAMETERS),
        c.select("name", "Name in the breach plot", names, group=_PARAMETERS),
        c.button("run", "Run", primary=True),
        c.button("cancel", "Cancel", disabled=True),
    ]


def _summarize_models(coverage: pl.DataFrame, labels: Mapping[str, str]) -> str:
    sums = coverage.group_by("model", maintain_order=True).agg(
        pl.col("n", "breaches", "expected").sum(), pl.col("mean_haircut").mean()
    )
    return tiles(
        (
            labels.get(row["model"], row["model"]),
            number_of(row["breaches"], "breach", "breaches"),
            (
                f"{quantity(round(row['expected'], 1))} expected in {row['n']}, "
                f"mean haircut {percent(row['mean_haircut'], places=2)}"
            ),
        )
        for row in sums.iter_rows(named=True)
    )


def _write_caption(model: LabModel) -> str:
    used = model.made_from["coverage"]
    days = number_of(used["horizon"], "day")
    return f"Coverage at {percent(used['level'], places=2)} over {days}"


def _draw_or_explain(draw: Callable[[], Figure]) -> str:
    """Draw, or say why there is no picture."""
    try:
        return picture(draw())
    except HoldingsError as error:
        return notice(f"No picture: {error}", "warn")
