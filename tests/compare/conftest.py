"""A short hand for holdings, so that a transition fits on one line of a table.

``[account:]SYMBOL[/ISIN] free[+T1t][+PLEDGEDp] [@average] [=price] [h HAIRCUT]``,
lines separated by ``;``. ``?`` is unknown. ``owned=N`` gives a total without buckets.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import polars as pl
import pytest

from holdings_kit.schema import HOLDINGS

if TYPE_CHECKING:
    from collections.abc import Callable

DAY = datetime(2026, 1, 5, 12, 30, tzinfo=UTC)
_LINE = re.compile(
    r"(?:(?P<account>\w+):)?(?P<symbol>[\w&-]+)(?:/(?P<isin>\w+))?"
    r"\s+(?:owned=(?P<owned>[\d.?]+)|(?P<free>[\d.]+)"
    r"(?:\+(?P<t1>[\d.]+)t)?(?:\+(?P<pledged>[\d.]+)p)?)"
    r"(?:\s+@(?P<average>[\d.?]+))?(?:\s+=(?P<price>[\d.?]+))?(?:\s+h\s*(?P<haircut>[\d.]+))?\s*$"
)


def _number(value: str | None) -> Decimal | None:
    return None if value in {None, "?"} else Decimal(str(value))


def holding(line: str, at: datetime, account: str, number: int) -> dict[str, object]:
    found = _LINE.match(line.strip())
    assert found, f"cannot read the line {line!r}"
    part = found.groupdict()
    account = part["account"] or account
    isin = part["isin"]
    free, t1, pledged = (_number(part[k] or "0") for k in ("free", "t1", "pledged"))
    if part["owned"]:
        free = t1 = pledged = None
        owned = _number(part["owned"])
    else:
        owned = sum((free, t1, pledged), Decimal(0))  # type: ignore[arg-type]
    return {
        "snapshot_id": f"{account}-{at:%Y%m%d%H%M}",
        "account_id": account,
        "holding_no": number,
        "source": "arrow",
        "snapshot_at": at,
        "instrument_id": isin or f"NSE:{part['symbol']}",
        "isin": isin,
        "symbol": part["symbol"],
        "exchange": "NSE",
        "settled_quantity": free,
        "t1_quantity": t1,
        "pledged_quantity": pledged,
        "used_quantity": None if part["owned"] else Decimal(0),
        "owned_quantity": owned,
        "average_price": _number(part["average"]),
        "close_price": _number(part["price"]),
        "haircut": _number(part["haircut"]),
    }


def frame(
    text: str,
    *,
    at: datetime = DAY,
    account: str = "A1",
    bystanders: int = 0,
    owners: tuple[str, ...] = (),
) -> pl.DataFrame:
    lines = [line for line in text.split(";") if line.strip()]
    rows = [holding(line, at, account, n) for n, line in enumerate(lines)]
    names = owners or (account,)
    rows += [
        holding(f"{name}:BY{n} 10 @100 =100", at, account, len(rows) + n)
        for name in names
        for n in range(bystanders)
    ]
    return pl.DataFrame(rows, schema=HOLDINGS)


@pytest.fixture(scope="session")
def lines() -> Callable[..., pl.DataFrame]:
    """Write HOLDINGS in short hand; see the head of this file."""
    return frame
