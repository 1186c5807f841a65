"""Sandbox, store and JupyterLab (or Voilà) up together, and down together.

Notebooks are opened as copies, in a folder that is named or in a checkout's
``artefacts/lab``, so that a saved output changes no original. Everything listens on
127.0.0.1, on free ports, behind a token that is passed through the environment and
never stands in a command line, a log, or a file that others can read. It ends with the
run.
"""

from __future__ import annotations

import hashlib
import html
import http.client
import importlib.util
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias
from urllib.parse import quote

from holdings_kit.cli._site import serve_site
from holdings_kit.display import number_of, show
from holdings_kit.display._numbers import percent, quantity, rupees
from holdings_kit.display._page import wrap_page
from holdings_kit.display._tokens import read_stylesheet
from holdings_kit.errors import ConfigError
from holdings_kit.portfolio import consolidate, summarize
from holdings_kit.sandbox import Clock, Sandbox, arrow_client, gateway_client, serve
from holdings_kit.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    import polars as pl

__all__ = ["Running", "Server", "find_free_port", "run_lab"]

Server: TypeAlias = Literal["lab", "app"]

_MODULES: Final = {"lab": "jupyterlab", "app": "voila"}
_PATIENCE: Final = 180.0  # a busy machine starts JupyterLab in minutes
_FAREWELL: Final = 15.0
_SOME: Final = 3
_SETTINGS: Final = {
    "@jupyterlab/apputils-extension:notification": {  # asks the network otherwise
        "fetchNews": "false",
        "checkForUpdates": False,
    },
    "@jupyterlab/apputils-extension:themes": {"adaptive-theme": True},
}
_PAGE: Final = """# holdings_kit is running

{book}

**Three doors**

{doors}

The cell below opens the same book to sort and filter: Shift-Enter runs it.
"""
_ABOUT: Final = """## What is running

{site}
- **Brokers and gateway, simulated:** [{url}/]({url}/), a front page to try an import.
- **Store** with {count} imported accounts: the cell above opens it.
- **Your own copies:** the notebooks below are copies in `{folder}`.
  Change them as you like: what you change stays, the originals stay as they are.
- **To stop everything:** Ctrl-C in the terminal.

Each notebook starts a sandbox of its own, so nothing you do in one disturbs another.
All people, holdings and secrets are invented and stay on this machine.

{notebooks}
"""
_SITE: Final = "- **Documentation:** [{0}]({0}), to search and to read."
_COPIED: Final = ("notebooks", "sample_data")
_PACKED: Final = Path(__file__).with_name("_copied")  # in the wheel only
_CHECKOUT: Final = Path(__file__).parents[2]
_SKIPPED: Final = frozenset({".ipynb_checkpoints", "__pycache__"})
_ARROW: Final = "sample"  # the persona whose positions come with prices
_SHOWN: Final = 8
_DOORS: Final = {
    "explore": "**Explore**",
    "research": "**Research**",
    "training": "**Learn**",
}
_ROOMS: Final = {
    "explore": "Explore holdings by clicking",
    "research": "Research haircuts and risk",
    "training": "A course for integrators",
}
_COLUMNS: Final = (
    *("symbol", "owned_quantity", "price", "market_value", "unrealized_pnl", "return"),
)
_INDEX: Final = """<!doctype html><html lang="en-IN"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>holdings_kit</title><style>{style}</style></head><body><main>
<h1>holdings_kit is running</h1>
<p>A book of an invented person, imported from a simulated broker and valued.</p>
{book}
<h2>Explore holdings by clicking</h2><ul>{links}</ul>
<p>Each opens with a kernel of its own, which takes a few seconds. To stop everything:
Ctrl-C in the terminal.</p></main></body></html>
"""
_INDEX_STYLE: Final = """
body{margin:0;background:var(--hk-page);color:var(--hk-ink);
font:14px/1.45 var(--hk-sans)}
main{max-width:860px;margin:0 auto;padding:20px}
h1{font-size:20px}h2{font-size:16px;margin-top:28px}
a{color:var(--hk-accent)}li{padding:3px 0}
"""
_FRAME: Final = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<title>{% block title %}holdings_kit{% endblock %}</title>
{% block stylesheets %}{% endblock %}{% block meta %}{% endblock %}</head>
<body data-base-url="{{ base_url }}voila/" data-voila="voila">
{% block body %}{% endblock %}{% block scripts %}{% endblock %}</body></html>
"""
"""What pages of Voilà other than a notebook are made of."""
_NOTEBOOK: Final = """{%- extends "voila/templates/lab/index.html.j2" -%}
{%- block notebook_css -%}
{{ super() | replace('href="https://', 'href="data:text/css,') }}
{%- endblock -%}
"""
"""A notebook as a page, without the font that its style asks a CDN for."""
_CELL: Final = """import os

