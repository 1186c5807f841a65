"""How the documentation site is built: static pages, nothing from elsewhere.

`make docs` copies the pages, the notebooks and the changelog side by side, and this
file adds the reference: one page a public name, made of its docstring.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

import holdings_kit as hk

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "holdings_kit"
author = "The holdings_kit authors"
copyright = "the holdings_kit authors, MIT licence"  # noqa: A001, Sphinx's own name
extensions = ["myst_nb", "sphinx.ext.autodoc", "numpydoc"]
root_doc = "index"
exclude_patterns = ["notebooks/training/solutions/**", "notebooks/training/grader/**"]

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # what nbval compared is what is shown
nb_ipywidgets_js: dict[str, Any] = {}  # a widget's script would come from elsewhere
autodoc_typehints = "none"  # the numpydoc sections say it in words
numpydoc_show_class_members = False

html_theme = "pydata_sphinx_theme"
html_title = "holdings_kit"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navbar_end": ["theme-switcher"],
    "show_prev_next": False,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
}
suppress_warnings = ["mystnb.unknown_mime_type"]  # a widget's own view: text is shown

GROUPS: dict[str, tuple[str, ...]] = {
    "Read": (
        *("read_arrow", "read_gateway", "read_webhooks", "scan_arrow", "scan_webhooks"),
        *("read_instruments", "read_market", "read_prices", "adjust", "market"),
        *("identity", "lint", "redact"),
    ),
    "Ask": (
        *("consolidate", "summarize", "collateral", "concentration", "look_through"),
        *("shock", "value_at_risk", "pledge_plan", "compare", "bridge", "timeline"),
        *("performance", "population", "haircuts"),
    ),
    "Fetch, receive, keep": (
        *("ArrowClient", "GatewayClient", "Store", "sandbox", "cluster", "replay"),
    ),
    "Show": ("plot", "show", "to_pandas", "export", "show_versions"),
}


def _entry(path: str, value: object) -> str:
    kind = "autoclass" if inspect.isclass(value) else "autofunction"
    options = "\n   :members:" if inspect.isclass(value) else ""
    return f"```{{eval-rst}}\n.. {kind}:: {path}{options}\n```\n"


def _page(name: str) -> str:
    value = getattr(hk, name)
    if not inspect.ismodule(value):
        return f"# hk.{name}\n\n{_entry(f'holdings_kit.{name}', value)}"
    inside = [
        (own, getattr(value, own)) for own in value.__all__ if not own.startswith("_")
    ]
    body = "\n".join(
        f"## {own}\n\n{_entry(f'{value.__name__}.{own}', one)}"
        for own, one in inside
        if inspect.isfunction(one) or inspect.isclass(one)
    )
    frames = ", ".join(f"`{own}`" for own, one in inside if not callable(one))
    constants = f"\nFrames and tables: {frames}.\n" if frames else ""
    return f"# hk.{name}\n\n{inspect.getdoc(value)}\n{constants}\n{body}"


def write_reference(source: Path) -> None:
    """Write a page for every public name, and the page that lists them."""
    folder = source / "api"
    folder.mkdir(exist_ok=True)
    names = set(hk.__all__)
    listed = [*GROUPS.items()]
    rest = sorted(names - {name for group in GROUPS.values() for name in group})
    listed.append(("Errors and frames", tuple(rest)))
    index = ["# Reference\n", "Every public name, with an example that is run.\n"]
    for title, group in listed:
        there = [name for name in group if name in names]
        index.append(f"## {title}\n\n```{{toctree}}\n:maxdepth: 1\n")
        index.extend(f"{name}" for name in there)
        index.append("```\n")
        for name in there:
            (folder / f"{name}.md").write_text(_page(name), encoding="utf-8")
    (folder / "index.md").write_text("\n".join(index), encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Make the reference before Sphinx looks which pages there are."""
    write_reference(Path(app.srcdir))
