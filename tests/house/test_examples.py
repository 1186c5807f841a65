"""Every public name is shown at work, by an example that `make check` runs."""

import doctest
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import holdings_kit as hk

MAKEFILE = Path(__file__).parents[2] / "Makefile"
ELSEWHERE = {  # shown by another name's example, and why not by its own
    "cluster.Cluster": "only `connect` makes one",
    "cluster.Cluster.close": "`connect` shows the with that calls it",
    "cluster.Cluster.workers": "addresses and process ids, other ones every time",
    "haircuts.Universe.slices": "what `map` asks, one after the other",
}


def public() -> dict[str, Any]:
    """Every public function and class, those of public modules too."""
    found: dict[str, Any] = {}
    for name in hk.__all__:
        value: Any = getattr(hk, name)
        if inspect.ismodule(value):
            inside: list[str] = value.__dict__["__all__"]
            found |= {f"{name}.{one}": getattr(value, one) for one in inside}
        else:
            found[name] = value
    return {
        name: value
        for name, value in found.items()
        if inspect.isfunction(value) or inspect.isclass(value)
    }


def methods(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Public methods and properties this package defines, inherited ones too."""
    if inspect.isclass(value):
        for own in dir(value):
            held: Any = inspect.getattr_static(value, own)
            made = getattr(held, "fget", None) or getattr(held, "__func__", held)
            ours = inspect.isfunction(made) and made.__module__.startswith(hk.__name__)
            if ours and not own.startswith("_"):
                yield f"{name}.{own}", made


def examples(value: Any) -> list[doctest.Example]:
    """What stands under the heading Examples."""
    _, _, shown = (inspect.getdoc(value) or "").partition("\nExamples\n--------\n")
    return doctest.DocTestParser().get_examples(shown)


PUBLIC = public()


def test_the_names_are_found() -> None:
    """Or the tests below would hold of nothing."""
    assert {"consolidate", "Store", "haircuts.historical", "plot.pnl_bars"} <= set(
        PUBLIC
    )
    assert "Store.as_of" in dict(methods("Store", hk.Store))
    assert set(ELSEWHERE) <= {
        each
        for name, value in PUBLIC.items()
        for each in (name, *dict(methods(name, value)))
    }


@pytest.mark.parametrize("name", sorted(set(PUBLIC) - set(ELSEWHERE)))
def test_every_public_name_has_an_example_that_says_what_comes(name: str) -> None:
    shown = examples(PUBLIC[name])
    assert any(example.want for example in shown), f"{name} shows no result"


@pytest.mark.parametrize("name", sorted(set(PUBLIC) - set(ELSEWHERE)))
def test_every_public_method_is_called_in_an_example(name: str) -> None:
    inside = dict(methods(name, PUBLIC[name]))
    shown = [
        *examples(PUBLIC[name]),
        *(e for m in inside.values() for e in examples(m)),
    ]
    code = "".join(example.source for example in shown)
    called = set(re.findall(r"\.(\w+)", code))
    missing = {own for own in inside if own.rsplit(".", 1)[1] not in called}
    assert missing <= set(ELSEWHERE)


def test_every_example_is_run() -> None:
    """`make check` runs what doctest finds; it must find all of them."""
    assert "tests --doctest-modules holdings_kit widgets" in MAKEFILE.read_text()
    homes = {value.__module__ for value in PUBLIC.values()}
    finder = doctest.DocTestFinder(exclude_empty=True)
    run = {
        test.name
        for home in homes
        for test in finder.find(sys.modules[home], home)
        if test.examples
    }
    for value in PUBLIC.values():
        if examples(value):
            assert f"{value.__module__}.{value.__qualname__}" in run