import holdings_kit as hk
from holdings_kit.widgets import HoldingsTable

store = hk.Store(os.environ["HOLDINGS_KIT_STORE"])
holdings = store.current().holdings.filter(source="arrow")  # the Gateway has no prices
HoldingsTable(hk.consolidate(holdings), caption="Imported and valued")"""


@dataclass(frozen=True, kw_only=True)
class Running:
    """What is up: the page to open, the sandbox, the store's folder.

    Attributes
    ----------
    url
        Of the start page, with the token: show it to the person who started it only.
    sandbox_url, store
        Of the simulated brokers; where the imported accounts are.
    process
        The web server; it ends when everything is stopped.
    """

    url: str
    sandbox_url: str
    store: Path
    process: subprocess.Popen[bytes]


def run_lab(
    folder: Path | None = None,
    *,
    server: Server = "lab",
    port: int = 0,
    seed: int = 7,
    tell: Callable[[Running], None],
    open_page: Callable[[str], object] | None = None,
) -> int:
    """Start everything, tell where it is, wait for its end, stop everything.

    Parameters
    ----------
    folder
        Where copies of ``notebooks`` and ``sample_data`` and all state go;
        ``artefacts/lab`` of the checkout that is the working directory, unless given.
        A copy that was edited stays as it is.
    server
        ``lab``: JupyterLab. ``app``: the explore notebooks as pages, by Voilà.
    port
        Of the web server; 0 takes a free one.
    seed
        Of the sandbox.
    tell
        Called once all is up.
    open_page
        Called then with the address of a file of the owner's alone that leads to the
        start page: what opens a browser puts its address into an argument list.

    Returns
    -------
    int
        0 when it was stopped, else the web server's own exit code.

    Raises
    ------
    ConfigError
        No folder named and no checkout here, the packages are missing, or the server
        did not start.
    """
    originals = _find_originals(named=folder is not None)
    state = (folder or originals / "artefacts" / "lab").resolve()
    root = originals if state.is_relative_to(originals) else state
    if importlib.util.find_spec(_MODULES[server]) is None:
        raise ConfigError(
            f"{_MODULES[server]} is missing: pip install holdings-kit[lab]"
        )
    state.mkdir(parents=True, exist_ok=True)
    with (
        serve(seed=seed, clock=Clock(speed=1)) as sandbox,
        serve_site(originals / "artefacts" / "docs") as site,
    ):
        store = state / "store"
        count = _fill_store(Store(store), sandbox)
        _copy_fresh(originals, state)
        book = consolidate(Store(store).current().holdings.filter(source="arrow"))
        doors = _link_doors(originals / "notebooks")
        about = _ABOUT.format(
            site=_SITE.format(site) if site else "",
            url=sandbox.url,
            count=count,
            folder=(state / "notebooks").relative_to(root),
            notebooks=_link_notebooks(originals / "notebooks"),
        )
        page = _PAGE.format(book=_write_book(book), doors=doors)
        start = _make_start_notebook(page, _CELL, about)
        (state / "START.ipynb").write_text(start, encoding="utf-8")
        index = _write_index(book, originals / "notebooks" / "explore")
        _write_template(state / "jupyter", index)
        token, number = secrets.token_urlsafe(24), port or find_free_port()
        places = [str(state / "jupyter"), os.environ.get("JUPYTER_PATH", "")]
        environment = {
            "JUPYTER_PATH": os.pathsep.join(filter(None, places)),
            "JUPYTER_TOKEN": token,
            "HOLDINGS_KIT_SANDBOX": sandbox.url,
            "HOLDINGS_KIT_STORE": str(store),
        }
        process = _start_server(server, root, state, number, environment)
        opened = state / "open.html"
        try:
            _wait_for_server(process, number, token, state)
            first = (state / "START.ipynb").relative_to(root).as_posix()
            where = f"lab/tree/{quote(first)}" if server == "lab" else ""
            url = f"http://127.0.0.1:{number}/{where}?token={token}"
            up = Running(url=url, sandbox_url=sandbox.url, store=store, process=process)
            stopped = _catch_stop()
            tell(up)
            if open_page is not None:
                _write_redirect(opened, url)
                open_page(opened.resolve().as_uri())
            return _wait_for_end(process, stopped)
        finally:
            opened.unlink(missing_ok=True)
            _stop_server(process)


def _find_originals(*, named: bool) -> Path:
    """Find what is copied: in the wheel, or the checkout.

    Without a folder that was named, the checkout is where the command is run.
    """
    if named:
        return _PACKED if _PACKED.is_dir() else _CHECKOUT
    here = Path.cwd().resolve()
    if not (here / "notebooks").is_dir():
        raise ConfigError(
            f"{here}: no folder 'notebooks' to copy from; name a folder for the "
            "copies: holdings-kit lab FOLDER"
        )
    return here


def _write_redirect(page: Path, url: str) -> None:
    """Write a page that leads to `url`, for the owner's eyes only."""
    page.unlink(missing_ok=True)
    descriptor = os.open(page, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f'<meta http-equiv="refresh" content="0; url={html.escape(url)}">')


