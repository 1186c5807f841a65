"""The invented population: same seed, same bytes; frames without remarks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

import holdings_kit as hk
from holdings_kit.cli import app
from holdings_kit.errors import ConfigError
from holdings_kit.read._texts import lines
from holdings_kit.read.identity import isin_ok
from holdings_kit.sandbox import generate
from holdings_kit.sandbox._generate import invent_market
from holdings_kit.wire import _dumps as dumps

if TYPE_CHECKING:
    from pathlib import Path


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    for wire in ("gateway", "arrow"):
        one = generate(tmp_path / "one", accounts=5, days=3, seed=7, wire=wire)
        two = generate(tmp_path / "two", accounts=5, days=3, seed=7, wire=wire)
        other = generate(tmp_path / "other", accounts=5, days=3, seed=8, wire=wire)
        assert [p.read_bytes() for p in one] == [p.read_bytes() for p in two]
        assert [p.read_bytes() for p in one] != [p.read_bytes() for p in other]


def test_an_account_lives_the_same_among_few_and_many(tmp_path: Path) -> None:
    few = generate(tmp_path / "few", accounts=2, days=2)
    many = generate(tmp_path / "many", accounts=9, days=2)
    for small, large in zip(few, many, strict=True):
        kept = large.read_bytes().splitlines()[:2]
        assert small.read_bytes().splitlines() == kept


def test_both_wires_tell_of_the_same_shares(tmp_path: Path) -> None:
    [webhooks] = generate(tmp_path, accounts=30, days=1)
    [replies] = generate(tmp_path, accounts=30, days=1, wire="arrow")
    one = hk.read_webhooks(webhooks)
    two = dumps.read(lines(replies), dumps.add_arrow)
    for loaded in (one, two):
        assert loaded.rejects.is_empty()
        assert loaded.notices.is_empty()
        assert loaded.holdings["reconciles"].all()
        assert loaded.holdings.select(isin_ok()).to_series().all()
    owned = [part.holdings["owned_quantity"].sum() for part in (one, two)]
    assert owned[0] == owned[1] > 0


def test_one_instrument_splits() -> None:
    market = invent_market(20, 6)
    before, after = (market.closes[market.split_day + n] for n in (-1, 0))
    ratio = after[market.split] / before[market.split]
    assert 0.15 < ratio < 0.25
    assert len(set(market.isins)) == 20


def test_bad_counts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least 1 account"):
        generate(tmp_path, accounts=0, days=1)


def test_the_command_line_writes_a_population(tmp_path: Path) -> None:
    asked = ["generate", str(tmp_path), "--accounts", "3", "--days", "2", "--arrow"]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0, result.output
    assert len(result.output.splitlines()) == 2
    assert len(list(tmp_path.glob("arrow-*.ndjson"))) == 2
