"""The public surface is a promise."""

import copy
import inspect
import pickle
import re
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import pytest

import holdings_kit as hk

MODULES = {"cluster", "haircuts", "identity", "market", "plot", "population", "sandbox"}


def test_public_names_are_sorted_and_few() -> None:
    assert list(hk.__all__) == sorted(hk.__all__)
    assert len(hk.__all__) <= 45  # each client twice: for threads, for an event loop


def test_every_public_name_is_there_and_documented() -> None:
    for name in hk.__all__:
        value = getattr(hk, name)
        assert inspect.getdoc(value), f"{name} has no docstring"


def test_functions_stay_functions_after_their_modules_are_imported() -> None:
    """A submodule of the same name would shadow the function it holds."""
    modules = {n for n in hk.__all__ if inspect.ismodule(getattr(hk, n))}
    assert modules == MODULES


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(hk, "nonsense")
    assert "read_arrow" in dir(hk)


def test_what_a_door_returned_says_which_frame_to_pass() -> None:
    at = datetime(2026, 1, 5, tzinfo=UTC)
    body = b'{"status": "success", "data": []}'
    loaded: Any = hk.read_arrow(body, account_id="A1", snapshot_at=at)
    for ask in (hk.consolidate, hk.collateral, lambda it: hk.compare(it, it)):
        with pytest.raises(AttributeError, match=r"such as loaded\.holdings"):
            ask(loaded)
    assert not hasattr(loaded, "lazy")
    assert len(pickle.loads(pickle.dumps(loaded))) == len(copy.copy(loaded)) == 5


GUESSES = {
    "pnl": "summarize? P&L is in POSITIONS",
    "holdings": "read_arrow, read_gateway or read_webhooks",
    "Var": "value_at_risk",
    "returns": "did you mean",
    "haircut": "haircuts",
    "read_arow": "read_arrow",
    "arrowclient": "ArrowClient",
    "consolidated": "consolidate",
    "weight": "concentration",
    "nonsense_name": "dir(holdings_kit)",
}


@pytest.mark.parametrize("name", GUESSES)
def test_a_wrong_name_answers_with_the_right_one(name: str) -> None:
    with pytest.raises(AttributeError) as raised:
        getattr(hk, name)
    assert GUESSES[name] in str(raised.value)
    assert repr(name) in str(raised.value)


def test_every_name_suggested_for_a_guess_is_there() -> None:
    guesses: dict[str, str] = hk.__dict__["_GUESSES"]
    for guess, answer in guesses.items():
        words = set(re.findall(r"\w+", answer.partition("?")[0]))
        assert words & set(dir(hk)) or "holdings_kit" in words, guess


def test_the_version_is_the_installed_ones() -> None:
    assert hk.__version__ == version("holdings-kit")
    assert "__version__" not in hk.__all__


HELP = """
import pydoc, sys
import holdings_kit as hk
text = pydoc.render_doc(hk, renderer=pydoc.plaintext)
heavy = {"numpy", "httpx", "deltalake", "matplotlib"} & set(sys.modules)
assert not heavy, heavy
print(text)
"""


def test_help_is_short_loads_nothing_and_names_everything() -> None:
    """Also where no extra is installed: nothing that needs one is touched."""
    ran = subprocess.run(
        [sys.executable, "-c", HELP], capture_output=True, text=True, check=True
    )
    assert 40 < ran.stdout.count("\n") < 200
    assert set(hk.__all__) <= set(re.findall(r"\w+", ran.stdout))


@pytest.mark.parametrize(
    ("room", "wrong", "right"),
    [
        ("haircuts", "histroical", "historical"),
        ("plot", "pnl_bar", "pnl_bars"),
        ("market", "trading_day", "trading_days"),
    ],
)
def test_a_wrong_name_of_a_room_is_answered_too(
    room: str, wrong: str, right: str
) -> None:
    with pytest.raises(AttributeError, match=f"{wrong!r}; did you mean {right}"):
        getattr(getattr(hk, room), wrong)


@pytest.mark.parametrize("wrong", ["hk.consolidat", "hk.pnl", "hk.market.trading_day"])
def test_a_wrong_name_is_answered_once(wrong: str) -> None:
    """Python adds what it would suggest to an AttributeError that it prints."""
    code = f"import holdings_kit as hk; {wrong}"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert ran.stderr.lower().count("did you mean") == 1


def test_a_wrong_column_is_answered_with_the_one_that_is_there() -> None:
    at = datetime(2026, 1, 5, tzinfo=UTC)
    body = b'{"status": "success", "data": []}'
    holdings = hk.read_arrow(body, account_id="A1", snapshot_at=at).holdings
    with pytest.raises(hk.HoldingsError, match="'symbol': missing; did you mean symbl"):
        hk.consolidate(holdings.rename({"symbol": "symbl"}))
    with pytest.raises(hk.HoldingsError, match="'symbl': missing; did you mean symbol"):
        hk.summarize(hk.consolidate(holdings), by="symbl")
    with pytest.raises(hk.HoldingsError, match="'symbl': missing; did you mean symbol"):
        hk.concentration(hk.consolidate(holdings), by="symbl")
