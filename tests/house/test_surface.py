"""The public surface is a promise."""

import inspect

import holdings_kit as hk


def test_public_names_are_sorted_and_few() -> None:
    assert list(hk.__all__) == sorted(hk.__all__)
    assert len(hk.__all__) <= 30


def test_every_public_name_is_there_and_documented() -> None:
    for name in hk.__all__:
        value = getattr(hk, name)
        assert inspect.getdoc(value), f"{name} has no docstring"


def test_functions_stay_functions_after_their_modules_are_imported() -> None:
    """A submodule of the same name would shadow the function it holds."""
    for name in hk.__all__:
        home = hk._HOME[name]
        if home != f"holdings_kit.{name}":
            assert not home.startswith(f"holdings_kit.{name}."), home
            assert not inspect.ismodule(getattr(hk, name)), name


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(hk, "nonsense")
    assert "read_arrow" in dir(hk)
