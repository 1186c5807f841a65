"""Tests that look at one series of breaches at a time."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl

from holdings_kit.haircuts import statistics as single
from holdings_kit.haircuts.statistics._overlapping import hac_mean

if TYPE_CHECKING:
    from holdings_kit.haircuts._frames import Bools, Floats, Ints

__all__ = ["POOLED", "Setting", "each"]

POOLED: Final = "pooled: instruments fall together"


class Setting(NamedTuple):
    """How the windows of a backtest relate.

    Attributes
    ----------
    p
        Expected share of breaches.
    horizon
        Days of a window.
    alone
        A row of the answer is one series of one instrument.
    draws, seed
        Of the block bootstrap.
    """

    p: float
    horizon: int
    alone: bool
    draws: int
    seed: int

    @property
    def disjoint(self) -> bool:
        """Whether windows of a row share no day and no market."""
        return self.alone and self.horizon == 1


def each(
    rows: pl.DataFrame, starts: Ints, setting: Setting
) -> dict[str, list[float | None] | list[str]]:
    """Test run by run, and say what to mind."""
    hits, cut = rows["breach"].to_numpy(), rows["haircut"].to_numpy()
    answers: dict[str, list[float | None]] = {}
    notes: list[str] = []
    for first, last in pairwise(starts.tolist()):
        run = hits[first:last]
        if setting.disjoint:
            found, note = _disjoint(run, cut[first:last], setting)
        elif setting.alone:
            found, note = _overlapping(run, setting)
        else:
            found, note = _pooled(rows[first:last], setting)
        for name, value in found.items():
            answers.setdefault(name, []).append(value)
        notes.append(note)
    return {**answers, "note": notes}


def _disjoint(
    hits: Bools, cut: Floats, setting: Setting
) -> tuple[dict[str, float | None], str]:
    level = 1 - setting.p
    waits = single.duration(hits)
    ended = "bound" in waits.note
    found = {
        "exact_p": _exact(int(hits.sum()), hits.size, level),
        "duration_p": None if ended else waits.p_value,
        "dynamic_quantile_p": single.dynamic_quantile(hits, cut, level).p_value,
        "hac_p": single.overlapping(hits, level, horizon=1).p_value,
    }
    notes = [_no_breach(hits, 1), "duration: shape on the bound" if ended else ""]
    return found, "; ".join(note for note in notes if note)


def _overlapping(hits: Bools, setting: Setting) -> tuple[dict[str, float | None], str]:
    options = {"horizon": setting.horizon, "draws": setting.draws, "seed": setting.seed}
    found = {
        f"{method}_p": single.overlapping(
            hits, 1 - setting.p, method=method, **options
        ).p_value
        for method in ("hac", "offsets", "bootstrap")
    }
    notes = [f"windows of {setting.horizon} days overlap"]
    notes.append(_no_breach(hits, setting.horizon))
    return found, "; ".join(note for note in notes if note)


def _pooled(
    rows: pl.DataFrame, setting: Setting
) -> tuple[dict[str, float | None], str]:
    daily = rows.group_by("date").agg(pl.col("breach").mean()).sort("date")
    rates = daily["breach"].to_numpy()
    found = hac_mean(rates, setting.p, setting.horizon)
    return {"hac_p": found.p_value}, POOLED


def _no_breach(hits: Bools, horizon: int) -> str:
    if hits.any():
        return ""
    windows = max(1, hits.size // horizon)
    bound = single.clopper_pearson(0, windows).upper
    return f"no breach: the rate is at most {bound:.4%} (95 %)"


@lru_cache(maxsize=4096)
def _exact(breaches: int, observations: int, level: float) -> float | None:
    return single.binomial(breaches, observations, level).p_value
