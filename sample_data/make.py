"""Make days of webhooks, a pledged account and prices again: same seed, same bytes.

``python sample_data/make.py`` writes beside itself; a folder as argument writes there.
Nobody in these files exists: people, holdings and prices follow from the seed.
"""

from __future__ import annotations

import gzip
import json
import random
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import holdings_kit as hk
from holdings_kit.clients import Inbox, serving, webhook_app

SEED = 2026
FIRST = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)  # a Monday, after the close
DAYS = 4
INSTRUMENTS, SESSIONS = 40, 750
CRASH, SPLIT = 400, 600  # sessions
SPLIT_ONE = 7  # of the instruments, 1:5


def main(folder: Path) -> None:
    """Write everything under a folder."""
    days = deliveries()
    out = folder / "days"
    out.mkdir(parents=True, exist_ok=True)
    names = sorted(days)
    lines = {name: list(days[name]) for name in names}
    first, last = lines[names[0]], lines[names[-1]]
    last.append(last[0])  # a duplicate
    last.insert(1, first[0])  # an old one, late
    forged = json.loads(lines[names[1]][0]) | {"checksum": "0" * 64}
    lines[names[1]].append(json.dumps(forged, separators=(",", ":")))
    lines[names[2]].insert(2, first[1][:200])  # a line that breaks off
    for name, text in lines.items():
        (out / f"{name}.ndjson").write_text("\n".join(text) + "\n", encoding="utf-8")
    (folder / "arrow").mkdir(exist_ok=True)
    pledged = json.dumps(pledged_reply(), indent=1)
    (folder / "arrow/pledged.json").write_text(pledged + "\n", encoding="utf-8")
    rows = "".join(prices())
    packed = gzip.compress(rows.encode(), mtime=0)
    (folder / "prices_40.csv.gz").write_bytes(packed)


def deliveries() -> dict[str, list[str]]:
    """Import for every simulated person on every day; give the bodies by day."""
    found: dict[str, list[str]] = {}
    start = FIRST
    with TemporaryDirectory() as kept, hk.sandbox.serve(seed=SEED, clock=start) as sb:
        inbox = Inbox(Path(kept), api_secret=sb.api_secret)
        with (
            serving(webhook_app(inbox)) as address,
            hk.GatewayClient(
                gateway=sb.gateway,
                api_secret=sb.api_secret,
                shared_secret=sb.shared_secret,
                base_url=sb.url,
                clock=sb.now,
            ) as gateway,
        ):
            sb.register_webhook(f"{address}/webhook")
            for _ in range(DAYS):
                for key in sb.personas:
                    if key != "sample":
                        new = gateway.create_import(mutual_funds=True, notes=key)
                        sb.play(new.transaction_id, persona=key)
                        sb.advance(seconds=30)
                sb.advance(days=1, seconds=-30 * (len(sb.personas) - 1))
        bodies = [path.read_text() for path in inbox.accepted.rglob("*.json")]
    for body in sorted(bodies, key=lambda text: json.loads(text)["timestamp"]):
        found.setdefault(json.loads(body)["timestamp"][:10], []).append(body)
    return found


def pledged_reply() -> object:
    """Change the published Arrow reply: shares pledged, shares not yet settled."""
    published = Path(__file__).parent / "arrow/holdings.json"
    reply = json.loads(published.read_text(encoding="utf-8"))
    changed = {
        "IDEA": {"depositoryQty": "371", "brokerCollateralQty": "400.00"},
        "SBIN": {"qty": "5", "effectiveQty": "5", "sellableQty": "5", "t1Qty": "2"},
        "NSDL": {"depositoryQty": "0", "brokerCollateralQty": "6.00"},
    }
    for row in reply["data"]:
        row.update(changed.get(row["symbols"][0]["symbol"], {}))
    return reply


def prices() -> list[str]:
    """Draw closes: GARCH(1,1) around a common factor, a crash, a split."""
    dice = random.Random(SEED)
    sessions: list[date] = []
    day = date(2023, 1, 2)
    while len(sessions) < SESSIONS:
        sessions += [day] if day.weekday() < 5 else []
        day += timedelta(days=1)
    market = returns(dice, 0.009)
    rows = ["date,symbol,close\n"]
    for number in range(INSTRUMENTS):
        own, close = returns(dice, 0.014), dice.uniform(40, 2_500)
        for session, when in enumerate(sessions):
            fall = -0.05 if CRASH <= session < CRASH + 3 else 0.0
            close *= 1 + market[session] + own[session] + fall
            if number == SPLIT_ONE and session == SPLIT:
                close /= 5
            rows.append(f"{when},INV{number:02},{round(close / 0.05) * 0.05:.2f}\n")
    return rows


def returns(dice: random.Random, usual: float) -> list[float]:
    """Draw returns whose volatility comes in clusters."""
    variance, out = usual**2, list[float]()
    for _ in range(SESSIONS):
        move = dice.gauss(0, 1) * variance**0.5
        out.append(max(-0.15, min(0.15, move)))
        variance = 0.04 * usual**2 + 0.08 * out[-1] ** 2 + 0.88 * variance
    return out


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
