"""The recipes for other libraries run as they are printed, and draw every position."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

PAGE = (Path(__file__).parents[2] / "docs/recipes.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SYMBOLS = {"BSE", "GOLDBEES", "GOLDETF", "GROWW", "IDEA", "NSDL", "SBIN", "YESBANK"}


def run_recipe(package: str) -> dict[str, Any]:
    """Run the start of the page and the one recipe that imports the package."""
    pytest.importorskip(package, reason=f"the recipe of {package} needs {package}")
    pytest.importorskip("pandas", reason="the recipes need holdings-kit[export]")
    (recipe,) = [code for code in BLOCKS[1:] if f"import {package}" in code]
    names: dict[str, Any] = {}
    exec(compile(BLOCKS[0] + recipe, f"docs/recipes.md: {package}", "exec"), names)
    return names


def test_every_recipe_is_tried_here() -> None:
    imported = re.findall(r"^import (\w+)[\w.]* as", "".join(BLOCKS[1:]), re.MULTILINE)
    assert imported == ["altair", "plotly", "seaborn", "great_tables"]


def test_altair_draws_every_position() -> None:
    drawn = run_recipe("altair")["chart"].to_dict()
    (rows,) = drawn["datasets"].values()
    assert {row["symbol"] for row in rows} == SYMBOLS
    assert sum(row["weight"] for row in rows) == pytest.approx(1)


def test_plotly_draws_the_whole_value() -> None:
    names = run_recipe("plotly")
    assert names["treemap"].layout.title.text.endswith("8 of 8 positions are priced")
    (tree,) = names["treemap"].data
    sizes = dict(zip(tree.labels, tree.values, strict=True))
    assert set(sizes) >= SYMBOLS
    whole = names["table"]["market_value"].sum()
    assert sizes["equity"] + sizes["etf"] == pytest.approx(whole)


def test_seaborn_draws_every_position() -> None:
    axes = run_recipe("seaborn")["axes"]
    assert {text.get_text() for text in axes.get_yticklabels()} == SYMBOLS
    longest = max(axes.patches, key=lambda bar: bar.get_width())
    assert longest.get_width() == pytest.approx(0.5023, abs=1e-3)


def test_great_tables_says_what_is_unknown() -> None:
    page = unescape(run_recipe("great_tables")["printed"].as_raw_html())
    assert all(symbol in page for symbol in SYMBOLS)
    assert "₹7,695.75" in page
    assert page.count(">–<") == len(SYMBOLS)  # the day's P&L: no two prices
