"""Events of the real market, in invented accounts, with and without the table.

Names, ratios and dates as the exchanges and companies published them; cost splits of
demergers as the companies stated them (ITC Hotels 86.49 : 13.51, Jio Financial
95.32 : 4.68).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

import polars as pl
import pytest

import holdings_kit as hk
from holdings_kit.changes import ACTIONS, _timeline as steps
from holdings_kit.errors import ConfigError

Lines = Callable[..., pl.DataFrame]
EARLIER = datetime(2026, 1, 5, 12, 30, tzinfo=UTC)
LATER = datetime(2026, 1, 6, 12, 30, tzinfo=UTC)
EX = date(2026, 1, 6)


class Case(NamedTuple):
    """One event: both sides in short hand, its rows of the table, what is said."""

    before: str
    after: str
    actions: tuple[tuple[str, str, str | None, str | None], ...]
    causes: dict[str, str]


CASES = {
    "TATASTEEL split x10": Case(
        "TATASTEEL/INE081A01012 30 @450 =960",
        "TATASTEEL/INE081A01020 300 @45 =98",
        (("INE081A01012", "split", "1:10", "INE081A01020"),),
        {"TATASTEEL": "split"},
    ),
    "BAJAJFINSV split 1:5 and bonus 1:1": Case(
        "BAJAJFINSV/INE918I01018 4 @11000 =17200",
        "BAJAJFINSV/INE918I01026 40 @1100 =1750",
        (
            ("INE918I01018", "split", "1:5", "INE918I01026"),
            ("INE918I01018", "bonus", "1:1", None),
        ),
        {"BAJAJFINSV": "split"},
    ),
    "NESTLEIND split x10": Case(
        "NESTLEIND/INE239A01016 7 @19000 =27100",
        "NESTLEIND/INE239A01024 70 @1900 =2650",
        (("INE239A01016", "split", "10", "INE239A01024"),),
        {"NESTLEIND": "split"},
    ),
    "RELIANCE bonus 1:1": Case(
        "RELIANCE/INE002A01018 45 @2210.4 =2655",
        "RELIANCE/INE002A01018 90 @1105.2 =1334",
        (("INE002A01018", "bonus", "1:1", None),),
        {"RELIANCE": "bonus"},
    ),
    "RELIANCE bonus 1:1, average late": Case(
        "RELIANCE/INE002A01018 45 @2210.4 =2655",
        "RELIANCE/INE002A01018 90 @2210.4 =1334",
        (("INE002A01018", "bonus", "1:1", None),),
        {"RELIANCE": "bonus"},
    ),
    "BAJFINANCE bonus 4:1 and split 1:2": Case(
        "BAJFINANCE/INE296A01024 12 @6800 =9370",
        "BAJFINANCE/INE296A01032 120 @680 =938",
        (
            ("INE296A01024", "bonus", "4:1", None),
            ("INE296A01024", "split", "1:2", "INE296A01032"),
        ),
        {"BAJFINANCE": "split"},
    ),
    "HDFCBANK bonus 1:1": Case(
        "HDFCBANK/INE040A01034 33 @1500 =1964",
        "HDFCBANK/INE040A01034 66 @750 =973",
        (("INE040A01034", "bonus", "1:1", None),),
        {"HDFCBANK": "bonus"},
    ),
    "HDFC into HDFCBANK, 42 for 25": Case(
        "HDFC/INE001A01036 75 @2400 =2730; HDFCBANK/INE040A01034 20 @1480 =1630",
        "HDFCBANK/INE040A01034 146 @1435.6164 =1640",
        (("INE001A01036", "merger", "42:25", "INE040A01034"),),
        {"HDFC": "merger", "HDFCBANK": "merger"},
    ),
    "HDFC into HDFCBANK, a new line": Case(
        "HDFC/INE001A01036 51 @2400 =2730",
        "HDFCBANK/INE040A01034 85 @1440 =1640",
        (("INE001A01036", "merger", "42:25", "INE040A01034"),),
        {"HDFC": "merger", "HDFCBANK": "merger"},
    ),
    "ITC and ITC Hotels 1:10": Case(
        "ITC/INE154A01025 500 @310.2 =482",
        "ITC/INE154A01025 500 @268.2920 =456; ITCHOTELS/INE379A01028 50 @419.08 =180",
        (("INE154A01025", "demerger", "1:10", "INE379A01028"),),
        {"ITC": "demerger", "ITCHOTELS": "demerger"},
    ),
    "RELIANCE and JIOFIN 1:1": Case(
        "RELIANCE/INE002A01018 18 @2000 =2840",
        "RELIANCE/INE002A01018 18 @1906.4 =2580; JIOFIN/INE758E01017 18 @93.6 =262",
        (("INE002A01018", "demerger", "1:1", "INE758E01017"),),
        {"RELIANCE": "demerger", "JIOFIN": "demerger"},
    ),
    "JIOFIN without a price": Case(
        "RELIANCE/INE002A01018 18 @2000 =2840",
        "RELIANCE/INE002A01018 18 @1906.4 =2580; JIOFIN/INE758E01017 18 @93.6 =?",
        (("INE002A01018", "demerger", "1:1", "INE758E01017"),),
        {"RELIANCE": "demerger", "JIOFIN": "demerger"},
    ),
    "TATAMOTORS becomes TMPV and gives TMLCV": Case(
        "TATAMOTORS/INE155A01022 40 @620 =660",
        "TMPV/INE155A01022 40 @427.18 =400; TMLCV/INE1TAE01010 40 @192.82 =260",
        (
            ("INE155A01022", "rename", None, None),
            ("INE155A01022", "demerger", "1:1", "INE1TAE01010"),
        ),
        {"TMPV": "demerger", "TMLCV": "demerger"},
    ),
    "VEDL gives four companies": Case(
        "VEDL/INE205A01025 100 @300 =640",
        "VEDL/INE205A01025 100 @120 =270; VAML/INE0AAA01010 100 @90 =200;"
        "VEDPOWER/INE0AAB01018 100 @45 =90; VEDOIL/INE0AAC01016 100 @30 =60;"
        "VEDISL/INE0AAD01014 100 @15 =20",
        tuple(
            ("INE205A01025", "demerger", "1:1", child)
            for child in (
                "INE0AAA01010",
                "INE0AAB01018",
                "INE0AAC01016",
                "INE0AAD01014",
            )
        ),
        dict.fromkeys(("VEDL", "VAML", "VEDPOWER", "VEDOIL", "VEDISL"), "demerger"),
    ),
}


def table(rows: tuple[tuple[str, str, str | None, str | None], ...]) -> pl.DataFrame:
    names = ("instrument_id", "kind", "ratio", "new_instrument_id")
    return pl.DataFrame(
        [dict(zip(names, row, strict=True)) | {"ex_date": EX} for row in rows],
        schema=ACTIONS,
    )


def named(changes: pl.DataFrame) -> dict[str, str]:
    own = changes.filter(~pl.col("symbol").str.starts_with("BY"))
    return dict(own.select("symbol", "cause").rows())


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("listed", [True, False], ids=["table", "numbers"])
def test_the_market_is_named_right(lines: Lines, name: str, *, listed: bool) -> None:
    case = CASES[name]
    changes = hk.compare(
        lines(case.before, at=EARLIER, bystanders=4),
        lines(case.after, at=LATER, bystanders=4),
        actions=table(case.actions) if listed else None,
    )
    assert named(changes) | case.causes == named(changes)
    value = hk.bridge(changes, by=()).row(0, named=True)
    assert value["residual"] == 0
    assert value["trade_effect"] == 0
    for of in ("value", "collateral", "pnl"):
        assert set(hk.bridge(changes, of=of)["residual"]) == {0}


OLD, NEW, THIRD = "INE669E01016", "INE062A01020", "INE040A01034"
TRADED = {
    # what stands on both sides, the table, what is said with it and without
    "parent sold after its demerger": (
        "X/{OLD} 100 @300 =640",
        "X/{OLD} 70 @240 =500; C/{NEW} 20 @300 =600",
        "demerger 1:5",
        ("C demerger 20; X demerger+sold 30",) * 2,
    ),
    "parent bought after its demerger": (
        "X/{OLD} 100 @300 =640",
        "X/{OLD} 130 @304.62 =500; C/{NEW} 20 @300 =600",
        "demerger 1:5",
        ("C demerger 20; X demerger+bought 30",) * 2,
    ),
    "parent sold out after its demerger": (
        "X/{OLD} 100 @300 =640",
        "C/{NEW} 20 @300 =600",
        "demerger 1:5",
        ("C demerger 20; X demerger+sold 100", "C received 20; X closed 100"),
    ),
    "child sold in part": (
        "X/{OLD} 100 @300 =640",
        "X/{OLD} 100 @240 =500; C/{NEW} 15 @300 =600",
        "demerger 1:5",
        ("C demerger 20+sold 5; X demerger",) * 2,
    ),
    "child bought besides": (
        "X/{OLD} 100 @300 =640",
        "X/{OLD} 100 @240 =500; C/{NEW} 25 @360 =600",
        "demerger 1:5",
        (
            "C demerger 20+bought 5; X demerger",
            "C received 25; X average_restated",
        ),
    ),
    "child held before": (
        "X/{OLD} 100 @300 =640; C/{NEW} 10 @550 =580",
        "X/{OLD} 100 @240 =500; C/{NEW} 30 @383.33 =600",
        "demerger 1:5",
        ("C demerger 20; X demerger",) * 2,
    ),
    "child whose average is 0": (
        "X/{OLD} 100 @300 =640",
        "X/{OLD} 100 @300 =500; C/{NEW} 20 @0 =600",
        "demerger 1:5",
        ("C demerger 20; X demerger", "C received 20; X price_only"),
    ),
    "merger, a fraction and its cost paid out": (
        "X/{OLD} 33 @2400 =2730; Y/{NEW} 21 @1480 =1630",
        "Y/{NEW} 76 @1442.78 =1640",
        "merger 42:25",
        ("X merger -33; Y merger 55",) * 2,
    ),
    "target bought besides": (
        "X/{OLD} 50 @2400 =2730; Y/{NEW} 20 @1480 =1630",
        "Y/{NEW} 114 @1456.14 =1640",
        "merger 42:25",
        ("X merger -50; Y merger 84+bought 10",) * 2,
    ),
    "target sold in part": (
        "X/{OLD} 50 @2400 =2730; Y/{NEW} 20 @1480 =1630",
        "Y/{NEW} 74 @1438.46 =1640",
        "merger 42:25",
        ("X merger -50; Y merger 84+sold 30",) * 2,
    ),
    "half of what came sold, no price before": (
        "X/{OLD} 50 @2400 =2730",
        "Y/{NEW} 42 @1428.57 =1640",
        "merger 42:25",
        ("X merger -50; Y merger 84+sold 42",) * 2,
    ),
    "entitlements taken up": (
        "X/{OLD} 150 @400 =700; X-RE/INE669E20017 10 @? =190",
        "X/{OLD} 160 @406.25 =690",
        "rights 1:15 500",
        ("X rights 10; X-RE rights -10",) * 2,
    ),
    "entitlements and more taken up": (
        "X/{OLD} 150 @400 =700; X-RE/INE669E20017 10 @0 =190",
        "X/{OLD} 165 @409.09 =690",
        "rights 1:15 500",
        ("X rights 15; X-RE rights -10", "X received 15; X-RE closed 10"),
    ),
    "rights for what was sold since": (
        "Z/{THIRD} 1 @1 =1",
        "Z/{THIRD} 1 @1 =1; X/{OLD} 20 @500 =690",
        "rights 1:15 500",
        ("X rights 20; Z unchanged", "X received 20; Z unchanged"),
    ),
    "all of them tendered": (
        "X/{OLD} 15 @400 =700",
        "Z/{THIRD} 1 @1 =1",
        "buyback 1:1 800",
        ("X buyback -15; Z opened 1", "X closed 15; Z opened 1"),
    ),
    "a call paid, fully paid shares held": (
        "P/{OLD} 100 @50 =80; X/{NEW} 10 @100 =150",
        "X/{NEW} 110 @118.18 =160",
        "call - 70",
        ("P merger -100; X merger 100+bought", "P closed 100; X received 100"),
    ),
    "shares cancelled for nothing": (
        "X/{OLD} 100 @50 =6",
        "X/{OLD} 100 @50 =?",
        "capital_reduction - 0",
        ("X delisted", "X price_only"),
    ),
    "half sold where no price is known": (
        "X/{OLD} 100 @500 =?",
        "X/{OLD} 50 @500 =?",
        "dividend - 1",
        ("X sold 50",) * 2,
    ),
    "split beside a demerger": (
        "X/{OLD} 100 @300 =640",
        "X/INE669E01024 500 @48 =100; C/{NEW} 20 @300 =600",
        "demerger 1:5",
        ("C demerger 20; X demerger+split 400+isin_change",) * 2,
    ),
    "two lines merged into one": (
        "X/{OLD} 50 @2400 =2730; W/{THIRD} 100 @100 =120; Y/{NEW} 10 @1500 =1640",
        "Y/{NEW} 104 @1394.23 =1640",
        "merger 42:25",
        (
            "W closed 100; X merger -50; Y merger 84+received 10",
            "W merger -100; X merger -50; Y merger 94",
        ),
    ),
    "one share sold, two of another received for less": (
        "X/{OLD} 1 @362.39 =341.46",
        "Y/{NEW} 2 @136.63 =174.24",
        "dividend - 1",
        ("X closed 1; Y received 2",) * 2,
    ),
    "one of five new lines was bought": (
        "X/{OLD} 100 @300 =640",
        (
            "X/{OLD} 100 @145 =300; C/{NEW} 50 @100 =150; D/INE0AAA01010 100 @60 =90;"
            "E/INE0AAB01018 100 @30 =60; F/INE0AAC01016 100 @15 =20;"
            "G/{THIRD} 7 @312 =310"
        ),
        "dividend - 1",
        (
            (
                "C demerger 50; D demerger 100; E demerger 100; F demerger 100;"
                " G opened 7; X demerger"
            ),
        )
        * 2,
    ),
}


@pytest.mark.parametrize("name", TRADED)
@pytest.mark.parametrize("listed", [True, False], ids=["table", "numbers"])
def test_what_was_traded_beside_an_event_is_told_from_it(
    lines: Lines, name: str, *, listed: bool
) -> None:
    before, after, action, said = TRADED[name]
    kind, ratio, *cash = action.split()
    row = {
        "instrument_id": OLD,
        "ex_date": EX,
        "kind": kind,
        "ratio": None if ratio == "-" else ratio,
        "new_instrument_id": NEW,
        "cash_per_unit": Decimal(cash[0]) if cash else None,
    }
    names = {"OLD": OLD, "NEW": NEW, "THIRD": THIRD}
    changes = hk.compare(
        lines(before.format(**names), at=EARLIER, bystanders=4),
        lines(after.format(**names), at=LATER, bystanders=4),
        actions=pl.DataFrame([row], schema=ACTIONS) if listed else None,
    )
    assert in_short(changes) == said[0 if listed else 1]
    assert set(hk.bridge(changes)["residual"]) == {0}
    assert set(hk.bridge(changes, of="pnl")["residual"]) == {0}


def test_a_dividend_is_income_beside_the_value(lines: Lines) -> None:
    held = "X/INE669E01016 100 @50 =60; Y/INE062A01020 3 @1 =2"
    row = {"instrument_id": OLD, "kind": "dividend", "cash_per_unit": Decimal("2.5")}
    bonus = {"instrument_id": OLD, "kind": "bonus", "ratio": "1:1", "ex_date": EX}
    later = date(2026, 1, 9)
    cases = [
        # after, the day of the second snapshot, the ex-date, a bonus; the income
        ("100 @50 =58", 6, EX, False, 250),
        ("40 @50 =58", 6, EX, False, 250),  # sold on the ex-date or after
        ("40 @50 =58", 13, later, False, None),
        ("100 @50 =58", 13, later, False, 250),
        ("200 @25 =29", 13, later, True, 500),
        ("100 @50 =58", 6, later, False, 0),
    ]
    for after, day, ex_date, doubled, income in cases:
        table = [row | {"ex_date": ex_date}, *([bonus] if doubled else [])]
        changes = hk.compare(
            lines(held, at=EARLIER),
            lines(
                f"X/INE669E01016 {after}; Y/INE062A01020 3 @1 =2",
                at=EARLIER.replace(day=day),
            ),
            actions=pl.DataFrame(table, schema=ACTIONS),
        )
        x = changes.filter(symbol="X")
        assert x["income_value"].to_list() == [income], after
        total = hk.bridge(changes, by=()).row(0, named=True)
        assert (total["income_value"], total["residual"]) == (income, 0)
        assert ("income is cash" in (total["note"] or "")) is (income != 0)


SEVERAL = {
    # two rows of the table between two monthly snapshots
    "the second bonus not credited": (
        "X/{OLD} 100 @800 =1000",
        "X/{OLD} 200 @400 =251",
        ("bonus 1:1", "bonus 1:1"),
        "X bonus 100+pending_action",
    ),
    "both bonuses, the average late": (
        "X/{OLD} 100 @800 =1000",
        "X/{OLD} 400 @800 =251",
        ("bonus 1:1", "bonus 1:1"),
        "X bonus 300",
    ),
    "rights, then a bonus": (
        "X/{OLD} 150 @400 =700",
        "X/{OLD} 320 @203.125 =345",
        ("rights 1:15 500", "bonus 1:1"),
        "X bonus 160+rights 20",
    ),
    "a merger, then a bonus of its target": (
        "S/{THIRD} 50 @2400 =2730; X/{OLD} 20 @1480 =1630",
        "X/{OLD} 208 @719.23 =820",
        ("merger 42:25", "bonus 1:1"),
        "S merger -50; X merger 168+bonus 104",
    ),
    "bonus and split, then a sale": (
        "X/{OLD} 20 @3000 =4500",
        "X/INE669E01024 270 @200 =310",
        ("bonus 2:1", "split 1:5"),
        "X split 280+bonus 280+isin_change+sold 30",
    ),
}


@pytest.mark.parametrize("name", SEVERAL)
def test_several_actions_of_a_month_are_told_apart(lines: Lines, name: str) -> None:
    before, after, actions, said = SEVERAL[name]
    names = {"OLD": OLD, "THIRD": THIRD}
    rows = []
    for place, action in enumerate(actions):
        kind, ratio, *cash = action.split()
        into = {"merger": OLD, "split": "INE669E01024"}
        rows.append(
            {
                "instrument_id": THIRD if kind == "merger" else OLD,
                "ex_date": date(2026, 1, 8 + 6 * place),
                "kind": kind,
                "ratio": ratio,
                "new_instrument_id": into.get(kind),
                "cash_per_unit": Decimal(cash[0]) if cash else None,
            }
        )
    changes = hk.compare(
        lines(before.format(**names), at=EARLIER, bystanders=4),
        lines(after.format(**names), at=LATER.replace(month=2), bystanders=4),
        actions=pl.DataFrame(rows, schema=ACTIONS),
    )
    assert in_short(changes) == said
    assert set(hk.bridge(changes, of="pnl")["residual"]) == {0}


def in_short(changes: pl.DataFrame) -> str:
    """Write every line that is no bystander, and the units of each of its parts."""
    own = changes.filter(~pl.col("symbol").str.starts_with("BY")).sort("symbol")
    return "; ".join(
        f"{symbol} "
        + "+".join(
            part["cause"]
            + (f" {float(part['quantity']):g}" if part["quantity"] else "")
            for part in parts
        )
        for symbol, parts in own.select("symbol", "parts").rows()
    )


def test_value_that_only_moved_between_lines_has_no_effect(lines: Lines) -> None:
    case = CASES["HDFC into HDFCBANK, 42 for 25"]
    changes = hk.compare(
        lines(case.before, at=EARLIER),
        lines(case.after, at=LATER),
        actions=table(case.actions),
    )
    total = hk.bridge(changes, by=()).row(0, named=True)
    assert total["corporate_action_effect"] == 0
    assert total["swap_effect"] == 126 * 1640 - 75 * 2730
    assert total["price_effect"] == 20 * 10
    pnl = hk.bridge(changes, by=(), of="pnl").row(0, named=True)
    assert pnl["corporate_action_effect"] == 0
    assert abs(pnl["average_effect"]) < 1


def test_a_child_without_a_price_takes_the_fall_out_of_what_is_covered(
    lines: Lines,
) -> None:
    case = CASES["JIOFIN without a price"]
    changes = hk.compare(lines(case.before), lines(case.after, at=LATER))
    total = hk.bridge(changes, by=()).row(0, named=True)
    assert total["price_effect"] == total["corporate_action_effect"] == 0
    assert total["coverage_effect"] == 18 * (2580 - 2840)


WRONG = {
    "split without a ratio": (("A", "split", None, None), "a split needs a ratio"),
    "split of words": (("A", "split", "abc", None), "whole numbers like '10'"),
    "split of one": (("A", "split", "1:1", None), "changes nothing"),
    "bonus of nothing": (("A", "bonus", "0:1", None), "ratio of a bonus"),
    "merger into nothing": (("A", "merger", "1:2", None), "needs new_instrument_id"),
    "merger without a ratio": (("A", "merger", None, "B"), "a merger needs a ratio"),
    "demerger of words": (("A", "demerger", "one", "B"), "ratio of a demerger"),
    "change into nothing": (
        ("A", "isin_change", None, None),
        "needs new_instrument_id",
    ),
    "rename with a ratio": (("A", "rename", "1:5", None), "takes no ratio"),
    "dividend with a ratio": (("A", "dividend", "2:1", None), "takes no ratio"),
    "a kind of its own": (("A", "spinoff", "1:1", "B"), "kinds are split"),
    "nobody's": ((None, "bonus", "1:1", None), "names no instrument_id"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_row_that_does_not_say_what_its_kind_must_is_refused(
    lines: Lines, name: str
) -> None:
    row, words = WRONG[name]
    with pytest.raises(ConfigError, match=words):
        hk.compare(lines("A 1 @1 =1"), lines("A 1 @1 =1"), actions=table((row,)))  # type: ignore[arg-type]


def test_rows_that_say_the_same_are_one_row(lines: Lines) -> None:
    rows = (
        ("INE669E01016", "bonus", "1:1", None),
        ("ine669e01016 ", "bonus", "1", None),
    )
    changes = hk.compare(
        lines("IDEA/INE669E01016 100 @500 =700"),
        lines("IDEA/INE669E01016 200 @250 =352", at=LATER),
        actions=table(rows),
    )
    assert changes.select("cause", "adjusted_quantity").row(0) == ("bonus", 200)


def test_a_ratio_beside_an_isin_change_counts(lines: Lines) -> None:
    changes = hk.compare(
        lines("IDEA/INE669E01016 100 @500 =700"),
        lines("VI/INE111A01010 500 @100 =141", at=LATER),
        actions=table((("INE669E01016", "isin_change", "5:1", "INE111A01010"),)),
    )
    row = changes.row(0, named=True)
    assert (row["cause"], row["adjusted_quantity"], row["traded_quantity"]) == (
        "isin_change",
        500,
        0,
    )


def test_a_delisted_share_is_worthless_only_where_the_table_says_so(
    lines: Lines,
) -> None:
    sides = lines("X/INE669E01016 10 @5 =7"), lines("X/INE669E01016 10 @5 =?", at=LATER)
    for cash, effect in ((None, "coverage_effect"), (Decimal(0), "price_effect")):
        rows = table((("INE669E01016", "delisting", None, None),)).with_columns(
            cash_per_unit=pl.lit(cash, pl.Decimal(18, 4))
        )
        total = hk.bridge(hk.compare(*sides, actions=rows), by=()).row(0, named=True)
        assert total[effect] == -70, total


def test_the_same_listing_is_one_line_whatever_is_known_of_its_isin(
    lines: Lines,
) -> None:
    names = ["SBIN/INE062A01020", "SBIN", "SBIN/ine062a01020"]
    for one in names:
        for other in names:
            changes = hk.compare(
                lines(f"{one} 10 @500 =700"), lines(f"{other} 10 @500 =701", at=LATER)
            )
            assert changes["cause"].to_list() == ["price_only"], (one, other)
    before = lines("SBIN/INE062A01020 10 @500 =700")
    blank = before.with_columns(instrument_id=pl.lit(" INE062A01020\u00a0"))
    assert hk.compare(before, blank)["cause"].to_list() == ["unchanged"]
    fund = before.with_columns(instrument_id=pl.lit("MF:Some Fund"))
    assert hk.compare(fund, fund)["instrument_id"].to_list() == ["MF:Some Fund"]
    nse = lines("SBIN 10 @500 =700")
    bse = nse.with_columns(
        exchange=pl.lit("BSE"), instrument_id=pl.lit("BSE:SBIN"), token=pl.lit("500112")
    )
    assert hk.compare(nse, bse)["cause"].to_list() == ["unchanged"]


def test_what_a_file_announces_without_terms_is_left_out(lines: Lines) -> None:
    rows = table((("INE669E01016", "demerger", None, None),)).with_columns(
        source=pl.lit("nse")
    )
    sides = lines("X/INE669E01016 10 @5 =7"), lines("X/INE669E01016 10 @5 =8", at=LATER)
    assert hk.compare(*sides, actions=rows)["cause"].to_list() == ["price_only"]
    with pytest.raises(ConfigError, match="needs a ratio"):
        hk.compare(*sides, actions=rows.with_columns(source=pl.lit(None, pl.String())))


PRICES = pl.DataFrame(
    {
        "isin": ["INE669E01016"] * 2,
        "date": [date(2026, 1, 2), date(2026, 1, 6)],
        "close_price": [Decimal("100.0000"), Decimal("110.0000")],
    }
)


def test_a_table_of_prices_values_what_the_payload_leaves_open(lines: Lines) -> None:
    before = lines("X/INE669E01016 10 @90 =?; Y/INE062A01020 5 @1 =2", at=EARLIER)
    after = lines("X/INE669E01016 10 @90 =?; Y/INE062A01020 5 @1 =3", at=LATER)
    changes = hk.compare(before, after, prices=PRICES)
    x = changes.filter(symbol="X").row(0, named=True)
    assert (x["cause"], x["price_before"], x["price_after"]) == ("price_only", 100, 110)
    assert x["price_basis_after"] == "price"
    total = hk.bridge(changes, by=()).row(0, named=True)
    assert (total["price_effect"], total["unknown_after_count"]) == (105, 0)
    lazy = hk.compare(before.lazy(), after.lazy(), prices=PRICES.lazy()).collect()
    assert lazy.equals(changes)
    # three days from Friday to Monday are one trading day: 2 January is one old
    for age, price in ((1, 100), (0, None)):
        aged = hk.compare(before, after, prices=PRICES, max_age=age).filter(symbol="X")
        assert aged["price_before"].to_list() == [price]


def test_a_price_of_the_table_never_crosses_an_action(lines: Lines) -> None:
    before = lines("X/INE669E01016 10 @90 =?", at=EARLIER)
    after = lines("X/INE669E01016 20 @45 =?", at=LATER)
    one = PRICES.head(1)
    actions = table((("INE669E01016", "bonus", "1:1", None),))
    changes = hk.compare(before, after, prices=one, actions=actions)
    assert changes.select("price_before", "price_after").row(0) == (100, None)


def test_an_unknown_value_is_not_nothing(lines: Lines) -> None:
    changes = hk.compare(lines("X 10 @5 =?"), lines("X 12 @5 =?", at=LATER))
    for of in ("value", "pnl", "collateral"):
        total = hk.bridge(changes, by=(), of=of).row(0, named=True)
        known = {
            k: v for k, v in total.items() if k.endswith(("effect", "fore", "fter"))
        }
        values = [v for k, v in known.items() if not k.startswith("unknown")]
        if of != "collateral":  # nothing is pledged: that is known
            assert set(values) == {None}, known


def history(lines: Lines, *days: str) -> list[pl.DataFrame]:
    return [
        lines(text, at=datetime(2026, 1, 5 + place, 12, 30, tzinfo=UTC))
        for place, text in enumerate(days)
    ]


DAYS = (
    "X/INE669E01016 100 @10 =11; Y/INE062A01020 5 @700 =710",
    "X/INE669E01016 150 @10.6667 =12; Y/INE062A01020 5 @700 =715",
    "X/INE669E01016 150 @10.6667 =10; Z/INE040A01034 0+3t @900 =905",
    "X/INE669E01016 60 @10.6667 =9; Z/INE040A01034 3 @900 =?",
)


@pytest.mark.parametrize("of", ["value", "pnl", "collateral"])
def test_a_bridge_over_days_is_the_sum_of_the_bridges_of_the_days(
    lines: Lines, of: str
) -> None:
    days = history(lines, *DAYS)
    whole = hk.timeline(pl.concat(days))
    total = hk.bridge(whole, by=(), of=of).row(0, named=True)  # type: ignore[arg-type]
    each = [
        hk.bridge(hk.compare(*pair), by=(), of=of).row(0, named=True)  # type: ignore[arg-type]
        for pair in pairwise(days)
    ]
    effects = [name for name in total if name.endswith("_effect")]
    assert {n: total[n] for n in effects} == {
        n: sum(d[n] for d in each) for n in effects
    }
    assert total["value_before"] == each[0]["value_before"]
    assert total["value_after"] == each[-1]["value_after"]
    assert total["unknown_after_count"] == each[-1]["unknown_after_count"]
    assert (total["residual"], total["note"]) == (0, None)


def test_a_bridge_between_distant_days_says_that_it_is_not_their_sum(
    lines: Lines,
) -> None:
    days = history(lines, *DAYS)
    far = hk.bridge(hk.compare(days[0], days[-1]), by=())
    assert far["note"][0].startswith("3 days between the snapshots")
    assert hk.bridge(hk.compare(days[0], days[1]), by=())["note"].to_list() == [None]


def test_a_lazy_timeline_in_slices_is_the_eager_one(lines: Lines) -> None:
    accounts = [
        lines(text, at=datetime(2026, 1, 5 + place, 12, 30, tzinfo=UTC), account=name)
        for name in ("A", "B", "C", "D")
        for place, text in enumerate(DAYS)
    ]
    rows = pl.concat(accounts).sample(fraction=1.0, shuffle=True, seed=1)
    moves = pl.DataFrame({"person_id": ["P", "P"], "account_id": ["A", "D"]})
    for owners in (None, moves):
        whole = hk.timeline(rows, moves=owners)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(steps, "_ROWS", 10)
            sliced = hk.timeline(rows, moves=owners)
            lazy = hk.timeline(rows.lazy(), moves=owners)
            assert sliced.equals(whole)
            assert (
                lazy.collect().sort("account_id", "step", "instrument_id").equals(whole)
            )
            for by in ((), "account_id", "cause"):
                assert hk.bridge(lazy, by=by).collect().equals(hk.bridge(whole, by=by))
            few = lazy.filter(pl.col("step") == 0).select("cause").head(3).collect()
            assert few.height == 3
