"""The colours of `tokens.css`, for what is no stylesheet, and the mark of a page."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files
from typing import Final, Literal, TypeAlias
from urllib.parse import quote

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
    light, _, rest = _read_display_file().partition("@media")
    dark = rest[rest.index(_DARK_FROM) :]
    return dict(_COLOUR.findall(light if theme == "light" else dark))


def read_stylesheet() -> str:
    """Read the file for a whole page; on paper it is light, whatever the screen is.

    Examples
    --------
    >>> print(read_stylesheet()[-16:])
    --hk-page:#fff}}
    """
    text = _read_display_file()
    light = text.split("{", 1)[1].split("}", 1)[0]
    paper = f"@media print{{:root:root:root{{{light}--hk-page:#fff}}}}"
    return text + read_dash_rules() + paper


def read_mark() -> str:
    """Read the mark, SVG in both themes: three bars, the last one partly known.

    Examples
    --------
    >>> read_mark()[:40]
    '<svg xmlns="http://www.w3.org/2000/svg" '
    """
    return _read_display_file("mark.svg")


def write_icon() -> str:
    """Write the mark into a page's head, so that a browser asks for nothing.

    Examples
    --------
    >>> write_icon()[:55]
    '<link rel="icon" type="image/svg+xml" href="data:image/'
    """
    address = f"data:image/svg+xml,{quote(read_mark().strip())}"
    return f'<link rel="icon" type="image/svg+xml" href="{address}">'


def read_dash_rules() -> str:
    """Read how the dash for what is not known looks, and its reason."""
    return _read_display_file("unknown.css").partition("*/")[2]


def _read_display_file(name: str = "tokens.css") -> str:
    folder = files("holdings_kit").joinpath("display")
    return folder.joinpath(name).read_text(encoding="utf-8")


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