def find_free_port() -> int:
    """Find a port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _copy_fresh(folder: Path, state: Path) -> None:
    """Copy notebooks and sample data; what a person has edited since is left alone."""
    book = state / "copied.json"
    copied: dict[str, str] = json.loads(book.read_text()) if book.is_file() else {}
    for original in sorted(
        path for name in _COPIED for path in (folder / name).rglob("*")
    ):
        if not original.is_file() or _SKIPPED & set(original.parts):
            continue
        name = original.relative_to(folder).as_posix()
        copy = state / name
        if copy.is_file() and _hash_file(copy) != copied.get(name):
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(original, copy)
        copied[name] = _hash_file(copy)
    book.write_text(json.dumps(copied, indent=1))


def _hash_file(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _link_notebooks(folder: Path) -> str:
    """List the notebooks with their titles, as links from the start page."""
    lines: list[str] = []
    for room, title in _ROOMS.items():
        found = sorted((folder / room).glob("*.ipynb"))
        lines += ["", f"## {title}", ""] if found else []
        lines += [
            f"- [{_read_title(path)}](notebooks/{room}/{path.name})" for path in found
        ]
    return "\n".join(lines)


def _link_doors(folder: Path) -> str:
    """Link the first notebook of each room."""
    firsts = {
        room: min((folder / room).glob("*.ipynb"), default=None) for room in _DOORS
    }
    return "\n".join(
        f"- {_DOORS[room]}: [{_read_title(path)}](notebooks/{room}/{path.name})"
        for room, path in firsts.items()
        if path is not None
    )


def _write_book(positions: pl.DataFrame) -> str:
    """Write what is known of a book's value as Markdown, largest positions first."""
    priced = positions.drop_nulls("market_value").sort("market_value", descending=True)
    total = summarize(positions).row(0, named=True)
    value = rupees(total["market_value"])
    all_of_them = number_of(positions.height, "position")
    share = percent(total["costed_value_share"])
    gain = f"P&L **{_write_change(total['unrealized_pnl'])}** on {share} of the value"
    known = f"known for {priced.height} of {all_of_them}"
    lines = [
        f"**{value}** at the last close, {known}; {gain}",
        "",
        "| Holding | Owned | Value | P&L | Return |",
        "|:--|--:|--:|--:|--:|",
    ]
    for row in priced.head(_SHOWN).iter_rows(named=True):
        name = html.escape(row["name"] or row["symbol"] or "–").replace("|", "&#124;")
        lines.append(
            f"| {name} | {quantity(row['owned_quantity'])} "
            f"| {rupees(row['market_value'])} "
            f"| {_write_change(row['unrealized_pnl'])} "
            f"| {percent(row['return'], sign=True)} |"
        )
    if priced.height > _SHOWN:
        lines.append(f"\nand {priced.height - _SHOWN} more with a price")
    return "\n".join(lines)


def _write_change(pnl: Decimal | None) -> str:
    """Write money made or lost: by sign and arrow, for Markdown has no colours."""
    arrow = "" if not pnl else "▲ " if pnl > 0 else "▼ "
    return arrow + rupees(pnl, sign=True)


def _write_index(positions: pl.DataFrame, folder: Path) -> str:
    """Write the first page of the app: the same book, and the tools as pages."""
    value = positions["market_value"].drop_nulls()
    total = rupees(value.sum() if len(value) else None)
    view = show(
        positions,
        columns=_COLUMNS,
        rows=_SHOWN,
        title=f"{total} at the last close",
        total=True,
    )
    links = "".join(
        f'<li><a href="/voila/render/{quote(path.name)}">'
        f"{html.escape(_read_title(path))}</a></li>"
        for path in sorted(folder.glob("*.ipynb"))
    )
    return _INDEX.format(
        style=read_stylesheet() + _INDEX_STYLE,
        book=wrap_page(view.write_table()),
        links=links,
    )


