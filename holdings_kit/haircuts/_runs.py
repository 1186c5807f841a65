"""Counts and likelihood ratios of many hit series at once, as whole columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from holdings_kit.haircuts._numeric import beta_quantile, binomial_cdf, chi2_sf
from holdings_kit.haircuts.statistics._coverage import GREEN, YELLOW, pof, tuff_term
from holdings_kit.haircuts.statistics._independence import transition_ratio

if TYPE_CHECKING:
    from holdings_kit.haircuts._frames import Bools, Floats, Ints

__all__ = ["counted", "rate_limits", "ratios"]

ERROR: Final = 0.05


def counted(hits: Bools, starts: Ints) -> dict[str, Floats]:
    """Count each run: n, x, transitions, first breach (day number), waiting ratios."""
    first = starts[:-1]
    before = np.append(False, hits[:-1])
    inside = np.ones(hits.size, bool)
    inside[first] = False

    def total(flags: Bools) -> Floats:
        return np.add.reduceat(flags.astype(np.float64), first)

    at = np.flatnonzero(hits)
    run = np.searchsorted(starts, at, side="right") - 1
    fresh = np.append(True, run[1:] != run[:-1]) if at.size else np.zeros(0, bool)
    since = np.where(fresh, first[run] - 1, np.append(-1, at[:-1])[: at.size])
    wait = np.full(first.size, np.nan)
    wait[run[fresh]] = (at - since)[fresh]
    return {
        "n": np.diff(starts).astype(np.float64),
        "x": total(hits),
        "n00": total(~hits & ~before & inside),
        "n01": total(hits & ~before & inside),
        "n10": total(~hits & before & inside),
        "n11": total(hits & before & inside),
        "first": wait,
        "run": run.astype(np.float64),
        "waits": (at - since).astype(np.float64),
    }


def ratios(found: dict[str, Floats], p: float) -> dict[str, Floats]:
    """p-values of the tests that need counts and waits alone; NaN without a breach."""
    n, x = found["n"], found["x"]
    runs = n.size
    covered = pof(x, n, p)
    chained = transition_ratio(*(found[name] for name in ("n00", "n01", "n10", "n11")))
    none = np.where(x > 0, 1.0, np.nan)
    between = np.bincount(
        found["run"].astype(np.int64),
        weights=tuff_term(found["waits"], p),
        minlength=runs,
    )
    waiting = tuff_term(np.nan_to_num(found["first"], nan=1.0), p)
    return {
        "kupiec_p": chi2_sf(covered, 1),
        "tuff_p": chi2_sf(waiting, 1) * none,
        "christoffersen_p": chi2_sf(chained, 1) * none,
        "conditional_coverage_p": chi2_sf(covered + chained, 2),
        "haas_p": chi2_sf(between + covered, x + 1),
    }


def rate_limits(x: Floats, n: Floats) -> tuple[Floats, Floats]:
    """Clopper–Pearson limits of the rate, as `clopper_pearson`, for columns."""
    none, every = x <= 0, x >= n
    inner = np.where(none | every, n / 2, x)
    lower = beta_quantile(inner, n - inner + 1, ERROR / 2)
    upper = beta_quantile(inner + 1, n - inner, 1 - ERROR / 2)
    one_sided = ERROR ** (1 / n)
    lower = np.where(none, 0.0, np.where(every, one_sided, lower))
    return lower, np.where(every, 1.0, np.where(none, 1 - one_sided, upper))


def zones(x: Floats, n: Floats, p: float) -> pl.Series:
    """Basel zone of each run."""
    below = binomial_cdf(x, n, p)
    names = np.where(
        below <= GREEN, "green", np.where(below <= YELLOW, "yellow", "red")
    )
    return pl.Series("traffic_light", names.tolist(), dtype=pl.String())
