from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from holdings_kit import haircuts as hc
from holdings_kit.schema import HOLDINGS

START = datetime(2026, 11, 2, 12, tzinfo=UTC)


def row(day: int, **facts: Any) -> dict[str, Any]:
    base = {
        "snapshot_id": f"S{day}",
        "account_id": "AB1234",
        "holding_no": 0,
        "source": "arrow",
        "instrument_id": "X",
        "snapshot_at": START + timedelta(days=day),
    }
    return base | facts


def history(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=HOLDINGS)


def rates(*haircuts: str) -> pl.DataFrame:
    return hc.panel(
        history(*(row(day, haircut=Decimal(h)) for day, h in enumerate(haircuts)))
    )


def test_panel_holds_one_haircut_per_day_and_says_when_accounts_differ() -> None:
    found = hc.panel(
        history(
            row(0, haircut=Decimal("0.10")),
            row(0, haircut=Decimal("0.20"), account_id="CD5678", snapshot_id="T0"),
            row(1, haircut=None),
            row(2, haircut=Decimal("0.20")),
        )
    )
    assert found.schema == hc.PANEL
    assert found["date"].to_list() == [date(2026, 11, 2), date(2026, 11, 4)]
    assert found["agrees"].to_list() == [False, True]
    assert found["accounts_count"].to_list() == [2, 1]
    assert found["haircut"].to_list() == [Decimal("0.20")] * 2


def test_drift() -> None:
    found = hc.drift(rates("0.10", "0.12", "0.12", "0.16")).row(0, named=True)
    assert found["change"] == Decimal("0.06")
    assert (found["lowest"], found["highest"]) == (Decimal("0.10"), Decimal("0.16"))
    assert found["steps"] == 2
    slope = np.polyfit(range(4), [0.10, 0.12, 0.12, 0.16], 1)[0] * 365.25
    assert found["trend_per_year"] == pytest.approx(slope)
    assert hc.drift(rates("0.10"))["trend_per_year"].item() is None


def test_every_step_is_a_change_point() -> None:
    found = hc.change_points(rates("0.10", "0.10", "0.125", "0.125", "0.12"))
    assert found["date"].to_list() == [date(2026, 11, 4), date(2026, 11, 6)]
    assert found["date_before"][0] == date(2026, 11, 3)
    assert found["change"].to_list() == pytest.approx([0.025, -0.005])
    big = hc.change_points(rates("0.10", "0.125", "0.12"), minimum=0.01)
    assert big.height == 1


def test_levels_find_the_shift_under_the_noise() -> None:
    rng = np.random.default_rng(0)
    noisy = np.append(np.full(60, 0.15), np.full(40, 0.18)) + rng.normal(0, 0.002, 100)
    found = hc.change_points(rates(*(f"{h:.6f}" for h in noisy)), method="levels")
    assert found.height == 1
    assert found["date"].item() == (START + timedelta(days=60)).date()
    assert found["change"].item() == pytest.approx(0.03, abs=0.001)
    calm = hc.change_points(rates(*(f"{h:.6f}" for h in noisy[:60])), method="levels")
    assert calm.height == 0


def test_published_haircuts_are_backtested_like_a_model() -> None:
    days = history(*(row(day, haircut=Decimal("0.1")) for day in range(3)))
    prices = pl.DataFrame(
        {
            "instrument_id": ["X"] * 3,
            "date": [(START + timedelta(days=day)).date() for day in range(3)],
            "close": [100.0, 80.0, 79.0],
        }
    )
    found = hc.backtest(hc.published(days), prices, level=0.99)
    assert found.select("model", "n", "breaches").row(0) == ("arrow", 2, 1)


def lot(day: int, q: str | None, p: str | None, h: str | None) -> dict[str, Any]:
    facts = {"pledged_quantity": q, "close_price": p, "haircut": h}
    exact = {k: None if v is None else Decimal(v) for k, v in facts.items()}
    return row(day, **exact)


def test_collateral_is_split_into_rate_price_and_quantity() -> None:
    found = hc.collateral_changes(
        history(lot(0, "10", "100", "0.10"), lot(1, "20", "110", "0.20"))
    ).row(0, named=True)
    effects = ("price_effect", "rate_effect", "quantity_effect")
    assert [found[name] for name in effects] == [
        Decimal(90),
        Decimal(-110),
        Decimal(880),
    ]
    assert (found["collateral_before"], found["collateral_after"]) == (900, 1760)


money = st.decimals("0.0001", "99999", places=4).map(str)
rate = st.decimals("0", "1", places=6).map(str)


@settings(max_examples=50, deadline=None)
@given(
    steps=st.lists(st.tuples(money, money, rate), min_size=2, max_size=5),
)
def test_the_split_is_exact(steps: list[tuple[str, str, str]]) -> None:
    found = hc.collateral_changes(history(*(lot(i, *s) for i, s in enumerate(steps))))
    assert found.height == len(steps) - 1
    for line in found.iter_rows(named=True):
        effects = line["price_effect"] + line["rate_effect"] + line["quantity_effect"]
        assert line["collateral_before"] + effects == line["collateral_after"]
    q, p, h = (Decimal(x) for x in steps[-1])
    exact = q * p * (1 - h)
    assert abs(found["collateral_after"][-1] - exact) <= Decimal("0.00000001")


def test_what_is_unknown_stays_unknown_and_what_goes_is_quantity() -> None:
    other = {"instrument_id": "Y", "holding_no": 1}
    found = hc.collateral_changes(
        history(
            lot(0, "10", "100", "0.10"),
            lot(0, "5", "10", "0.50") | other,
            lot(1, "10", None, "0.10"),
        )
    )
    x, y = found.rows(named=True)
    assert x["price_effect"] is None
    assert x["collateral_after"] is None
    assert (y["price_effect"], y["rate_effect"]) == (0, 0)
    assert (y["quantity_effect"], y["collateral_after"]) == (Decimal(-25), 0)
    gateway = hc.collateral_changes(
        history(lot(0, None, "1", "0.1"), lot(1, None, "1", "0.1"))
    )
    assert gateway["collateral_after"].item() is None