def _write_template(folder: Path, index: str) -> None:
    """Write Voilà pages that load nothing from elsewhere: its own ask for a font."""
    place = folder / "voila" / "templates" / "holdings"
    place.mkdir(parents=True, exist_ok=True)
    (place / "conf.json").write_text('{"base_template": "lab"}')
    (place / "page.html").write_text(_FRAME)
    (place / "index.html.j2").write_text(_NOTEBOOK)
    text = index.replace("{%", "{&#37;")  # a name in a book ends no raw block
    for name in ("tree.html", "tree-lab.html"):
        (place / name).write_text(f"{{% raw %}}{text}{{% endraw %}}", encoding="utf-8")


def _read_title(path: Path) -> str:
    """Read a notebook's first heading; its file name where it has none."""
    heading = re.search(r'"# ([^"\\]+)', path.read_text(encoding="utf-8"))
    return heading.group(1) if heading else path.stem


def _make_start_notebook(text: str, code: str, about: str) -> str:
    """Write a notebook of a text, a cell and a text."""
    note: dict[str, object] = {"cell_type": "markdown", "id": "what", "source": text}
    more: dict[str, object] = {"cell_type": "markdown", "id": "about", "source": about}
    cell: dict[str, object] = {"cell_type": "code", "id": "store", "source": code}
    cell |= {"execution_count": None, "outputs": []}
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return json.dumps(
        {
            "cells": [{**each, "metadata": {}} for each in (note, cell, more)],
            "metadata": {"kernelspec": kernel},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
    )


def _fill_store(store: Store, sandbox: Sandbox) -> int:
    """Import a few people into a store that is still empty; count its accounts.

    The Gateway sends no prices: one account more is read from Arrow, which does.
    """
    if store.current().snapshots.is_empty():
        with gateway_client(sandbox) as client:
            people = [p for p in sandbox.personas.values() if p.key != _ARROW]
            for person in people[:_SOME]:
                started = client.create_import()
                sandbox.play(started.transaction_id, persona=person.key)
                store.append(client.holdings(person.auth_id))
        with arrow_client(sandbox, _ARROW) as broker:
            store.append(broker.holdings(instruments=broker.instruments()))
    return store.current().snapshots.height


def _start_server(
    server: Server, root: Path, state: Path, port: int, environment: dict[str, str]
) -> subprocess.Popen[bytes]:
    """Start the server with `environment` added to its own; its words go to a log."""
    if server == "lab":
        settings = state / "settings"
        settings.mkdir(exist_ok=True)
        (settings / "overrides.json").write_text(json.dumps(_SETTINGS))
        options = [
            f"--LabApp.app_settings_dir={settings}",
            f"--LabApp.workspaces_dir={state / 'workspaces'}",
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={port}",
            "--ServerApp.port_retries=0",
            f"--ServerApp.root_dir={root}",
            "--KernelManager.transport_encryption=required",
            *(["--allow-root"] if os.geteuid() == 0 else []),
        ]
    else:
        options = [
            str(state / "notebooks" / "explore"),
            "--Voila.ip=127.0.0.1",
            "--template=holdings",
            f"--port={port}",
            "--token",  # taken from JUPYTER_TOKEN
        ]
    log_file = state / f"{server}.log"
    with log_file.open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", _MODULES[server], "--no-browser", *options],
            env=os.environ | environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            umask=0o077,  # a page that it writes for browsers holds the token
            start_new_session=True,  # Ctrl-C reaches us alone, and we stop it in order
        )


def _wait_for_server(
    process: subprocess.Popen[bytes], port: int, token: str, state: Path
) -> None:
    until = time.monotonic() + _PATIENCE
    while True:
        probe = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            probe.request("GET", "/", headers={"Authorization": f"token {token}"})
            probe.getresponse()
        except OSError:
            if process.poll() is not None or time.monotonic() > until:
                raise ConfigError(
                    f"the web server did not start; its words are in {state}/*.log"
                ) from None
            time.sleep(0.2)
        else:
            return
        finally:
            probe.close()


def _catch_stop() -> threading.Event:
    """Take Ctrl-C, SIGTERM and a closed terminal as the wish to stop, from now on."""
    stopped = threading.Event()

    def stop(*_signal: object) -> None:
        stopped.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    return stopped


def _wait_for_end(process: subprocess.Popen[bytes], stopped: threading.Event) -> int:
    """Wait for the wish to stop, or the end of the server."""
    while process.poll() is None and not stopped.wait(0.2):
        pass
    return 0 if stopped.is_set() else process.returncode


def _stop_server(process: subprocess.Popen[bytes]) -> None:
    """End the server with its kernels; what does not go is killed."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(_FAREWELL)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
