"""Named market scenarios as data: what fell, by how much, on which day, says who.

Price shocks are published moves of the Nifty 50 on or up to a day. What a scenario
adds to haircuts, and that every instrument moves with the index, is illustrative.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Final

import polars as pl

from holdings_kit.errors import ConfigError, FrameError, require_known
from holdings_kit.risk._margin_rules import LIST_CUT
from holdings_kit.schema import fill_columns, require_columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SHOCKS: Final = pl.Schema(
    {
        "scenario": pl.String(),
        "step": pl.String(),
        "scope": pl.String(),  # all | asset_class | instrument_id
        "key": pl.String(),  # of the scope; null for all
        "price_shock": pl.Float64(),  # fraction of the price, −1 … ; null: no change
        "haircut_add": pl.Float64(),  # added to the haircut; null: no change
        "haircut_floor": pl.Float64(),  # least haircut; null: none
    }
)
"""What to do to whom. The narrowest scope that names an instrument wins."""

_FALLS: Final = "learnstockmarket.in, list of the index's biggest daily falls"
SCENARIOS: Final = pl.DataFrame(
    [
        (
            "2008",
            "24 Oct 2008, one day",
            date(2008, 10, 24),
            -0.1220,
            0.10,
            _FALLS,
        ),
        ("2008", "calendar year", date(2008, 12, 31), -0.5179, 0.20, "wealthpedia.in"),
        ("march_2020", "one day", date(2020, 3, 23), -0.1298, 0.10, _FALLS),
        ("march_2020", "23 sessions", date(2020, 3, 23), -0.38, 0.20, "arinedge.com"),
        ("june_2024", "one day", date(2024, 6, 4), -0.0593, 0.05, "livemint.com"),
    ],
    schema={
        "scenario": pl.String(),
        "step": pl.String(),
        "on": pl.Date(),
        "price_shock": pl.Float64(),
        "haircut_add": pl.Float64(),  # illustrative throughout
        "source": pl.String(),  # of the price shock
    },
    orient="row",
)
"""Index moves by scenario; ``list_cut_2024`` comes from `margin_rules.LIST_CUT`."""

_LIST_CUT: Final = "list_cut_2024"


def scenario(
    name: str,
    *,
    overrides: Mapping[str, float] | None = None,
    off_list: Sequence[str] = (),
) -> pl.DataFrame:
    """Turn a named scenario into SHOCKS.

    Parameters
    ----------
    name
        ``2008``, ``march_2020``, ``june_2024``: the index's fall hits every instrument
        alike, and haircuts rise by an illustrative figure. ``list_cut_2024``: the
        instruments in `off_list` step to haircuts of 40, 60, 80 and 100 %.
    overrides
        Price shocks of their own for asset classes or instruments, in each step.
    off_list
        Ids of the instruments that the list cut removed.

    Returns
    -------
    SHOCKS
        One step after the other.

    Raises
    ------
    ConfigError
        An unknown name, or a list cut that names no instrument.

    Examples
    --------
    >>> scenario("june_2024")["price_shock"].to_list()
    [-0.0593]
    >>> scenario("list_cut_2024", off_list=["INE528G01035"])["haircut_floor"].to_list()
    [0.4, 0.6, 0.8, 1.0]
    """
    if name == _LIST_CUT:
        return _list_cut(off_list)
    named = SCENARIOS["scenario"].unique(maintain_order=True)
    require_known(name, "scenario", [*named, _LIST_CUT])
    rows = SCENARIOS.filter(pl.col("scenario") == name)
    base = fill_columns(rows.with_columns(pl.lit("all").alias("scope")), SHOCKS)
    own = make_shocks(overrides or {}).select("scope", "key", "price_shock")
    steps = base.select("scenario", "step", "haircut_add", "haircut_floor")
    return pl.concat([base, own.join(steps, how="cross").select(SHOCKS.names())])


def _list_cut(off_list: Sequence[str]) -> pl.DataFrame:
    if not off_list:
        raise ConfigError(
            f"scenario {_LIST_CUT!r}: say in off_list which instruments left the list"
        )
    ids = pl.DataFrame({"key": list(off_list)}, schema={"key": pl.String()})
    steps = LIST_CUT.join(ids, how="cross").with_columns(
        pl.lit(_LIST_CUT).alias("scenario"),
        pl.col("valid_from").dt.to_string("%Y-%m-%d").alias("step"),
        pl.lit("instrument_id").alias("scope"),
        pl.col("haircut").alias("haircut_floor"),
    )
    return fill_columns(steps, SHOCKS)


_CLASSES: Final = ("equity", "etf", "mutual_fund", "bond")


def make_shocks(
    prices: Mapping[str, float] | float,
    *,
    haircut_add: Mapping[str, float] | float | None = None,
    classes: Sequence[str] = _CLASSES,
) -> pl.DataFrame:
    """Write SHOCKS from plain numbers: one for all, or one per class or instrument.

    Parameters
    ----------
    prices
        Fraction of the price, −0.2 for a fall of a fifth; or a mapping from ``"all"``,
        an asset class or an instrument id to it.
    haircut_add
        Added to haircuts, in the same form.
    classes
        Which keys are asset classes.

    Returns
    -------
    SHOCKS
        Scenario and step named ``custom``.

    Raises
    ------
    ConfigError
        A fall of more than 100 %, or a figure that is no number.

    Examples
    --------
    >>> make_shocks({"all": -0.1, "etf": 0.0}).select("scope", "price_shock").rows()
    [('all', -0.1), ('asset_class', 0.0)]
    """
    falls = {"all": prices} if isinstance(prices, int | float) else dict(prices)
    if isinstance(haircut_add, int | float):
        adds = {"all": float(haircut_add)}
    else:
        adds = dict(haircut_add or {})
    if falls.keys() - adds.keys() and "all" in adds:
        adds = dict.fromkeys(falls, adds["all"]) | adds
    if adds.keys() - falls.keys() and "all" in falls:
        falls = dict.fromkeys(adds, falls["all"]) | falls
    keys = list(falls | adds)
    scopes = [
        "all" if key == "all" else "asset_class" if key in classes else "instrument_id"
        for key in keys
    ]
    table = pl.DataFrame(
        {
            "scenario": ["custom"] * len(keys),
            "step": ["custom"] * len(keys),
            "scope": scopes,
            "key": [None if key == "all" else key for key in keys],
            "price_shock": [falls.get(key) for key in keys],
            "haircut_add": [adds.get(key) for key in keys],
            "haircut_floor": [None] * len(keys),
        },
        schema=SHOCKS,
        strict=False,
    )
    return check_shocks(table)


def check_shocks(shocks: pl.DataFrame) -> pl.DataFrame:
    """Check SHOCKS given from outside: columns, ranges, one row per scope and key."""
    require_columns(shocks.columns, SHOCKS, name="shocks")
    for column, dtype in SHOCKS.items():
        if shocks[column].dtype not in {dtype, pl.Null()}:
            kind = shocks[column].dtype
            raise FrameError("shocks", column, f"is {kind}, must be {dtype}")
    table = shocks.select(pl.col(name).cast(dtype) for name, dtype in SHOCKS.items())
    for column, low, high in (
        ("price_shock", -1.0, float("inf")),
        ("haircut_add", -1.0, 1.0),
        ("haircut_floor", 0.0, 1.0),
    ):
        values = table[column].drop_nulls()
        wrong = values.filter(~values.is_between(low, high) | ~values.is_finite())
        if len(wrong):
            raise ConfigError(f"{column} {wrong[0]}: must lie between {low} and {high}")
    keys = ["scenario", "step", "scope", "key"]
    if table.select(keys).is_duplicated().any():
        raise FrameError("shocks", "key", "names one scope and key twice in a step")
    unknown = set(table["scope"]) - {"all", "asset_class", "instrument_id"}
    if unknown:
        raise FrameError("shocks", "scope", f"{unknown.pop()!r} is no scope")
    return table
