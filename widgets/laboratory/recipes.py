"""The models on offer, each called with the parameters that it knows."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import polars as pl

from holdings_kit import haircuts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["LABELS", "MODELS", "Model", "call_model", "split_prices"]

Model: TypeAlias = "Callable[..., pl.DataFrame]"
"""A function prices → HAIRCUTS; a researcher's own is one too."""

MODELS: Final[Mapping[str, Model]] = {
    "ewma": haircuts.ewma,
    "historical": haircuts.historical,
    "filtered_historical": haircuts.filtered_historical,
    "student_t": haircuts.student_t,
    "evt": haircuts.evt,
    "expected_shortfall": haircuts.expected_shortfall,
    "garch": haircuts.garch,
    "sebi_2020": haircuts.sebi_2020,
    "sebi_2005": haircuts.sebi_2005,
    "basel": haircuts.basel,
}
LABELS: Final = {
    "ewma": "EWMA",
    "historical": "Historical",
    "filtered_historical": "Filtered historical",
    "student_t": "Student t",
    "evt": "Extreme value",
    "expected_shortfall": "Expected shortfall",
    "garch": "GARCH",
    "sebi_2020": "SEBI 2020",
    "sebi_2005": "SEBI 2005",
    "basel": "Basel",
}
_BATCH: Final = 25


def call_model(
    model: Model, prices: pl.DataFrame, options: Mapping[str, Any]
) -> pl.DataFrame:
    """Call a model with those of the options that its signature names."""
    known = inspect.signature(model).parameters
    return model(prices, **{k: v for k, v in options.items() if k in known})


def split_prices(prices: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Split prices by instrument, so that work can report and be cancelled."""
    names = prices["instrument_id"].unique(maintain_order=True).to_list()
    for start in range(0, len(names), _BATCH):
        yield prices.filter(
            pl.col("instrument_id").is_in(names[start : start + _BATCH])
        )
