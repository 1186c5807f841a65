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
    (folder / "market").mkdir(exist_ok=True)
    for name, text in exchange_files().items():
        (folder / "market" / name).write_text(text, encoding="utf-8", newline="\n")


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


LISTED = (  # symbol, series, token, ISIN, a price to start from, VaR in percent
    ("SBIN", "EQ", "3045", "INE062A01020", 985.0, 9.00),
    ("YESBANK", "EQ", "11915", "INE528G01035", 21.5, 13.40),
    ("IDEA", "EQ", "14366", "INE669E01016", 11.2, 23.57),
    ("GROWW", "EQ", "759806", "INE0HOQ01053", 158.0, 13.12),
    ("CDSL", "EQ", "21174", "INE736A01011", 1520.0, 15.20),
    ("GOLDBEES", "EQ", "14428", "INF204KB17I5", 111.0, 9.00),
)
UDIFF = (
    "TradDt,BizDt,Sgmt,Src,FinInstrmTp,FinInstrmId,ISIN,TckrSymb,SctySrs,XpryDt,"
    "FininstrmActlXpryDt,StrkPric,OptnTp,FinInstrmNm,OpnPric,HghPric,LwPric,ClsPric,"
    "LastPric,PrvsClsgPric,UndrlygPric,SttlmPric,OpnIntrst,ChngInOpnIntrst,"
    "TtlTradgVol,TtlTrfVal,TtlNbOfTxsExctd,SsnId,NewBrdLotQty,Rmks,Rsvd1,Rsvd2,Rsvd3,"
    "Rsvd4"
)


def exchange_files() -> dict[str, str]:
    """Write two trading days in the exchanges' formats; the prices are drawn."""
    dice = random.Random(SEED)
    days = (date(2026, 1, 2), date(2026, 1, 5))
    files: dict[str, str] = {}
    last = {row[0]: row[4] for row in LISTED}
    head = (
        "SYMBOL, SERIES, DATE1, PREV_CLOSE, OPEN_PRICE, HIGH_PRICE, LOW_PRICE, "
        "LAST_PRICE, CLOSE_PRICE, AVG_PRICE, TTL_TRD_QNTY, TURNOVER_LACS, "
        "NO_OF_TRADES, DELIV_QTY, DELIV_PER"
    )
    sec = [head]
    for day in days:
        lines = [UDIFF]
        for symbol, series, token, isin, *_ in LISTED:
            listed = (symbol, series, token, isin)
            before, after = last[symbol], last[symbol] * (1 + dice.gauss(0, 0.012))
            last[symbol] = round(after, 2)
            lines.append(_udiff(day, "NSE", listed, before, after))
            sec.append(_sec(day, symbol, series, before, after))
        same_day = ("YESBANK", "T0", "756323", LISTED[1][3])
        odd = _udiff(day, "NSE", same_day, 21.5, 21.7)
        name = f"BhavCopy_NSE_CM_0_0_0_{day:%Y%m%d}_F_0000.csv"
        # on the second day one line is cut off, as a broken download leaves it
        broken = _udiff(day, "NSE", ("CUT", "EQ", "1", ""), 1, 1)[:40]
        cut = [broken] * (day == days[1])
        files[name] = "\n".join([*lines, odd, *cut]) + "\n"
    nsdl = ("NSDL", "B", "544467", "INE301O01023")
    line = _udiff(days[1], "BSE", nsdl, 1052, 1047.6)
    files["BhavCopy_BSE_CM_0_0_0_20260105_F_0000.CSV"] = f"{UDIFF}\n{line}\n"
    files["sec_bhavdata_full_05012026.csv"] = "\n".join(sec) + "\n"
    rates = [
        f"20,{symbol},{series},{isin},{var:.2f},0.00,{var:.2f},3.50,0.00,"
        f"{var + 3.5:.2f}"
        for symbol, series, _, isin, _, var in LISTED
    ]
    wrong = "20,938826,N1,INEl48I07QA5,0.00,0.00,10.00,0.00,0.00,10.00"  # l, not 1
    control = f"10,05012026,0.00,06,{len(rates) + 1:07}"
    files["C_VAR1_05012026_6.DAT"] = "\n".join([control, *rates, wrong]) + "\n"
    accepted = [
        f"{number},{symbol},{isin},{price:g},{max(var, 20):g}"
        for number, (symbol, _, _, isin, price, var) in enumerate(LISTED, 1)
    ]
    files["APPSEC_COLLVAL_05012026.csv"] = "\n".join(accepted) + "\n"
    files["symbolchange.csv"] = " Invented Limited,INVENTOLD,CDSL,12-MAY-2015\n"
    action = {"symbol": "IDEA", "series": "EQ", "faceVal": "10", "isin": LISTED[2][3]}
    action |= {"subject": "Bonus 1:2", "exDate": "06-Jan-2026", "comp": "Invented"}
    files["corporate_actions.json"] = json.dumps([action], indent=1) + "\n"
    return files


def _udiff(
    day: date, exchange: str, listed: tuple[str, ...], before: float, after: float
) -> str:
    symbol, series, token, isin = listed
    low, high = min(before, after), max(before, after)
    prices = f"{before:.2f},{high:.2f},{low:.2f},{after:.2f},{after:.2f},{before:.2f}"
    return (
        f"{day},{day},CM,{exchange},STK,{token},{isin},{symbol},{series},,,,,"
        f"{symbol} LIMITED,{prices},,{after:.2f},,,1000,{1000 * after:.2f},10,F1,1,,,,,"
    )


def _sec(day: date, symbol: str, series: str, before: float, after: float) -> str:
    low, high = min(before, after), max(before, after)
    return (
        f"{symbol}, {series}, {day:%d-%b-%Y}, {before:.2f}, {before:.2f}, {high:.2f}, "
        f"{low:.2f}, {after:.2f}, {after:.2f}, {after:.2f}, 1000, {after / 100:.2f}, "
        "10, 600, 60.00"
    )


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
