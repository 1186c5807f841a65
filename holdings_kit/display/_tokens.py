"""The colours of `tokens.css`, for what is no stylesheet: pictures and single cells."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files
from typing import Final, Literal, TypeAlias

__all__ = ["Theme", "colours_of_theme", "write_variables"]

Theme: TypeAlias = Literal["light", "dark"]

_COLOUR: Final = re.compile(r"--hk-(\w+):\s*(#[0-9a-fA-F]{6});")
_DARK_FROM: Final = '[data-theme="dark"]'


@lru_cache
def colours_of_theme(theme: Theme) -> dict[str, str]:
    """Read what each colour is called and what it is, in one theme.

    Examples
    --------
    >>> colours_of_theme("light")["gain"], colours_of_theme("dark")["gain"]
    ('#00695f', '#4fd0bd')
    """
    text = (
        files("holdings_kit.display").joinpath("tokens.css").read_text(encoding="utf-8")
    )
    light, _, rest = text.partition("@media")
    dark = rest[rest.index(_DARK_FROM) :]
    return dict(_COLOUR.findall(light if theme == "light" else dark))


def write_variables(*names: str) -> str:
    """Write colours as CSS variables that hold both themes; ``color-scheme`` chooses.

    Examples
    --------
    >>> write_variables("card")
    '--card:light-dark(#ffffff,#171d25)'
    """
    light, dark = colours_of_theme("light"), colours_of_theme("dark")
    return ";".join(
        f"--{name}:light-dark({light[name]},{dark[name]})" for name in names
    )
