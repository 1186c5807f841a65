"""The laboratory as a view-model: prices and parameters in, coverage out."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias

import polars as pl
from traitlets import Dict, Enum, Float, Int, List, Unicode

from holdings_kit import haircuts as lab
from holdings_kit.errors import ConfigError, HoldingsError
from widgets.job import Job, Result
from widgets.laboratory.verdicts import name_instruments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Model: TypeAlias = "Callable[..., pl.DataFrame]"
"""A function prices → HAIRCUTS; a researcher's own is one too."""

_OURS: Final = (
    ("ewma", "EWMA", lab.ewma),
    ("historical", "Historical", lab.historical),
    ("filtered_historical", "Filtered historical", lab.filtered_historical),
    ("student_t", "Student t", lab.student_t),
    ("evt", "Extreme value", lab.evt),
    ("expected_shortfall", "Expected shortfall", lab.expected_shortfall),
    ("garch", "GARCH", lab.garch),
    ("sebi_2020", "SEBI 2020", lab.sebi_2020),
    ("sebi_2005", "SEBI 2005", lab.sebi_2005),
    ("basel", "Basel", lab.basel),
)
MODELS: Final[Mapping[str, Model]] = {key: model for key, _, model in _OURS}
LABELS: Final = {key: label for key, label, _ in _OURS}
_BATCH: Final = 25
_SHARE: Final = 0.7  # of the time that building the models takes
_MODEL_OPTIONS: Final = ("level", "horizon", "window", "decay", "seed")


def _call_model(
    model: Model, prices: pl.DataFrame, options: Mapping[str, Any]
) -> pl.DataFrame:
    """Call a model with those of the options that its signature names."""
    known = inspect.signature(model).parameters
    return model(prices, **{k: v for k, v in options.items() if k in known})


def _split_prices(prices: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Split prices by instrument, so that work can report and be cancelled."""
    names = prices["instrument_id"].unique(maintain_order=True).to_list()
    for start in range(0, len(names), _BATCH):
        yield prices.filter(
            pl.col("instrument_id").is_in(names[start : start + _BATCH])
        )


class LabModel(Job):
    """Build haircut models on prices and judge them.

    Attributes
    ----------
    models, level, horizon, window, decay, seed, loss, name
        Choices; `name` is the instrument of the breach plot.
    haircuts, coverage, by_year, comparison
        What a run made: HAIRCUTS, COVERAGE per instrument and model, the same per
        year, and `Comparison` where two models or more were built.
    refusals
        Model → why it could not be built.
    labels, names
        Model, and instrument, → its name on the page.
    """

    inputs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "coverage": ("models", "level", "horizon", "window", "decay", "seed", "loss")
    }

    models = List(Unicode(), ["ewma", "historical"])
    level = Float(0.99, min=0.5, max=0.9999)
    horizon = Int(1, min=1, max=250)
    window = Int(250, min=20, max=5000)
    decay = Float(0.94, min=0.5, max=0.9999)
    seed = Enum(("first", "mean:250"), "first")
    loss = Enum(("terminal", "worst"), "terminal")
    name = Unicode()
    refusals = Dict()

    haircuts = Result()
    coverage = Result()
    by_year = Result()
    comparison = Result()

    def __init__(
        self, prices: pl.DataFrame, *, models: Mapping[str, Model] | None = None
    ) -> None:
        super().__init__()
        self.prices = prices
        self.recipes: dict[str, Model] = {**MODELS, **(models or {})}
        self.labels = {key: LABELS.get(key, key) for key in self.recipes}
        self.names = name_instruments(prices)
        self.name = next(iter(self.names), "")
        self.models = [*self.models, *(models or {})]

    def run(self) -> None:
        """Build the models chosen, backtest and compare them; cancel at any time."""
        work = self._run_models()
        self.begin(work, what="Building the models", makes=["coverage"])

    def failed(self, error: Exception) -> None:
        """Take away all that the run before made, not the coverage alone."""
        super().failed(error)
        self.drop_results("haircuts", "by_year", "comparison")

    async def _run_models(self) -> None:
        used = self.capture_inputs("coverage")
        unknown = [name for name in self.models if name not in self.recipes]
        if unknown or not self.models:
            known = ", ".join(self.recipes)
            raise ConfigError(f"choose at least one model of: {known}")
        self.progress = 0.0
        built = []
        refusals: dict[str, str] = {}
        for done, name in enumerate(used["models"]):
            self.busy = f"Building {self.labels[name]}"
            try:
                built += await self._build_model(name, done, used)
            except HoldingsError as error:
                refusals[name] = str(error)
        if not built:
            raise ConfigError("; ".join(refusals.values()))
        made = pl.concat(built)
        self.busy, self.progress = "Backtesting", _SHARE
        options = {
            "horizon": used["horizon"],
            "level": used["level"],
            "loss": used["loss"],
            "draws": 199,
        }
        coverage = await self.run_in_thread(lab.backtest, made, self.prices, **options)
        self.progress = 0.85
        keys = ("instrument_id", "model", "year")
        yearly = await self.run_in_thread(
            lab.backtest, made, self.prices, by=keys, **options
        )
        comparison = None
        if made["model"].n_unique() > 1:
            self.busy, self.progress = "Comparing the models", 0.92
            comparison = await self.run_in_thread(
                lab.compare_models, made, self.prices, **options
            )
        self.haircuts, self.by_year = made, yearly
        self.comparison, self.refusals = comparison, refusals
        self.set_result("coverage", coverage, used)

    async def _build_model(
        self, name: str, done: int, used: Mapping[str, Any]
    ) -> list[pl.DataFrame]:
        """Build one model, in batches where it is one of ours."""
        own = name not in MODELS
        parts = [self.prices] if own else list(_split_prices(self.prices))
        options = {key: used[key] for key in _MODEL_OPTIONS}
        built = []
        for number, part in enumerate(parts):
            built.append(
                await self.run_in_thread(_call_model, self.recipes[name], part, options)
            )
            whole = (done + (number + 1) / len(parts)) / len(used["models"])
            self.progress = _SHARE * whole
        return built
