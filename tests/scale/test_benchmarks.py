"""What the benchmarks say is kept a scale at a time, and nothing is glossed over."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from benchmarks import measure, plan, results, run

if TYPE_CHECKING:
    from pathlib import Path

HOARD = "import time; a = b'x' * 9**9; time.sleep(60)"
DONE = "import json; print(json.dumps(dict(wall=1, cpu=2, peak_mb=3, said='x')))"


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(results, "KEPT", tmp_path / "results")
    monkeypatch.setattr(results, "PAGE", tmp_path / "RESULTS.md")
    return tmp_path / "RESULTS.md"


def block(scale: str, ours: float | None, peer: float | None) -> results.Block:
    ratio = results.Ratio(
        question="Consolidate per account and instrument",
        size=f"rows of {scale}",
        ours="bucket by bucket",
        peer="DuckDB, plain sums",
        our_seconds=ours,
        peer_seconds=peer,
        peer_said="the sums alone" if peer else "stopped after 900 s",
    )
    return results.Block(scale, "questions", "a day", "| a |", "3 s.", [ratio], {})


def test_results_are_put_together_from_what_is_kept() -> None:
    assert results.PAGE.read_text() == results.page(results.blocks())


def test_the_plan_is_made_from_what_is_kept() -> None:
    page = plan.PAGE.read_text(encoding="utf-8")
    assert "| 200 M accounts |" in page
    assert page == plan.written(page)


def test_the_plan_multiplies_what_was_measured() -> None:
    facts = dict.fromkeys([*plan.INPUTS, *plan.QUESTIONS, "backtest"], 3.6)
    rows = plan.planned(facts).splitlines()
    cells = {row.split(" | ")[0]: row.split(" | ")[1:3] for row in rows}
    assert cells["| load webhooks, core-hours"] == ["0.01", "0.2"]
    assert cells["| buckets"] == ["120", "2,400"]
    assert cells["| `hk.compare` of two days, causes and evidence, core-hours"] == [
        "0.036",
        "0.72",
    ]


def test_a_scale_replaces_its_own_block_only(kept: Path) -> None:
    results.keep(block("small", 3, 2))
    results.keep(block("full", 1, 2))
    page = kept.read_text()
    assert page.index("scale full") < page.index("Questions, scale small")
    assert "takes 1.50 (rows of small) × the time of DuckDB, plain sums" in page
    results.keep(block("small", 1, 2))
    page = kept.read_text()
    assert "Nothing." in page
    assert page.count("## Questions") == 2


def test_each_size_above_a_peer_is_named_with_its_reason(kept: Path) -> None:
    results.keep(block("small", 3, 2))
    results.keep(block("full", 8, 2))
    page = kept.read_text()
    assert "takes 4.00 (rows of full), 1.50 (rows of small) × the time" in page
    assert "It gives the sums alone, and is told" in page


def test_a_peer_that_gave_no_answer_is_named(kept: Path) -> None:
    results.keep(block("full", 8, None))
    assert "DuckDB, plain sums stopped after 900 s (rows of full)." in kept.read_text()
    results.keep(block("full", None, 2))
    assert "ours did not end (rows of full)" in kept.read_text()


def test_a_contender_that_ends_says_what_it_took() -> None:
    done = measure.finished([sys.executable, "-c", DONE])
    assert done == measure.Run(1, 2, 3, "x")


@pytest.mark.parametrize(
    ("code", "limits", "said"),
    [
        ("import time; time.sleep(60)", {"LIMIT": "1"}, "stopped after 1 s"),
        (
            "import time; a = b'x' * 9**9; time.sleep(60)",
            {"MEMORY": "0.1"},
            "over 0.1 GB of memory",
        ),
        ("raise ValueError('no such row')", {}, "failed: ValueError: no such row"),
        ("import os; os.kill(os.getpid(), 9)", {}, "killed by the system"),
        ("raise SystemExit(3)", {}, "failed: exit 3"),
    ],
)
def test_a_contender_that_does_not_end_is_told_in_words(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    code: str,
    limits: dict[str, str],
    said: str,
) -> None:
    for name, value in limits.items():
        monkeypatch.setenv(name, value)
    lost = measure.finished([sys.executable, "-c", code])
    assert said in lost.said
    runs = {"ours": measure.Run(2, 2, 5, "fine"), "peer": lost}
    measure.table("A question, 5 rows", runs, "peer")
    shown = capsys.readouterr().out
    assert "| ours | – | – | 2.0 | 5 | fine |" in shown
    assert f"| peer | – | – | – | – | {lost.said} |" in shown
    assert "nan" not in shown


def test_times_reach_the_runner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "ratios"
    monkeypatch.setenv("BENCH_RECORD", str(target))
    runs = {"ours": measure.Run(2, 2, 5, ""), "peer": measure.Run(1, 1, 5, "sums")}
    measure.table("P&L, concentration, 2e+06 rows", runs, "peer")
    told = json.loads(target.read_text())
    assert (told["question"], told["size"]) == ("P&L, concentration", "2e+06 rows")
    assert (told["our_seconds"], told["peer_seconds"]) == (2, 1)


def test_costs_stand_beside_the_first_size(
    capsys: pytest.CaptureFixture[str],
) -> None:
    costs = {"value": [(1_000_000, 2.0), (10_000_000, 23.0), (100_000_000, None)]}
    measure.linear("Cost per row", costs)
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "| value | 2.00 | 2.30 (× 1.15) | – (× –) |"


def test_one_benchmark_is_kept_to_its_end(
    kept: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    (folder / "bench_toy.py").write_text("print('| a |'); print(); raise OSError('x')")
    monkeypatch.setattr(run, "HERE", folder)
    run.one("toy", "small", "small")
    page = kept.read_text()
    assert "## Toy, scale small" in page
    assert "Failed: OSError: x" in page
    monkeypatch.setitem(run.HOURS, "small", 1 / 3600)
    (folder / "bench_toy.py").write_text(
        "print('| a |', flush=True); import time; time.sleep(60)"
    )
    run.one("toy", "small", "small")
    assert "Stopped there: it takes too long." in kept.read_text()
