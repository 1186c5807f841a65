"""The command line: the whole way, and one-line errors."""

import re
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from holdings_kit import cli
from holdings_kit.errors import ConfigError

SAMPLES = Path(__file__).parents[2] / "sample_data"


def run(*words: object) -> str:
    done = CliRunner().invoke(cli.app, [str(w) for w in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_dumps_are_loaded_once_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_API_SECRET", "sandbox_api_secret")
    dumps, store = SAMPLES / "webhooks", tmp_path / "store"
    assert "4 deliveries loaded, 0 loaded before, 1 set aside" in run(
        "load", dumps, "--into", store
    )
    assert "0 deliveries loaded" in run("load", dumps, "--into", store)
    shown = run("report", "--store", store)
    assert "CDSL" in shown
    assert "BSE  " not in shown, "its checksum is wrong: quarantined, not current"


def test_a_report_of_dumps_says_what_is_not_known() -> None:
    shown = run(
        "report",
        SAMPLES / "webhooks",
        "--instruments",
        SAMPLES / "arrow/instruments.csv",
    )
    assert "0 of 4 positions have a price; 0.0\u202f% of the known cost" in shown
    assert "set aside" in shown


def test_a_report_counts_the_newest_snapshot_of_an_account_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_API_SECRET", "sandbox_api_secret")
    first = (SAMPLES / "webhooks/2026-01-05.ndjson").read_text().splitlines()[0]

    def delivery(day: int, quantity: int) -> str:
        at = f'"snapshotDate":"2026-01-{day:02}'
        moved = first.replace('"snapshotDate":"2026-01-05', at)
        return moved.replace('"quantity":12', f'"quantity":{quantity}')

    forged = delivery(6, 9000).replace('"checksum":"5', '"checksum":"6')
    lines = [delivery(5, 9), delivery(3, 12), delivery(5, 9), forged]
    (tmp_path / "days.ndjson").write_text("\n".join(lines))
    shown = run("report", tmp_path)
    (row,) = (line for line in shown.splitlines() if line.strip().startswith("CDSL"))
    assert row.split()[1] == "9"
    assert "checksum wrong" in shown


def test_a_report_values_with_a_folder_of_prices(tmp_path: Path) -> None:
    bhavcopy = "BhavCopy_NSE_CM_0_0_0_20260105_F_0000.csv"
    own = b"isin,date,close_price\nINE736A01011,2026-01-05,1500\n"
    exchange = (SAMPLES / "market" / bhavcopy).read_bytes()
    dump = SAMPLES / "webhooks/2026-01-05.ndjson"
    found: list[str] = []
    for files in ({"own.csv": own}, {"own.csv": own, bhavcopy: exchange}):
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
        shown = run("report", dump, "--prices", tmp_path, "--out", tmp_path / "out")
        (row,) = (r for r in shown.splitlines() if r.strip().startswith("CDSL"))
        found.append(row.split()[3])
    assert found == ["1,500.00", "1,526.53"], "the exchange's close stands"
    assert "price · 5 Jan" in (tmp_path / "out/report.html").read_text()
    with pytest.raises(ConfigError, match="no price in"):
        run("report", dump, "--prices", SAMPLES / "market/symbolchange.csv")


def test_errors_are_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["holdings-kit", "report", "no/such/dump.json"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith("holdings-kit: no such file or folder")
    assert len(said.splitlines()) == 1


def test_a_report_needs_one_source() -> None:
    with pytest.raises(ConfigError, match="one of the two"):
        run("report")


def test_the_demo_does_the_whole_way(tmp_path: Path) -> None:
    shown = run("demo", "--folder", tmp_path, "--out", tmp_path / "out")
    assert shown.count("COMPLETED") == 10
    assert "webhooks    19 received, 1 refused" in shown
    assert "10 accounts again three days later, and fetched, 0 failed" in shown
    assert "fetched     10 accounts in v2, 0 failed" in shown
    assert "in v1: 7 holdings and 2 smallcases, the same shares as in v2" in shown
    covered = (
        "COVERAGE    all 18 positions have a price; 16 of 18 positions have a known "
        "cost; 98.2\u202f% of known value;"
    )
    assert covered in shown
    assert "₹6,300.01 of value has no known cost" in shown
    assert "₹3,25,363.79  ₹3,46,375.06  +₹14,711.26  +4.5\u202f%" in shown
    assert "−1,970.96" in shown
    assert (tmp_path / "store").is_dir()
    assert "report.html" in shown
    page = (tmp_path / "out/report.html").read_text()
    assert not re.search(r"(src|href)=.(?!#|data:)|@import|url\(", page)
    assert '<td class="r"><b>₹3,46,375.06</b></td>' in page
    assert "By price since 5 Jan 2026" in page
    assert "Up ₹7,465.60: +₹6,956.60 was put in or taken out" in page
    assert "7 of 11 accounts gained" in page
    positions = pl.read_parquet(tmp_path / "out/positions.parquet")
    assert f"{positions['market_value'].sum():,.2f}" == "346,375.06"


def test_a_page_shows_what_was_set_aside_and_trusts_no_name(tmp_path: Path) -> None:
    line = '{"smallcaseAuthId":"a1","snapshotDate":"2026-01-05T10:15:30.123Z",'
    row = '"securities":[{"nseTicker":"<b>&","holdings":{"quantity":1}}]}'
    (tmp_path / "d.ndjson").write_text(f"{line}{row}\n<script>")
    run("report", tmp_path / "d.ndjson", "--out", tmp_path / "out")
    page = (tmp_path / "out/report.html").read_text()
    assert "&lt;b&gt;&amp;" in page
    assert "<b>&" not in page
    assert "<script" not in page
    assert "set aside" in page
    rejects = pl.read_parquet(tmp_path / "out/rejects.parquet")
    assert rejects["raw"].to_list() == [b"<script>"]
