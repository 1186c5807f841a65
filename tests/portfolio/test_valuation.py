"""A value on a day: whose price, of which day, for how much of what there is."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, cast

import polars as pl
import pytest
from hypothesis import given, settings, strategies as st
from polars.testing import assert_frame_equal

import holdings_kit as hk
from holdings_kit.display import write_report
from holdings_kit.errors import FrameError
from holdings_kit.portfolio._prices import day_of, trading_day_number
from holdings_kit.risk import shock_positions
from holdings_kit.sandbox import generate
from holdings_kit.schema import HOLDINGS, INSTANT, POSITIONS, SNAPSHOTS, Loaded
from holdings_kit.store import Store

if TYPE_CHECKING:
    from pathlib import Path

BY = ("account_id", "instrument_id")


def rows(*lines: dict[str, Any]) -> pl.DataFrame:
    """HOLDINGS with what is named; the rest is unknown."""
    full = []
    for number, line in enumerate(lines):
        known = {
            "account_id": "A",
            "instrument_id": "X",
            "holding_no": number,
            "source": "arrow",
            "snapshot_at": datetime(2026, 1, 5, 10, tzinfo=UTC),
        } | line
        known.setdefault("snapshot_id", f"{known['account_id']}-{known['snapshot_at']}")
        full.append(dict.fromkeys(HOLDINGS) | known)
    return pl.DataFrame(full, schema=HOLDINGS)


def at(day: int, month: int = 1, hour: int = 10, year: int = 2026) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)


def one(positions: pl.DataFrame) -> dict[str, Any]:
    (row,) = positions.rows(named=True)
    return row


SPLIT = (
    {
        "account_id": "A",
        "snapshot_at": at(2),
        "owned_quantity": 100,
        "average_price": 3000,
        "close_price": 4000,
    },
    {
        "account_id": "B",
        "snapshot_at": at(9),
        "owned_quantity": 200,
        "average_price": 1500,
        "close_price": 2010,
    },
)


def test_no_account_is_valued_by_anothers_price() -> None:
    """A split between the two snapshots: 100 shares at 4000 are not worth 2010 each."""
    both = rows(*SPLIT)
    pnl = hk.consolidate(both, by=BY).sort("account_id")["unrealized_pnl"]
    assert pnl.to_list() == [100_000, 102_000]
    netted = one(hk.consolidate(both))
    assert netted["market_value"] == 802_000
    assert netted["price_basis"] == "mixed"
    assert netted["price_date"] == date(2026, 1, 1)
    for line, alone in zip(SPLIT, pnl, strict=True):
        assert one(hk.consolidate(rows(line)))["unrealized_pnl"] == alone


def test_a_bare_account_stays_unpriced_beside_a_priced_one() -> None:
    bare = {key: SPLIT[1][key] for key in SPLIT[1] if key != "close_price"}
    positions = hk.consolidate(rows(SPLIT[0], bare))
    row = one(positions)
    assert (row["market_value"], row["known_market_value"]) == (None, 400_000)
    assert (row["owned_quantity"], row["priced_quantity"]) == (300, 100)
    total = one(hk.summarize(positions))
    assert (total["market_value"], total["unpriced_count"]) == (400_000, 1)
    table = rows(SPLIT[0]).select("instrument_id", last_price="close_price")
    priced = one(hk.consolidate(rows(SPLIT[0], bare), prices=table))
    assert priced["market_value"] == 400_000 + 200 * 4000


class TestDayPnl:
    def test_prices_of_two_accounts_are_no_day(self) -> None:
        a = {
            "account_id": "A",
            "snapshot_at": at(15, 12, year=2025),
            "owned_quantity": 100,
            "last_price": 4000,
        }
        b = {"account_id": "B", "owned_quantity": 100, "close_price": 3300}
        positions = hk.consolidate(rows(a, b))
        assert one(positions)["day_pnl"] is None
        assert one(hk.summarize(positions))["day_pnl"] is None

    @pytest.mark.parametrize(
        ("facts", "day_pnl"),
        [
            ({}, 200),
            ({"snapshot_at": at(5, hour=6)}, 200),  # Monday, the market is open
            ({"snapshot_at": at(5, hour=14)}, 200),  # and in the evening
            ({"snapshot_at": at(4)}, None),  # Sunday: last price and close of Friday
            ({"snapshot_at": at(5, hour=2)}, None),  # Monday, before it opens
            ({"price_at": at(2)}, None),
            ({"price_at": at(1, 12, year=2025)}, None),
            ({"close_price": None}, None),
            ({"snapshot_at": None}, None),
        ],
    )
    def test_two_prices_of_neighbouring_trading_days(
        self, facts: dict[str, Any], day_pnl: int | None
    ) -> None:
        line = {"owned_quantity": 100, "last_price": 42, "close_price": 40} | facts
        assert one(hk.consolidate(rows(line)))["day_pnl"] == day_pnl

    @pytest.mark.parametrize("quoted", [{}, {"date": date(2025, 12, 1)}])
    def test_a_price_from_elsewhere_makes_none(self, quoted: dict[str, Any]) -> None:
        line = {"owned_quantity": 100, "close_price": 3300}
        prices = pl.DataFrame([{"instrument_id": "X", "last_price": 4000} | quoted])
        row = one(
            hk.consolidate(rows(line), prices=prices, prefer=("price", "ltp", "close"))
        )
        assert (row["price"], row["day_pnl"]) == (4000, None)


class TestTheDay:
    PRICES = pl.DataFrame(
        {
            "instrument_id": ["X"] * 4,
            "date": [date(2026, 1, d) for d in (1, 2, 5, 9)],
            "close_price": [10, 20, 50, 90],
        }
    )
    HELD = rows({"owned_quantity": 1, "average_price": 1})  # on Monday, 5 January

    @pytest.mark.parametrize(
        ("on", "max_age", "price"),
        [
            (None, None, 50),
            (date(2026, 1, 4), None, 20),
            (date(2026, 1, 8), None, 50),
            (date(2026, 1, 8), 3, 50),
            (date(2026, 1, 8), 2, None),
            (date(2026, 1, 11), 0, 90),  # a Sunday is no trading day
            (date(2025, 12, 31), None, None),
        ],
    )
    def test_the_newest_price_that_is_not_after_the_day(
        self, on: date | None, max_age: int | None, price: int | None
    ) -> None:
        row = one(hk.consolidate(self.HELD, prices=self.PRICES, on=on, max_age=max_age))
        assert row["price"] == price
        assert (row["price_note"] is None) == (price is not None)

    def test_on_a_later_day_the_newest_price_counts(self) -> None:
        held = self.HELD.with_columns(last_price=pl.lit(55, HOLDINGS["last_price"]))
        own = one(hk.consolidate(held, prices=self.PRICES))
        assert (own["price"], own["price_date"]) == (55, date(2026, 1, 5))
        same = hk.consolidate(held, prices=self.PRICES, on=date(2026, 1, 5))
        assert one(same) == own
        later = one(hk.consolidate(held, prices=self.PRICES, on=date(2026, 1, 12)))
        assert (later["price"], later["price_date"]) == (90, date(2026, 1, 9))
        early = hk.consolidate(held, prices=self.PRICES, on=date(2026, 1, 2))
        assert one(early)["price"] == 20

    def test_an_old_price_of_the_payload_gives_way(self) -> None:
        old = rows({"owned_quantity": 1, "last_price": 7, "price_at": at(1, 12, 10)})
        stale = old.with_columns(
            price_at=pl.lit(at(1, 12, year=2025), HOLDINGS["price_at"])
        )
        assert one(hk.consolidate(stale, prices=self.PRICES))["price"] == 7
        fresh = one(hk.consolidate(stale, prices=self.PRICES, max_age=5))
        assert (fresh["price"], fresh["price_basis"]) == (50, "price")

    def test_a_close_is_of_the_day_it_closed(self) -> None:
        held = rows({"owned_quantity": 1, "close_price": 3})
        assert one(hk.consolidate(held))["price_date"] == date(2026, 1, 2)

    def test_a_price_does_not_cross_an_action(self) -> None:
        actions = pl.DataFrame(
            {
                "instrument_id": ["X", "X"],
                "ex_date": [date(2026, 1, 5), date(2026, 1, 8)],
                "kind": ["split", "split"],
            }
        )
        prices = self.PRICES.filter(pl.col("date") != date(2026, 1, 5))
        later: dict[str, Any] = {"prices": prices, "on": date(2026, 1, 9)}
        assert one(hk.consolidate(self.HELD, **later))["price"] == 90
        crossed = one(hk.consolidate(self.HELD, **later, actions=actions))
        assert crossed["price"] is None
        paid = actions.with_columns(kind=pl.lit("dividend"))
        assert one(hk.consolidate(self.HELD, **later, actions=paid))["price"] == 90


class TestKeys:
    def test_a_table_of_other_names_is_refused_and_they_are_named(self) -> None:
        prices = pl.DataFrame({"instrument_id": ["NSE:SBINX"], "last_price": [1]})
        with pytest.raises(FrameError, match=r"NSE:SBINX; the holdings have X"):
            hk.consolidate(rows({"owned_quantity": 1}), prices=prices)

    def test_what_a_table_does_not_name_is_noted(self) -> None:
        held = rows({"owned_quantity": 1}, {"owned_quantity": 1, "instrument_id": "Y"})
        prices = pl.DataFrame({"instrument_id": ["X", "Z"], "last_price": [1, 2]})
        notes = hk.consolidate(held, prices=prices).sort("instrument_id")["price_note"]
        assert notes.to_list() == [None, "no price in the payload; none in prices"]

    @pytest.mark.parametrize(
        "key",
        [
            {"isin": "INE062A01020"},
            {"instrument_id": "INE062A01020"},
            {"symbol": "SBIN"},
            {"symbol": "SBIN", "exchange": "NSE"},
        ],
    )
    def test_a_table_may_name_by_isin_or_symbol(self, key: dict[str, str]) -> None:
        held = rows(
            {
                "owned_quantity": 2,
                "instrument_id": "NSE:SBIN",
                "isin": "INE062A01020",
                "symbol": "SBIN",
                "exchange": "NSE",
            }
        )
        prices = pl.DataFrame([key | {"close_price": 9, "date": date(2026, 1, 2)}])
        assert one(hk.consolidate(held, prices=prices))["market_value"] == 18

    def test_of_two_exchanges_the_first_prices_an_isin(self) -> None:
        prices = pl.DataFrame(
            {
                "instrument_id": ["X"] * 3,
                "exchange": ["BSE", "NSE", "NSE"],
                "series": ["A", "T0", "EQ"],
                "date": [date(2026, 1, 2)] * 3,
                "close_price": [1, 2, 3],
            }
        )
        held = rows({"owned_quantity": 1})
        assert one(hk.consolidate(held, prices=prices))["price"] == 3
        torn = prices.with_columns(exchange=pl.lit("NSE"), series=pl.lit("EQ"))
        with pytest.raises(FrameError, match="two prices for X on 2026-01-02"):
            hk.consolidate(held, prices=torn)


def test_several_snapshots_of_one_account_are_refused_and_named() -> None:
    days = [{"owned_quantity": 1, "snapshot_at": at(day)} for day in (5, 6, 7)]
    held = rows(*days, {"account_id": "B", "owned_quantity": 1})
    for frame in (held, held.lazy()):
        with pytest.raises(FrameError, match=r"'A' \(3 snapshots\); pass one of each"):
            hk.consolidate(frame)
    # funds come from the last snapshot that was asked for them
    fund = {"owned_quantity": 1, "instrument_id": "F", "asset_class": "mutual_fund"}
    assert hk.consolidate(rows(days[0], fund | {"snapshot_at": at(2)})).height == 2


class TestTotalsSayWhatTheyCover:
    def test_unknown_cost_is_in_the_share(self) -> None:
        held = rows(
            {"owned_quantity": 1, "average_price": 10, "last_price": 11},
            {"instrument_id": "Y", "owned_quantity": 1000, "last_price": 100},
        )
        total = one(hk.summarize(hk.consolidate(held)))
        assert (total["unrealized_pnl"], total["market_value"]) == (1, 100_011)
        assert total["return"] == pytest.approx(0.1)
        assert total["priced_cost_share"] == 1
        assert total["costed_value_share"] == pytest.approx(11 / 100_011)
        assert total["uncosted_count"] == 1

    def test_netting_keeps_the_known_part(self) -> None:
        """12 of 68 shares of unknown cost: the P&L of the other 56 stays."""
        held = rows(
            {"owned_quantity": 56, "average_price": 100, "last_price": 105},
            {"account_id": "B", "owned_quantity": 12, "last_price": 105},
        )
        positions = hk.consolidate(held)
        row = one(positions)
        assert (row["cost_value"], row["unrealized_pnl"]) == (None, None)
        assert (row["known_pnl"], row["costed_quantity"]) == (280, 56)
        total = one(hk.summarize(positions))
        assert total["unrealized_pnl"] == 280
        assert total["return"] == pytest.approx(0.05)
        assert total["costed_value_share"] == pytest.approx(56 / 68)

    def test_rows_that_do_not_add_up_are_counted(self) -> None:
        held = rows(
            {"owned_quantity": 40, "reconciles": False, "last_price": 1},
            {"instrument_id": "Y", "owned_quantity": 1, "reconciles": True},
            {"instrument_id": "Z", "owned_quantity": 1},
        )
        positions = hk.consolidate(held).sort("instrument_id")
        assert positions["unreconciled_count"].to_list() == [1, 0, 0]
        assert positions["reconciles_count"].to_list() == [0, 1, 0]
        assert one(hk.summarize(positions))["unreconciled_count"] == 1

    def test_a_short_position_that_loses_has_a_negative_return(self) -> None:
        held = rows({"owned_quantity": -100, "average_price": 30, "last_price": 40})
        positions = hk.consolidate(held)
        row, total = one(positions), one(hk.summarize(positions))
        assert row["unrealized_pnl"] == total["unrealized_pnl"] == -1000
        assert row["return"] == total["return"] == pytest.approx(-1 / 3)

    def test_accounts_that_own_nothing_are_counted(self) -> None:
        held = rows({"owned_quantity": 1, "last_price": 2})
        accounts = pl.DataFrame({"account_id": ["A", "B", "C"]})
        by_account = hk.consolidate(held, by=BY)
        total = one(hk.summarize(by_account, accounts=accounts))
        assert (total["accounts_count"], total["empty_accounts_count"]) == (3, 2)
        each = hk.summarize(by_account, by="account_id", accounts=accounts)
        assert each["account_id"].to_list() == ["A", "B", "C"]
        assert each["positions_count"].to_list() == [1, 0, 0]
        assert each["market_value"].to_list() == [2, None, None]
        netted = one(hk.summarize(hk.consolidate(held)))
        assert (netted["accounts_count"], netted["empty_accounts_count"]) == (
            None,
            None,
        )


def test_one_frame_of_any_kind(tmp_path: Path) -> None:
    held = rows(
        {"owned_quantity": Decimal("1.5"), "average_price": 10, "last_price": 11}
    )
    positions = hk.consolidate(held)
    held.write_parquet(tmp_path / "held.parquet")
    held.write_csv(tmp_path / "held.csv")
    held.write_ndjson(tmp_path / "held.ndjson")
    files = [tmp_path / f"held.{kind}" for kind in ("parquet", "csv")]
    for other in (held.to_arrow(), held.to_pandas(), *files, str(files[0])):
        assert_frame_equal(hk.consolidate(other), positions)
    prices = pl.DataFrame({"instrument_id": ["X"], "last_price": [12.5]})
    prices.write_csv(tmp_path / "prices.csv")
    for table in (prices, prices.lazy(), prices.to_pandas(), tmp_path / "prices.csv"):
        row = one(hk.consolidate(held, prices=table, prefer=("price",)))
        assert row["market_value"] == Decimal("18.75")
    with pytest.raises(FrameError, match="is int, no frame"):
        hk.consolidate(cast("pl.DataFrame", 3))
    loaded = Loaded(pl.DataFrame(schema=SNAPSHOTS), held, held, held, held)
    with pytest.raises(AttributeError, match="five frames"):
        hk.consolidate(cast("pl.DataFrame", loaded))
    with pytest.raises(hk.HoldingsError, match="no such file"):
        hk.consolidate("none.csv")
    assert hk.summarize(positions.to_arrow()).equals(hk.summarize(positions))


# ── laws ────────────────────────────────────────────────────────────────────────────
QUANTITY = st.one_of(st.none(), st.decimals(-500, 10_000, places=2))
PRICE = st.one_of(st.none(), st.decimals("0.05", 5_000, places=2))


@st.composite
def books(draw: st.DrawFn) -> pl.DataFrame:
    lines = [
        {
            "account_id": draw(st.sampled_from("ABCD")),
            "instrument_id": draw(st.sampled_from(["X", "Y", "Z"])),
            "owned_quantity": draw(QUANTITY),
            "average_price": draw(PRICE),
            "last_price": draw(PRICE),
            "close_price": draw(PRICE),
            "reconciles": draw(st.sampled_from([None, True, False])),
        }
        for _ in range(draw(st.integers(0, 10)))
    ]
    return rows(*lines)


@given(books(), st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_an_account_is_answered_the_same_alone(held: pl.DataFrame, random: Any) -> None:
    order = list(range(held.height))
    random.shuffle(order)
    prices = pl.DataFrame(
        {
            "instrument_id": ["X", "Y"],
            "date": [date(2026, 1, 2)] * 2,
            "close_price": [3, 4],
        }
    )
    # a table none of whose keys is held is refused, so ask where one is
    some = held.filter(
        pl.col("instrument_id").is_in(["X", "Y"]).any().over("account_id")
    )
    asked: list[tuple[pl.DataFrame, dict[str, Any]]]
    asked = [(held, {}), (some, {"prices": prices})]
    for frame, extra in asked:
        if frame.is_empty():
            continue
        mixed = frame[[place for place in order if place < frame.height]]
        everyone = hk.consolidate(mixed, by=BY, **extra).drop("weight")
        for (name,), part in frame.group_by("account_id"):
            alone = hk.consolidate(part, by=BY, **extra).drop("weight")
            assert_frame_equal(everyone.filter(account_id=name), alone)


@given(books())
@settings(max_examples=50, deadline=None)
def test_netting_changes_no_total(held: pl.DataFrame) -> None:
    """However the rows are put together, the known sums are the same."""
    sums = ("cost_value", "market_value", "unrealized_pnl", "unreconciled_count")
    apart = one(hk.summarize(hk.consolidate(held, by=BY)))
    netted = one(hk.summarize(hk.consolidate(held)))
    known = held.with_columns(price=pl.coalesce("last_price", "close_price"))
    value = (known["owned_quantity"] * known["price"]).cast(pl.Decimal(38, 8))
    total = value.sum() if value.count() else None
    assert netted["market_value"] == total
    for name in sums:
        assert apart[name] == netted[name], name


def test_positions_of_the_past_are_still_summed() -> None:
    """A frame whose known parts are not filled is summed by what it has."""
    row = dict.fromkeys(POSITIONS) | {"cost_value": 10, "market_value": 12, "price": 3}
    frame = pl.DataFrame([row | {"unrealized_pnl": 2}], schema=POSITIONS)
    total = one(hk.summarize(frame))
    assert (total["cost_value"], total["market_value"]) == (10, 12)
    assert (total["unrealized_pnl"], total["return"]) == (2, pytest.approx(0.2))
    assert total["costed_value_share"] == 1


def _loaded(tmp_path: Path, wire: Literal["arrow", "gateway"]) -> tuple[Loaded, Store]:
    """Invented accounts of one source, in three buckets, with what they own today."""
    dumps = generate(tmp_path, accounts=30, days=1, wire=wire, instruments=9)
    store = Store(tmp_path / "store", buckets=3)
    scan = hk.scan_arrow if wire == "arrow" else hk.scan_webhooks
    scan(dumps, into=store, progress=False)
    return store.current(), store


@pytest.mark.parametrize("wire", ["arrow", "gateway"])
def test_every_room_gives_the_same_quantity_and_value(
    tmp_path: Path, wire: Literal["arrow", "gateway"]
) -> None:
    loaded, store = _loaded(tmp_path, wire)
    table = pl.read_csv(tmp_path / "prices.csv").select("instrument_id", "last_price")
    table = table.cast({"last_price": pl.Decimal(18, 4)}).unique("instrument_id")
    given: dict[str, Any] = {} if wire == "arrow" else {"prices": table}
    direct = hk.consolidate(loaded.holdings, by=BY, **given)
    through = hk.consolidate(hk.look_through(loaded), by=BY, **given)
    value = one(hk.summarize(direct))["market_value"]
    assert value > 0
    assert one(hk.summarize(through))["market_value"] == value
    everyone = hk.population.account_values(store, **given)
    assert everyone["market_value"].sum() == value
    lazy = hk.consolidate(loaded.holdings.lazy(), **given).collect()
    assert one(hk.summarize(lazy))["market_value"] == value
    folder = tmp_path / "out"
    write_report(loaded, folder, **given)
    reported = pl.read_parquet(folder / "positions.parquet")
    assert one(hk.summarize(reported))["market_value"] == value
    changes = hk.compare(loaded.holdings, loaded.holdings).sort(*BY)
    owned = direct.sort(*BY)["owned_quantity"]
    assert changes["owned_quantity_after"].to_list() == owned.to_list()
    series = hk.performance(store.history(), **given)
    assert series["value_after"].sum() == value


def test_trades_of_today_count_once_in_every_room() -> None:
    """10 held and 5 more bought today at a price of 100 are worth 1,500."""
    body = b"""{"smallcaseAuthId": "a", "snapshotDate": "2026-01-05T10:15:30.123Z",
    "securities": [{"isin": "INE062A01020", "nseTicker": "SBIN",
    "holdings": {"quantity": 10, "averagePrice": 90},
    "positions": {"nse": {"quantity": 5, "averagePrice": 99}}}]}"""
    loaded = hk.read_gateway(body, fetched_at=at(5, hour=11))
    prices = pl.DataFrame({"instrument_id": ["INE062A01020"], "last_price": [100]})
    for held in (loaded.holdings, hk.look_through(loaded)):
        row = one(hk.consolidate(held, prices=prices))
        assert (row["owned_quantity"], row["market_value"]) == (15, 1500)
        assert (row["cost_value"], row["average_price"]) == (1395, 93)
    changes = hk.compare(loaded.holdings, loaded.holdings)
    assert changes["owned_quantity_after"].to_list() == [15]


def _book(*rows: tuple[str | None, int]) -> pl.DataFrame:
    lines = [{"sector": sector, "market_value": value} for sector, value in rows]
    return pl.DataFrame(lines).with_columns(
        pl.col("market_value").cast(POSITIONS["market_value"])
    )


def test_an_unknown_sector_is_no_sector() -> None:
    book = _book(("steel", 30), ("banks", 30), (None, 40))
    row = one(hk.concentration(book, of="sector"))
    assert row["hhi"] == row["largest_share"] == 0.5
    assert (row["unclassified_count"], row["classified_share"]) == (1, 0.6)
    nobody = one(hk.concentration(_book((None, 40)), of="sector"))
    assert (nobody["hhi"], nobody["largest_id"]) == (None, None)
    assert (nobody["market_value"], nobody["classified_share"]) == (40, 0)


def test_weights_of_a_book_with_shorts_stay_weights() -> None:
    row = one(hk.concentration(_book(("long", 200), ("short", -100)), of="sector"))
    assert row["hhi"] == pytest.approx(5 / 9)
    assert row["market_value"] == 100
    assert (row["largest_id"], row["top_1_share"]) == ("long", pytest.approx(2 / 3))
    shorts = rows(
        {"instrument_id": "L", "owned_quantity": 3, "last_price": 100},
        {"instrument_id": "S", "owned_quantity": -2, "last_price": 100},
    )
    assert sorted(hk.consolidate(shorts)["weight"]) == [-0.4, 0.6]


def test_effects_of_a_shock_are_exact_and_add_up() -> None:
    """Eight places times six are fourteen: nothing is rounded away."""
    values = [Decimal(f"{n}1234.00000{n}67") * (-1) ** n for n in range(1, 10)]
    book = pl.DataFrame(
        {"instrument_id": [f"I{n}" for n in range(9)], "asset_class": ["equity"] * 9}
    ).with_columns(
        pl.Series(name, values, dtype=POSITIONS["market_value"])
        for name in ("market_value", "unrealized_pnl")
    )
    each, total = shock_positions(book, -0.123457), one(hk.shock(book, -0.123457))
    effects = [value * Decimal("-0.123457") for value in values]
    assert each["value_effect"].to_list() == effects
    assert total["value_effect"] == sum(effects)
    for row in (*each.iter_rows(named=True), total):
        for name in ("market_value", "unrealized_pnl"):
            after = row[f"{name}_before"] + row["value_effect"]
            assert row[f"{name}_after"] == after


def test_trading_days_are_counted_as_a_list_of_them_says() -> None:
    known = hk.market.trading_days(date(2000, 1, 1), date(2039, 12, 31))
    days = [date(1999, 12, 1) + timedelta(days=n) for n in range(0, 15_000, 3)]
    frame = pl.DataFrame({"day": [*days, None]}, schema={"day": pl.Date()})
    numbers = frame.select(trading_day_number(pl.col("day"))).to_series().to_list()
    assert numbers == [*(bisect_right(known, day) for day in days), None]


def test_a_day_in_india_is_that_of_the_time_zone() -> None:
    start = datetime(2000, 1, 1, tzinfo=UTC)
    instants = [start + timedelta(minutes=997 * n) for n in range(14_000)]
    frame = pl.DataFrame({"at": [*instants, None]}, schema={"at": INSTANT})
    zone = pl.col("at").dt.convert_time_zone("Asia/Kolkata").dt.date()
    found = frame.select(day=day_of(pl.col("at")), zone=zone)
    assert found["day"].equals(found["zone"])
