"""What a model's haircuts would do to a book, against sums made by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

import holdings_kit as hk
from holdings_kit import haircuts as hc
from holdings_kit.errors import ConfigError
from holdings_kit.risk import Rules, collateral, margin
from holdings_kit.schema import HOLDINGS

SEED = Path(__file__).parents[2] / "sample_data" / "arrow" / "holdings.json"
AT = datetime(2026, 1, 5, 10, 15, tzinfo=UTC)


@pytest.fixture
def seed() -> pl.DataFrame:
    loaded = hk.read_arrow(SEED.read_bytes(), account_id="AR0001", snapshot_at=AT)
    return loaded.holdings


def flat(haircut: float, *names: str, on: date = date(2026, 1, 2)) -> pl.DataFrame:
    rows = [
        {"instrument_id": name, "date": on, "model": "flat", "haircut": haircut}
        for name in names
    ]
    return pl.DataFrame(rows, schema=hc.HAIRCUTS)


def test_the_seed_book_at_a_flat_haircut(seed: pl.DataFrame) -> None:
    model = flat(0.5, *seed["instrument_id"])
    row = hc.book_effects(
        seed, model, cash=8000, need=20000, quantity="pledgeable"
    ).row(0, named=True)
    settled = seed.select(
        (pl.col("settled_quantity").cast(pl.Decimal(38, 8)) * pl.col("close_price"))
        .sum()
        .alias("value")
    ).item()
    assert row["collateral_before"] == Decimal("18483.267043")
    assert row["collateral_after"] == settled / 2
    assert row["collateral_effect"] == settled / 2 - Decimal("18483.267043")
    assert (row["usable_before"], row["usable_after"]) == (16000, 16000)
    assert row["cash_needed_before"] == 2000  # half of the need has to be cash
    assert row["modelled_count"] == row["holdings_count"] == 8


@pytest.mark.parametrize("practice", ["strict", "broker"])
@pytest.mark.parametrize("share", ["0.5", "0.25"])
@pytest.mark.parametrize("cash", [0, 3000, 30000])
@pytest.mark.parametrize("need", [0, 9000, 20000, 60000])
def test_the_cash_needed_is_enough_and_no_paisa_more(
    seed: pl.DataFrame, practice: str, share: str, cash: int, need: int
) -> None:
    rules = Rules(practice=practice, cash_share=Decimal(share))  # type: ignore[arg-type]
    model = flat(0.4, "NSE:IDEA", "NSE:BSE")
    row = hc.book_effects(
        seed, model, cash=cash, need=need, quantity="pledgeable", rules=rules
    ).row(0, named=True)
    book = hk.collateral(seed, quantity="pledgeable", haircuts=model)

    def usable(more: Decimal) -> Decimal:
        total = cash + more
        return margin(book, cash=total, rules=rules)["usable_value"].item()

    more = row["cash_needed_after"]
    assert usable(more) >= need
    if more > 0:
        assert usable(more - Decimal("0.01")) < need
    assert row["modelled_count"] == 2


def test_what_is_unknown_leaves_both_sides_and_is_counted(seed: pl.DataFrame) -> None:
    name = pl.col("symbol") == "IDEA"
    silent = seed.with_columns(
        haircut=pl.when(~name).then("haircut").cast(seed.schema["haircut"])
    )
    model = flat(0.3, "NSE:IDEA")
    row = hc.book_effects(silent, model, cash=0, quantity="pledgeable").row(
        0, named=True
    )
    assert row["unknown_count"] == 1
    assert row["collateral_effect"] == 0
    assert row["cash_needed_after"] is None


def test_a_later_haircut_is_not_known_yet(seed: pl.DataFrame) -> None:
    model = flat(0.9, *seed["instrument_id"], on=date(2026, 1, 6))
    row = hc.book_effects(seed, model, cash=0, quantity="pledgeable").row(0, named=True)
    assert (row["collateral_effect"], row["modelled_count"]) == (0, 0)


def test_models_and_accounts_have_a_row_each(seed: pl.DataFrame) -> None:
    two = pl.concat([seed, seed.with_columns(account_id=pl.lit("AR0002"))])
    model = flat(0.5, "NSE:SBIN")
    both = pl.concat([model, model.with_columns(model=pl.lit("other"))])
    cash = pl.DataFrame({"account_id": ["AR0001", "AR0002"], "cash_value": [10, 20]})
    found = hc.book_effects(two, both, cash=cash, quantity="owned")
    assert found.select("model", "account_id").rows() == [
        (model, account)
        for model in ("flat", "other")
        for account in ("AR0001", "AR0002")
    ]
    assert found.schema == hc.BOOK_EFFECTS
    nothing = hc.book_effects(seed.clear(), model.clear(), cash=0)
    assert nothing.schema == hc.BOOK_EFFECTS


def test_impossible_questions_are_refused(seed: pl.DataFrame) -> None:
    model = flat(0.5, "NSE:SBIN")
    for need in (-1, float("nan")):
        with pytest.raises(ConfigError, match="negative"):
            hc.book_effects(seed, model, cash=0, need=need)
    capped = Rules(security_cap=Decimal("0.25"))
    with pytest.raises(ConfigError, match="security_cap"):
        hc.book_effects(seed, model, cash=0, need=1, rules=capped)


@pytest.mark.parametrize(
    ("at", "given", "age"),
    [
        ((4, 45), "0.2", 3),  # 10:15 in India: Friday's, today's close is not there
        ((9, 59), "0.2", 3),  # 15:29
        ((10, 0), "0.3", 0),  # 15:30
        ((18, 29), "0.3", 0),  # 23:59
        ((18, 31), "0.3", 1),  # past midnight: a new day
    ],
)
def test_a_book_sees_no_haircut_before_its_close(
    at: tuple[int, int], given: str, age: int
) -> None:
    line = {"account_id": "A", "snapshot_id": "1", "instrument_id": "X"}
    line |= {"snapshot_at": datetime(2026, 1, 5, *at, tzinfo=UTC)}
    line |= {"pledged_quantity": Decimal(10), "close_price": Decimal(100)}
    book = pl.DataFrame([line | {"haircut": Decimal("0.5")}], schema=HOLDINGS)
    dated = pl.DataFrame(
        {
            "instrument_id": ["X"] * 3,
            "date": [date(2026, 1, 2), date(2026, 1, 5), date(2026, 1, 6)],
            "haircut": [0.2, 0.3, 0.4],
        }
    )
    row = collateral(book, haircuts=dated).row(0, named=True)
    assert row["haircut"] == Decimal(given)
    assert row["haircut_age_days"] == age
    old = collateral(book, haircuts=dated, max_haircut_age=2).row(0, named=True)
    assert old["haircut_basis"] == ("given" if age <= 2 else "published")
    assert (old["haircut_date"] is None) == (age > 2)
    bare = collateral(book, haircuts=dated.head(1).drop("date")).row(0, named=True)
    assert (bare["haircut_basis"], bare["haircut_date"]) == ("given", None)
    with pytest.raises(ConfigError, match="negative"):
        collateral(book, max_haircut_age=-1)
