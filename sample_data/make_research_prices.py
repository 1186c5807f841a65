"""Draw the twelve price series of the research notebooks again: same seed, same closes.

``python sample_data/make_research_prices.py`` writes ``prices.csv.gz``; a folder as
argument writes there. README.md says what is drawn; no figure is a real share's.
"""

from __future__ import annotations

import gzip
import io
import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl

SEED, SESSIONS, FIRST = 20260105, 1500, date(2020, 1, 6)
CRASH = slice(820, 845)
# name: beta, own daily sigma, first session, drift, first price, still days, jump rate
NAMES: dict[str, tuple[float, float, int, float, float, float, float]] = {
    "ALLOYS": (1.25, 0.0150, 0, 0.0007, 410, 0, 0),
    "BANKERS": (1.15, 0.0095, 0, 0.0004, 730, 0, 0),
    "CALM": (0.45, 0.0055, 0, 0.0003, 1240, 0, 0),
    "DRUGS": (0.65, 0.0110, 0, 0.0004, 905, 0, 0.002),
    "ENERGY": (0.95, 0.0105, 0, 0.0003, 288, 0, 0),
    "GOLDFUND": (-0.05, 0.0072, 0, 0.0004, 46, 0, 0),
    "INDEXFUND": (1.00, 0.0010, 0, 0.0003, 118, 0, 0),
    "JUMPY": (0.80, 0.0125, 0, 0.0012, 560, 0, 0.006),
    "NEWCOMER": (1.30, 0.0205, 1050, 0.0002, 157, 0, 0),
    "THIN": (0.50, 0.0160, 0, 0.0001, 83, 0.35, 0),
    "USUAL": (0.90, 0.0100, 0, 0.0004, 335, 0, 0),
    "WILD": (1.45, 0.0270, 0, 0.0012, 420, 0, 0.003),
}


def prices() -> pl.DataFrame:
    """Draw closes: a market factor and one factor per name, both in clusters."""
    dice = np.random.default_rng(SEED)
    market = clustered(student(dice), 0.09, 0.89) * 0.0088
    market[CRASH] = market[CRASH] * 1.6 - 0.011
    days = weekdays()
    frames: list[pl.DataFrame] = []
    for name, (beta, own, start, drift, first, still, jump) in NAMES.items():
        moves = drift + beta * market + own * clustered(student(dice), 0.07, 0.90)
        if jump:
            fell = dice.random(SESSIONS) < jump
            moves = moves + np.where(fell, -dice.uniform(0.08, 0.20, SESSIONS), 0)
        closes = first * np.exp(np.cumsum(moves[start:]))
        if still:
            stale = dice.random(closes.size) < still
            stale[0] = False
            last = np.where(stale, 0, np.arange(closes.size))
            closes = closes[np.maximum.accumulate(last)]
        closes = np.round(np.maximum(np.round(closes / 0.05) * 0.05, 0.05), 2)
        columns = {"instrument_id": name, "date": days[start:], "close": closes}
        frames.append(pl.DataFrame(columns))
    return pl.concat(frames)


def student(dice: np.random.Generator) -> np.ndarray:
    """Draw Student-t moves of five degrees of freedom and variance one."""
    return dice.standard_t(5, SESSIONS) / np.sqrt(5 / 3)


def clustered(moves: np.ndarray, news: float, memory: float) -> np.ndarray:
    """Run GARCH(1,1) of unit variance over standard moves."""
    variance, out = 1.0, np.empty(moves.size)
    for place, move in enumerate(moves):
        out[place] = np.sqrt(variance) * move
        variance = (1 - news - memory) + news * out[place] ** 2 + memory * variance
    return out


def weekdays() -> list[date]:
    """List the sessions: every weekday, no holidays."""
    days = (FIRST + timedelta(days=number) for number in range(2 * SESSIONS))
    return [day for day in days if day.weekday() < 5][:SESSIONS]


def main(folder: Path) -> None:
    """Write the closes under a folder."""
    text = io.BytesIO()
    prices().write_csv(text, float_precision=2)
    packed = gzip.compress(text.getvalue(), mtime=0)
    (folder / "prices.csv.gz").write_bytes(packed)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
