"""A coverage table as a paper prints it."""

from __future__ import annotations

import re
import sys

import polars as pl
import pytest

from holdings_kit import haircuts as hc
from holdings_kit.errors import ConfigError, FrameError


def test_latex_prints_every_row_and_escapes_what_latex_would_read(
    universe: pl.DataFrame,
) -> None:
    named = hc.ewma(universe).with_columns(model=pl.lit("fast_50%"), name=None)
    coverage = hc.backtest(named, universe, horizon=[1, 10], cache=None)
    text = hc.table(coverage, engine="latex", title="A & B")
    lines = text.splitlines()
    assert lines[0] == r"\textbf{A \& B}\\[4pt]"
    body = lines[lines.index(r"\midrule") + 1 : lines.index(r"\bottomrule")]
    assert len(body) == 6
    heads = lines[3].removesuffix(r" \\").split(" & ")
    for line, row in zip(body, coverage.iter_rows(named=True), strict=True):
        cells = dict(zip(heads, line.removesuffix(r" \\").split(" & "), strict=True))
        assert cells["Model"] == r"fast\_50\%"
        assert (cells["Level"], cells["Days"]) == (r"99.0\%", str(row["horizon"]))
        assert cells["Ratio"] == f"{row['ratio']:.2f}"
        p = row["offsets_p"] if row["garch_p"] is None else row["garch_p"]
        assert cells["p"] == ("<0.001" if p < 0.001 else f"{p:.3f}")


def test_what_is_not_known_is_a_dash_and_what_is_not_there_an_error(
    universe: pl.DataFrame,
) -> None:
    coverage = hc.backtest(hc.ewma(universe), universe, by="model", cache=None)
    text = hc.table(coverage, columns=["model", "coverage_p"], engine="latex")
    assert r"ewma & -- \\" in text
    with pytest.raises(FrameError, match="sector"):
        hc.table(coverage, columns=["sector"])
    with pytest.raises(FrameError, match="offsets_p"):
        hc.table(coverage.drop("offsets_p"))
    with pytest.raises(ConfigError, match="have 'paper'"):
        hc.table(coverage, style="web")  # pyright: ignore[reportArgumentType]


def test_great_tables_sets_the_cells_that_latex_sets(universe: pl.DataFrame) -> None:
    pytest.importorskip("great_tables")
    named = hc.ewma(universe).with_columns(model=pl.lit("fast & <sure>"), name=None)
    coverage = hc.backtest(named, universe, by="model", horizon=[1, 10], cache=None)
    made = hc.table(coverage, title="Coverage")
    html = made.as_raw_html()
    assert hc.table(coverage, engine="great_tables", title="Coverage") is not None
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", html, re.DOTALL)
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL) for row in rows]
    body = [row for row in cells if len(row) > 1]
    latex = hc.table(coverage, engine="latex").splitlines()
    start, end = latex.index(r"\midrule") + 1, latex.index(r"\bottomrule")
    as_html = {r"\&": "&amp;", r"\%": "%", "<": "&lt;", ">": "&gt;", "--": "–"}
    for row, line in zip(body, latex[start:end], strict=True):
        for old, new in as_html.items():
            line = line.replace(old, new)  # noqa: PLW2901
        assert row == line.removesuffix(r" \\").split(" & ")
    assert "Coverage" in html
    assert "too many breaches only" in html


def test_great_tables_is_named_with_its_extra_where_it_is_missing(
    universe: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    coverage = hc.backtest(hc.ewma(universe), universe, by="model", cache=None)
    monkeypatch.setitem(sys.modules, "great_tables", None)
    with pytest.raises(ImportError, match="lab"):
        hc.table(coverage, engine="great_tables")
