"""Draw the usual null tables, and write them as the file that the package ships.

``python -m benchmarks.null_tables PLACE``: minutes. The draws have a seed, so the file
is the one in `holdings_kit/haircuts/statistics` as long as the statistics are the same.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from holdings_kit.haircuts.statistics._laws import (
    SHIPPED,
    Kind,
    condense_draws,
    draw_table,
    name_table,
    round_days,
)

DAYS = (250, 500, 750, 1000, 1250, 2500)
LEVELS = (0.95, 0.975, 0.99, 0.995)
COUNTS = range(2, 41)


def make_tables(place: Path) -> None:
    haas: list[tuple[Kind, int, float]] = [
        ("haas_mixed", n, 1 - level) for n in DAYS for level in LEVELS
    ]
    durations: list[tuple[Kind, int, float]] = [
        ("duration", round_days(n, x), float(x)) for n in DAYS for x in COUNTS
    ]
    drawn = {
        name_table(*key): condense_draws(draw_table(*key), "").values
        for key in dict.fromkeys(haas + durations)
    }
    np.savez_compressed(
        place,
        names=np.array(" ".join(drawn)),
        values=np.array(list(drawn.values()), dtype=np.float32),
    )


if __name__ == "__main__":
    make_tables(Path(sys.argv[1] if len(sys.argv) > 1 else SHIPPED))
