"""The colours of `tokens.css`, for what is no stylesheet: pictures and single cells."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files
from typing import Final, Literal, TypeAlias

__all__ = ["Theme", "colours_of_theme", "read_stylesheet", "write_variables"]

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
    light, _, rest = _read_file().partition("@media")
    dark = rest[rest.index(_DARK_FROM) :]
    return dict(_COLOUR.findall(light if theme == "light" else dark))


def read_stylesheet() -> str:
    """Read the file for a whole page; on paper it is light, whatever the screen is.

    Examples
    --------
    >>> print(read_stylesheet()[-16:])
    --hk-page:#fff}}
    """
    text = _read_file()
    light = text.split("{", 1)[1].split("}", 1)[0]
    return f"{text}@media print{{:root:root:root{{{light}--hk-page:#fff}}}}"


def _read_file() -> str:
    folder = files("holdings_kit").joinpath("display")
    return folder.joinpath("tokens.css").read_text(encoding="utf-8")


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
