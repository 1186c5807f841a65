"""The published figures, and the laws every portfolio obeys."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest
from hypothesis import given, settings, strategies as st
from polars.testing import assert_frame_equal

import holdings_kit as hk
from holdings_kit.errors import ConfigError, FrameError
from holdings_kit.schema import HOLDINGS, VALUE

AT = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)
SEED = Path(__file__).parents[2] / "sample_data/arrow/holdings.json"


def seed(**changes: dict[str, str]) -> pl.DataFrame:
    """Read the published payload, with the fields of some symbols changed."""
    payload = json.loads(SEED.read_text())
    for row in payload["data"]:
        row.update(changes.get(row["symbols"][0]["symbol"], {}))
    body = json.dumps(payload).encode()
    return hk.read_arrow(body, account_id="AB1234", snapshot_at=AT).holdings


class TestPublishedFigures:
    def test_totals(self) -> None:
        positions = hk.consolidate(seed())
        assert positions["price_basis"].to_list() == ["close"] * 8
        total = hk.summarize(positions).row(0, named=True)
        assert total["cost_value"] == Decimal("20607.38")
        assert total["market_value"] == Decimal("23398.23")
        assert total["unrealized_pnl"] == Decimal("2790.85")
        assert round(total["return"], 6) == 0.135430
        assert total["priced_cost_share"] == 1
        assert total["day_pnl"] is None

    def test_collateral(self) -> None:
        sums = {
            quantity: hk.collateral(seed(), quantity=quantity)["collateral_value"].sum()
            for quantity in ("pledged", "pledgeable", "owned")
        }
        assert sums == {
            "pledged": 0,
            "pledgeable": Decimal("18483.267043"),
            "owned": Decimal("18512.234839"),
        }

    def test_a_blank_close_leaves_both_sides_of_the_return(self) -> None:
        positions = hk.consolidate(seed(IDEA={"close": ""}))
        total = hk.summarize(positions).row(0, named=True)
        cost, idea = Decimal("20607.38"), Decimal("5122.75")
        gain = Decimal("2790.85") - Decimal("2573.00")
        assert total["unrealized_pnl"] == gain
        assert total["return"] == pytest.approx(float(gain / (cost - idea)), rel=1e-12)
        assert total["unpriced_count"] == 1
        assert total["cost_value"] == cost
        share = float((cost - idea) / cost)
        assert total["priced_cost_share"] == pytest.approx(share, rel=1e-12)
        row = positions.filter(symbol="IDEA").row(0, named=True)
        for column in ("market_value", "unrealized_pnl", "return", "weight", "price"):
            assert row[column] is None, column

    def test_nothing_priced_is_unknown_not_a_loss(self) -> None:
        blank = {row: {"close": ""} for row in seed()["symbol"]}
        total = hk.summarize(hk.consolidate(seed(**blank))).row(0, named=True)
        assert total["market_value"] is None
        assert total["unrealized_pnl"] is None
        assert total["return"] is None
        assert total["priced_cost_share"] == 0

    def test_the_brokers_pnl_is_compared_never_used(self) -> None:
        rows = seed(IDEA={"pnl": "2573.50"}, SBIN={"pnl": "999"})
        positions = hk.consolidate(rows)
        idea = positions.filter(symbol="IDEA").row(0, named=True)
        assert idea["unrealized_pnl"] == 2573
        assert idea["reported_pnl"] == Decimal("2573.5")
        assert idea["pnl_difference"] == Decimal("0.5")

    def test_day_pnl_needs_both_prices(self) -> None:
        positions = hk.consolidate(seed(SBIN={"ltp": "980.10"}))
        sbin = positions.filter(symbol="SBIN").row(0, named=True)
        assert sbin["price_basis"] == "ltp"
        assert sbin["day_pnl"] == 21
        assert positions["day_pnl"].null_count() == 7


class TestPriceTable:
    def test_paise_by_token_fill_what_is_missing(self) -> None:
        prices = pl.DataFrame({"token": [14366, 3045], "ltp": [1002, 98010]})
        positions = hk.consolidate(seed(IDEA={"close": ""}), prices=prices)
        idea = positions.filter(symbol="IDEA").row(0, named=True)
        assert (idea["price"], idea["price_basis"]) == (Decimal("10.02"), "price")
        assert positions.filter(symbol="SBIN")["price_basis"].item() == "close"

    def test_the_order_of_bases_is_the_callers(self) -> None:
        prices = pl.DataFrame(
            {"instrument_id": ["NSE:SBIN"], "last_price": [Decimal("980.10")]}
        )
        order = ("price", "ltp", "close")
        positions = hk.consolidate(seed(), prices=prices, prefer=order)
        sbin = positions.filter(symbol="SBIN").row(0, named=True)
        assert sbin["price_basis"] == "price"
        assert sbin["day_pnl"] is None  # nobody says of which day the price is

    def test_two_prices_for_one_token_are_refused(self) -> None:
        prices = pl.DataFrame({"token": [14366, 14366], "ltp": [1002, 1003]})
        with pytest.raises(FrameError, match="two prices for 14366"):
            hk.consolidate(seed(), prices=prices)

    def test_a_token_is_its_exchanges_own(self) -> None:
        prices = pl.DataFrame(
            {"exchange": ["BSE", "NSE"], "token": [14366] * 2, "ltp": [1, 1002]}
        )
        positions = hk.consolidate(seed(IDEA={"close": ""}), prices=prices)
        assert positions.filter(symbol="IDEA")["price"].item() == Decimal("10.02")

    def test_prices_of_neither_form_are_refused(self) -> None:
        for prices in ({"token": [1], "ltp": [1.5]}, {"token": [1]}, {"ltp": [150]}):
            with pytest.raises(FrameError, match="paise"):
                hk.consolidate(seed(), prices=pl.DataFrame(prices))

    def test_arguments_about_prices_are_checked(self) -> None:
        with pytest.raises(ConfigError, match="prefer="):
            hk.consolidate(seed(), prices=cast("pl.DataFrame", ("quote", "ltp")))
        wrongs: list[dict[str, Any]]
        wrongs = [{"prefer": ("quote",)}, {"max_age": -1}, {"on": AT}]
        for wrong in wrongs:
            with pytest.raises(ConfigError):
                hk.consolidate(seed(), **wrong)


def test_bad_calls_are_named() -> None:
    with pytest.raises(ConfigError, match="instrument_id"):
        hk.consolidate(seed(), by=["account_id"])
    with pytest.raises(ConfigError, match="nonsense"):
        hk.consolidate(seed(), by=["instrument_id", "nonsense"])
    with pytest.raises(FrameError, match="isin"):
        hk.consolidate(seed().drop("isin"))
    with pytest.raises(FrameError, match="account_id"):
        hk.summarize(hk.consolidate(seed()), by=["account_id"])


# ── laws ────────────────────────────────────────────────────────────────────────────
UNITS = st.decimals(0, 100_000, places=2)
PRICE = st.one_of(st.none(), st.decimals("0.05", 50_000, places=2))


@st.composite
def portfolios(draw: st.DrawFn) -> pl.DataFrame:
    """HOLDINGS of a few accounts; any price may be unknown, any bucket too."""
    rows: list[dict[str, Any]] = []
    for number in range(draw(st.integers(0, 12))):
        settled, t1, pledged = draw(UNITS), draw(UNITS), draw(UNITS)
        known = draw(st.booleans())
        rows.append(
            {
                "snapshot_id": "s",
                "account_id": draw(st.sampled_from(["a", "b", "c"])),
                "holding_no": number,
                "snapshot_at": AT,
                "instrument_id": draw(st.sampled_from(["I1", "I2", "I3", "I4"])),
                "settled_quantity": settled,
                "t1_quantity": t1,
                "pledged_quantity": pledged if known else None,
                "owned_quantity": settled + t1 + pledged,
                "average_price": draw(PRICE),
                "last_price": draw(PRICE),
                "close_price": draw(PRICE),
            }
        )
    full = [dict.fromkeys(HOLDINGS) | row for row in rows]
    return pl.DataFrame(full, schema=HOLDINGS)


@given(portfolios())
@settings(max_examples=60, deadline=None)
def test_quantity_and_cost_are_conserved(holdings: pl.DataFrame) -> None:
    positions = hk.consolidate(holdings)
    assert positions["owned_quantity"].sum() == holdings["owned_quantity"].sum()
    known = positions.drop_nulls("cost_value")["instrument_id"]
    lots = holdings.filter(pl.col("instrument_id").is_in(known.to_list()))
    cost = lots["owned_quantity"].cast(VALUE) * lots["average_price"].cast(VALUE)
    assert (positions["cost_value"].sum() or 0) == (cost.sum() or 0)
    unknown = positions.filter(pl.col("cost_value").is_null())["instrument_id"]
    missing = holdings.filter(pl.col("average_price").is_null())["instrument_id"]
    assert set(unknown) == set(missing)


@given(portfolios(), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_row_order_is_irrelevant(holdings: pl.DataFrame, random: Any) -> None:
    order = list(range(holdings.height))
    random.shuffle(order)
    assert_frame_equal(hk.consolidate(holdings), hk.consolidate(holdings[order]))


@given(portfolios(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_lazy_equals_eager(holdings: pl.DataFrame, apart: bool) -> None:
    by = ["instrument_id", "account_id"]
    if apart:  # each row a position of its own: eager frames are not summed
        holdings = holdings.unique(by, maintain_order=True)
    for keys in (by[:1], by):
        positions = hk.consolidate(holdings, by=keys)
        lazy = hk.consolidate(holdings.lazy(), by=keys)
        assert isinstance(lazy, pl.LazyFrame)
        assert_frame_equal(lazy.collect(), positions)
        unsorted = hk.consolidate(holdings, by=keys, sort=False)
        assert_frame_equal(unsorted, positions, check_row_order=False)
        order = positions.sort(
            "market_value",
            *keys,
            descending=[True, *(False for _ in keys)],
            nulls_last=True,
        )
        assert_frame_equal(positions, order)
        totals = hk.summarize(lazy).collect()
        assert_frame_equal(totals, hk.summarize(positions))


@given(portfolios(), st.integers(0, 11), st.decimals(0, 1, places=2))
@settings(max_examples=60, deadline=None)
def test_splitting_a_lot_changes_nothing(
    holdings: pl.DataFrame, place: int, share: Decimal
) -> None:
    if place >= holdings.height:
        return
    lot = holdings[place]
    quantities = [c for c in holdings.columns if c.endswith("_quantity")]
    part = lot.with_columns(
        (pl.col(quantities).cast(VALUE) * share).cast(pl.Decimal(18, 4))
    )
    rest = lot.with_columns(
        (lot[c] - part[c]).cast(pl.Decimal(18, 4)).alias(c) for c in quantities
    )
    split = pl.concat([holdings[:place], part, rest, holdings[place + 1 :]])
    assert_frame_equal(hk.consolidate(split), hk.consolidate(holdings))


@given(portfolios())
@settings(max_examples=60, deadline=None)
def test_value_less_cost_is_pnl_and_groups_add_up(holdings: pl.DataFrame) -> None:
    positions = hk.consolidate(holdings, by=("account_id", "instrument_id"))
    known = positions.drop_nulls("unrealized_pnl")
    assert (known["market_value"] - known["cost_value"]).equals(
        known["unrealized_pnl"].alias("market_value")
    )
    groups = hk.summarize(positions, by=["account_id"])
    total = hk.summarize(positions).row(0, named=True)
    for column in ("cost_value", "market_value", "unrealized_pnl", "unpriced_count"):
        assert (groups[column].sum() or 0) == (total[column] or 0), column


def test_one_name_of_a_column_is_not_its_letters() -> None:
    from holdings_kit.changes import CHANGES, bridge
    from holdings_kit.schema import POSITIONS, empty

    book = empty(POSITIONS)
    assert "instrument_id" in hk.consolidate(empty(HOLDINGS), by="instrument_id")
    assert hk.summarize(book, by="asset_class").columns[0] == "asset_class"
    assert hk.concentration(book, by="asset_class").columns[0] == "asset_class"
    assert bridge(empty(CHANGES), by="account_id").columns[0] == "account_id"
