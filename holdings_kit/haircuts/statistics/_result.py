"""What every test returns, and what it takes as hits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from inspect import signature
from typing import Any, Final, NamedTuple, ParamSpec, TypeAlias

import numpy as np
import polars as pl

from holdings_kit.errors import ConfigError, readable
from holdings_kit.haircuts._frames import Bools, Floats, check_fraction

_Asked = ParamSpec("_Asked")
EQUAL: Final = 1e-9

Hits: TypeAlias = pl.Series | Sequence[bool] | Bools
"""Breaches in time order, true on a day whose loss exceeded the haircut."""
Numbers: TypeAlias = pl.Series | Sequence[float] | Floats


@readable
class TestResult(NamedTuple):
    """The answer of one test.

    Attributes
    ----------
    statistic
        The test statistic; NaN where the data do not determine one.
    p_value
        Probability of a statistic at least as extreme when the model is right;
        ``None`` where there is no such law, or it would be wrong to print one.
    df
        Degrees of freedom of the chi-square law, ``None`` for any other law.
    note
        The convention used, or why there is no number.
    side
        Of a two-sided test: ``too many`` or ``too few`` breaches; else ``None``.
    name
        Which test it is.
    breaches, expected
        What it counted, and how many the level promises; ``None`` where it counts none.

    Examples
    --------
    >>> from holdings_kit.haircuts.statistics import kupiec
    >>> kupiec(14, 1250, 0.99)
    Kupiec POF: 14 breaches, 12.5 expected, p 0.62 (not rejected)
    binomial law, mid-p: at nominal 5 % it rejects 4.4% of right models here
    """

    __test__ = False  # the name is no invitation to a test collector

    statistic: float
    p_value: float | None
    df: int | None
    note: str
    side: str | None = None
    name: str = ""
    breaches: int | None = None
    expected: float | None = None


def name_test(
    name: str,
) -> Callable[[Callable[_Asked, TestResult]], Callable[_Asked, TestResult]]:
    """Write on each answer of a test its name and, where it counts, what it counted."""

    def decorate(test: Callable[_Asked, TestResult]) -> Callable[_Asked, TestResult]:
        takes = signature(test)

        @wraps(test)
        def run(*args: _Asked.args, **kwargs: _Asked.kwargs) -> TestResult:
            found = test(*args, **kwargs)
            breaches, expected = _count(takes.bind(*args, **kwargs).arguments)
            return found._replace(name=name, breaches=breaches, expected=expected)

        return run

    return decorate


def _count(asked: dict[str, Any]) -> tuple[int | None, float | None]:
    """Count the breaches that a test was asked about, and those its level promises."""
    hits: Any = asked.get("hits")
    if hits is None:
        breaches, days = asked.get("breaches"), asked.get("observations")
    elif hasattr(hits, "_fields"):  # counts of transitions
        breaches = hits.n01 + hits.n11 + int(hits.first)
        days = 1 + sum((hits.n00, hits.n01, hits.n10, hits.n11))
    else:
        flags = as_hits(hits)
        breaches, days = int(np.count_nonzero(flags)), flags.size
    if breaches is None or not days or "level" not in asked:
        return breaches, None
    return breaches, days * (1 - asked["level"])


def unknown(note: str) -> TestResult:
    """Answer that the data do not determine the statistic."""
    return TestResult(float("nan"), None, None, note)


def as_hits(hits: Hits) -> Bools:
    """Read hits as Booleans; refuse unknown ones, which would shift the order."""
    if isinstance(hits, np.ndarray) and hits.dtype == np.bool_:
        return hits
    series = hits if isinstance(hits, pl.Series) else pl.Series("hits", hits)
    if series.null_count() or series.dtype not in {pl.Boolean(), pl.Null()}:
        raise ConfigError(
            f"hits: need Booleans without nulls, have {series.dtype} with "
            f"{series.null_count()} nulls; drop the days that are not known"
        )
    return series.cast(pl.Boolean()).to_numpy()


def as_floats(values: Numbers, name: str, length: int | None = None) -> Floats:
    """Read numbers as floats; refuse unknown ones and other lengths."""
    series = values if isinstance(values, pl.Series) else pl.Series(name, values)
    out = series.cast(pl.Float64()).to_numpy()
    if series.null_count() or not bool(np.all(np.isfinite(out))):
        raise ConfigError(f"{name}: holds values that are not known; drop those days")
    if length is not None and out.size != length:
        raise ConfigError(f"{name}: has {out.size} values where {length} are needed")
    return out


def check_level(level: float) -> float:
    """Return 1 − level, the expected share of breaches."""
    check_fraction(level, "level")
    return 1 - level


def side_of(breaches: float, expected: float) -> str | None:
    """Say on which side of the expected number the breaches are."""
    if abs(breaches - expected) <= EQUAL * max(expected, 1.0):
        return None
    return "too many" if breaches > expected else "too few"


def size_note(size: float, law: str = "asymptotic") -> str:
    """Say how often a p-value rejects a right model at nominal 5 %."""
    return f"{law}: at nominal 5 % it rejects {size:.1%} of right models here"


def share(flags: Bools) -> float:
    """Share of flags that are true."""
    return int(np.count_nonzero(flags)) / max(flags.size, 1)


def share_as_large(observed: float, drawn: Floats, *, ties: float = 1.0) -> float:
    """Monte-Carlo p-value, (1 + number of draws ≥ observed)/(draws + 1).

    Equal values count by `ties`: 1 errs on the side of no rejection, ½ is the mid-p
    of a statistic that takes few values. The series itself is one of the equals.
    """
    near = 1e-9 * (1 + abs(observed))
    equal = 1 + int(np.count_nonzero(np.abs(drawn - observed) <= near))
    above = int(np.count_nonzero(drawn > observed + near))
    return (above + ties * equal) / (drawn.size + 1)
