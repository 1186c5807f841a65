"""The sample data is what its script makes, and holds what its page says."""

import gzip
import runpy
from pathlib import Path

import holdings_kit as hk

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "sample_data"
DAYS = [f"days/2026-01-{day:02}.ndjson" for day in (5, 6, 7, 8)]


def test_the_script_makes_the_same_bytes_again(tmp_path: Path) -> None:
    runpy.run_path(str(SAMPLES / "make.py"))["main"](tmp_path)
    for name in [*DAYS, "arrow/pledged.json"]:
        assert (tmp_path / name).read_bytes() == (SAMPLES / name).read_bytes(), name
    market = sorted(path.name for path in (SAMPLES / "market").iterdir())
    assert market == sorted(path.name for path in (tmp_path / "market").iterdir())
    for name in market:
        made, kept = ((f / "market" / name) for f in (tmp_path, SAMPLES))
        assert made.read_bytes() == kept.read_bytes(), name
    made, kept = (
        gzip.decompress((folder / "prices_40.csv.gz").read_bytes())
        for folder in (tmp_path, SAMPLES)
    )
    assert made == kept
    assert made.count(b"\n") == 1 + 40 * 750


def test_days_hold_what_can_go_wrong(tmp_path: Path) -> None:
    with hk.sandbox.serve(seed=2026) as sb:
        loaded = hk.read_webhooks(SAMPLES / "days", api_secret=sb.api_secret)
    shots = loaded.snapshots
    assert shots["account_id"].n_unique() == 10
    assert loaded.rejects["line_no"].to_list() == [3]
    assert shots["checksum_ok"].value_counts().sort("checksum_ok")["count"][0] == 1
    assert shots["snapshot_id"].n_unique() == shots.height - 3
    assert (shots["holdings_count"] == 0).sum() == 4
    store = hk.Store(tmp_path)
    store.append(loaded)
    current = store.current().snapshots["snapshot_at"].dt.date().unique()
    assert [str(day) for day in current] == ["2026-01-08"]


def test_the_market_holds_one_of_each_and_what_can_go_wrong() -> None:
    market = hk.read_market(SAMPLES / "market")
    assert market.files["kind"].null_count() == 0
    assert market.prices.height == 2 * 6 + 1
    assert market.margins.height == 6
    assert market.collateral.height == 6
    assert market.actions["kind"].to_list() == ["bonus", "rename"]
    reasons = sorted(market.rejects["reason"])
    assert len(reasons) == 2
    assert "cells under 34 columns" in reasons[0]
    assert "INEl48I07QA5" in reasons[1]
    assert market.notices.is_empty(), "files of one day agree"


def test_it_stays_small() -> None:
    files = [path for path in SAMPLES.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 3_000_000


def test_the_research_prices_are_what_their_script_makes(tmp_path: Path) -> None:
    runpy.run_path(str(SAMPLES / "make_research_prices.py"))["main"](tmp_path)
    made, kept = (
        gzip.decompress((folder / "prices.csv.gz").read_bytes())
        for folder in (tmp_path, SAMPLES)
    )
    assert made == kept
