"""How the documentation site is built: static pages, nothing from elsewhere.

`make docs` copies the pages, the notebooks and the changelog side by side, and this
file adds the reference: a page for every name of `holdings_kit`, and one a room for
what else the room gives. All of it is made of docstrings and of the values themselves.
"""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

import holdings_kit as hk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

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
add_module_names = False  # hk.Store is holdings_kit.store._store.Store to Python only
numpydoc_show_class_members = False

html_theme = "pydata_sphinx_theme"
html_title = "holdings_kit"
html_show_sourcelink = False
html_copy_source = False
html_static_path = ["static"]
html_favicon = "static/mark.svg"  # the package's own, copied beside tokens.css
html_css_files = ["tokens.css", "site.css"]
html_context = {"default_mode": "auto"}
html_theme_options = {
    "navbar_end": ["theme-switcher"],
    "navbar_persistent": ["search-button"],  # the other is named unlike its text
    "show_prev_next": False,
    "header_links_before_dropdown": 5,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
}
suppress_warnings = ["mystnb.unknown_mime_type"]  # a widget's own view: text is shown

GROUPS: dict[str, tuple[str, ...]] = {
    "Read": (
        *("read_arrow", "read_gateway", "read_webhooks", "Loaded"),
        *("read_instruments", "read_market", "read_prices", "adjust", "market"),
        *("identity", "lint", "redact"),
    ),
    "Ask": (
        *("consolidate", "summarize", "collateral", "concentration", "look_through"),
        *("shock", "value_at_risk", "pledge_plan", "compare", "bridge", "timeline"),
        *("performance", "haircuts"),
    ),
    "Fetch, receive, keep": (
        *("ArrowClient", "AsyncArrowClient", "GatewayClient", "AsyncGatewayClient"),
        *("sandbox", "replay", "Store", "scan_arrow", "scan_webhooks"),
        *("population", "cluster"),
    ),
    "Show, take elsewhere": (
        *("plot", "show", "to_pandas", "export", "json_schema"),
        *("show_versions", "HoldingsError"),
    ),
}
ROOMS = (
    *("schema", "errors", "read", "portfolio", "changes", "risk"),
    *("haircuts.statistics", "clients", "store", "display", "wire"),
)


def list_names(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Give a module's public names with their values."""
    for name in module.__all__:
        yield name, getattr(module, name)


def list_members(value: type) -> list[str]:
    """Name the public methods and properties this package defines, inherited too."""
    found: list[str] = []
    for name in dir(value):
        held = inspect.getattr_static(value, name)
        made = getattr(held, "fget", None) or getattr(held, "__func__", held)
        home = str(getattr(made, "__module__", ""))
        ours = home.startswith(("holdings_kit", "widgets"))
        if inspect.isfunction(made) and ours and not name.startswith("_"):
            found.append(name)
    return found


def _say_first(value: object) -> str:
    lines = (inspect.getdoc(value) or "").splitlines()
    return lines[0].replace("``", "`").replace("|", "\\|") if lines else ""


def _write_entry(path: str, value: object) -> str:
    """Write a name's docstring, a frame's columns, or what a constant holds."""
    if inspect.isclass(value):
        members = ", ".join(list_members(value))
        options = f"\n   :members: {members}" if members else ""
        return f"```{{eval-rst}}\n.. autoclass:: {path}{options}\n```\n"
    if inspect.isroutine(value):
        return f"```{{eval-rst}}\n.. autofunction:: {path}\n```\n"
    if isinstance(value, pl.Schema):
        rows = "".join(f"| `{name}` | {kind} |\n" for name, kind in value.items())
        return f"| column | type |\n|---|---|\n{rows}"
    if isinstance(value, pl.DataFrame):
        heads = " | ".join(value.columns)
        rows = "".join(
            f"| {' | '.join('–' if v is None else str(v) for v in row)} |\n"
            for row in value.iter_rows()
        )
        return f"| {heads} |\n|{'---|' * value.width}\n{rows}"
    if isinstance(value, dict | tuple):
        return "".join(f"- `{each}`\n" for each in value)
    return f"`{value!r}`\n"


def _write_page(name: str) -> str:
    value = getattr(hk, name)
    path = f"holdings_kit.{name}"
    if not inspect.ismodule(value):
        return f"# hk.{name}\n\n{_write_entry(path, value)}"
    return _write_room(f"hk.{name}", value, list(list_names(value)))


def _write_room(title: str, module: ModuleType, names: list[tuple[str, Any]]) -> str:
    parts = [f"# {title}\n\n{_write_text(module)}\n"]
    called, held = "", ""
    for name, value in names:
        entry = _write_entry(f"{module.__name__}.{name}", value)
        if inspect.isclass(value) or inspect.isroutine(value):
            called += f"{entry}\n"
        elif not inspect.ismodule(value):
            held += f"### {name}\n\n{entry}\n"
    parts += [f"## Functions and classes\n\n{called}"] if called else []
    parts += [f"## Frames and fixed values\n\n{held}"] if held else []
    return "\n".join(parts)


def _write_text(module: ModuleType) -> str:
    """Give a module's own text, which is reStructuredText."""
    said = inspect.getdoc(module) or ""
    return f"```{{eval-rst}}\n{said}\n```"


def write_reference(source: Path) -> None:
    """Write a page for every public name, one a room, and the page that lists them."""
    folder = source / "api"
    folder.mkdir(exist_ok=True)
    index = ["# Reference\n", "Every public name, with an example that is run.\n"]
    hidden = ["```{toctree}\n:hidden:\n:maxdepth: 1\n"]
    for title, group in GROUPS.items():
        index.append(f"## {title}\n\n| name | what it is |\n|---|---|")
        for name in group:
            page = _write_page(name)
            (folder / f"{name}.md").write_text(page, encoding="utf-8")
            index.append(
                f"| [`hk.{name}`]({name}.md) | {_say_first(getattr(hk, name))} |"
            )
            hidden.append(name)
        index.append("")
    index += [
        "## Rooms\n",
        "What stands beside the names above.\n",
        "| name | what it is |\n|---|---|",
    ]
    ours = {id(value) for _, value in list_names(hk)}
    for room in (*ROOMS, "widgets"):
        full = room if room == "widgets" else f"holdings_kit.{room}"
        module = import_module(full)
        rest = [pair for pair in list_names(module) if id(pair[1]) not in ours]
        page = _write_room(full, module, rest)
        (folder / f"{full}.md").write_text(page, encoding="utf-8")
        index.append(f"| [`{full}`]({full}.md) | {_say_first(module)} |")
        hidden.append(full)
    text = "\n".join([*index, "", *hidden, "```\n"])
    (folder / "index.md").write_text(text, encoding="utf-8")


def _end_examples(app: Sphinx, page: str, text: list[str]) -> None:
    """Take away the empty line by which doctest knows where an example ends."""
    if Path(app.env.doc2path(page)).suffix == ".md":
        text[0] = text[0].replace("\n\n```\n", "\n```\n")


def setup(app: Sphinx) -> None:
    """Make the reference before Sphinx looks which pages there are."""
    write_reference(Path(app.srcdir))
    app.connect("source-read", _end_examples)
