"""How soon a tool stands on the page: JupyterLab in Chromium, from run to painted.

Each tool is the last line of its own cell; the cells before have imported it and valued
a book. A slider's time is from its event to the new figures, on 10,000 holdings. Needs
Chromium, as `make browser` does.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from playwright.sync_api import sync_playwright

from tests.browser.conftest import FLAGS, MISSING, ROOT, Lab, find_chromium

FIRST: Final = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from tempfile import mkdtemp
import holdings_kit as hk
from benchmarks.paint_tools import book, closes
from widgets import (
    HaircutLab, HoldingsTable, ImportTrigger, RiskExplorer, SnapshotComparison)
few, many, prices = book(8), book(10_000), closes(3, 750)
hk.consolidate(few)
sb = hk.sandbox.serve(seed=11)
store = hk.Store(mkdtemp())
for day in hk.sandbox.life(seed=2, days=2).payloads.iter_rows(named=True):
    if day["source"] == "arrow":
        store.append(hk.read_arrow(
            day["body"], account_id=day["account_id"], snapshot_at=day["snapshot_at"]))
"""
TOOLS: Final = {
    "HoldingsTable": ("HoldingsTable(few)", ".hk-table tbody tr"),
    "RiskExplorer": ("RiskExplorer(few, cash=1e4, need=2e4)", ".hk-figures"),
    "RiskExplorer, 10,000 holdings": ("RiskExplorer(many)", ".hk-figures"),
    "SnapshotComparison": ("SnapshotComparison(store)", ".hk-panel button"),
    "HaircutLab": ("HaircutLab(prices)", ".hk-board .hk-empty"),
    "ImportTrigger": ("ImportTrigger.sandbox(sb)", ".hk-panel button"),
}
PAINT: Final = """async ([index, mark]) => {
  const app = window.jupyterapp;
  const { content } = app.shell.currentWidget;
  content.activeCellIndex = index;
  const { node } = content.widgets[index];
  const start = performance.now();
  app.commands.execute('notebook:run-cell');
  const shown = () => [...node.querySelectorAll(mark)].some((one) => one.offsetHeight);
  while (shown()) await new Promise(requestAnimationFrame);
  while (!shown() && performance.now() - start < 20000) {
    await new Promise(requestAnimationFrame);
  }
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  return performance.now() - start;
}"""
SLIDE: Final = """async (index) => {
  const { node } = window.jupyterapp.shell.currentWidget.content.widgets[index];
  const slider = node.querySelector('.hk-grid input[type=range]');
  const figures = () => node.querySelector('.hk-figures').textContent;
  const took = [];
  for (let step = 1; step <= 20; step += 1) {
    const before = figures();
    const start = performance.now();
    slider.value = String(-0.01 * step);
    slider.dispatchEvent(new Event('input', { bubbles: true }));
    while (figures() === before && performance.now() - start < 5000) {
      await new Promise((done) => setTimeout(done, 1));
    }
    took.push(performance.now() - start);
    await new Promise((done) => setTimeout(done, 150));
  }
  return took;
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", choices=("small", "full"), default="small")
    runs = 15 if parser.parse_args().scale == "full" else 5
    with TemporaryDirectory() as home, sync_playwright() as driver:
        path = find_chromium(driver)
        if path is None:
            sys.exit(f"{MISSING}: install it (Debian: chromium)")
        chromium = driver.chromium.launch(executable_path=path, args=FLAGS)
        folder = Path(home) / "root"
        folder.mkdir()
        lab = Lab(folder, chromium)
        try:
            measure(lab, runs)
        finally:
            lab.stop()
            chromium.close()


def measure(lab: Lab, runs: int) -> None:
    """Run each tool's cell so often, and print the table."""
    cells = [FIRST, *(call for call, _ in TOOLS.values())]
    page: Any = lab.open(lab.notebook("paint.ipynb", *cells))
    print("| what | median ms | worst ms | aim ms | aim ÷ median |")
    print("|---|---:|---:|---:|---:|")
    for index, (name, (_, mark)) in enumerate(TOOLS.items(), 1):
        took = []
        for _ in range(runs):
            took.append(page.evaluate(PAINT, [index, mark]))
            lab.idle(page)
        tell(f"first paint: {name}", took, 300)
    many = 1 + list(TOOLS).index("RiskExplorer, 10,000 holdings")
    tell("a slider, 10,000 holdings", page.evaluate(SLIDE, many), 50)


def tell(name: str, took: list[float], aim: int) -> None:
    middle = statistics.median(took)
    print(f"| {name} | {middle:.0f} | {max(took):.0f} | {aim} | {aim / middle:.1f} |")


if __name__ == "__main__":
    main()
