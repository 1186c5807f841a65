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
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias
from urllib.parse import quote

from holdings_kit.cli._start import ROOMS, write_start_page
from holdings_kit.cli._terminal import catch_stop
from holdings_kit.display import number_of
from holdings_kit.errors import ConfigError
from holdings_kit.sandbox import Clock, Sandbox, arrow_client, gateway_client, serve
from holdings_kit.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from holdings_kit.schema import Loaded

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
_FOOTER: Final = """<div><b>What is running</b>
<a href="{url}/">Brokers and gateway, simulated</a>: try an import on their front page.
{site}A store with {accounts}, whose folder is in <code>HOLDINGS_KIT_STORE</code> of
every notebook.</div>
<div><b>Your own copies</b>The notebooks are copies in <code>{folder}</code>. What you
change stays, and the originals stay as they are.</div>
<div><b>To stop everything</b>Ctrl-C in the terminal. All people, holdings and secrets
are invented and stay on this machine.</div>"""
_SITE: Final = '<a href="{0}">Documentation</a>, to search and to read. '
_EXTENSION: Final = "holdings_kit.cli._start_handler"
_COPIED: Final = ("notebooks", "sample_data")
_PACKED: Final = Path(__file__).with_name("_copied")  # in the wheel only
_CHECKOUT: Final = Path(__file__).parents[2]
_SKIPPED: Final = frozenset({".ipynb_checkpoints", "__pycache__"})
_ARROW: Final = "sample"  # the persona whose positions come with prices
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
        book = _pick_book(Store(store))
        footer = _FOOTER.format(
            site=_SITE.format(site) if site else "",
            url=sandbox.url,
            accounts=number_of(count, "imported account"),
            folder=html.escape(str((state / "notebooks").relative_to(root))),
        )
        start = state / "start.html"
        place = (state / "notebooks").relative_to(root).as_posix()

        def link(room: str, name: str) -> str:
            in_lab = f"/lab/tree/{place}/{room}/{name}"
            return quote(in_lab if server == "lab" else f"/voila/render/{name}")

        rooms = ROOMS if server == "lab" else ROOMS[:1]
        page = write_start_page(
            book, originals / "notebooks", link, footer, rooms=rooms
        )
        if server == "lab":
            start.write_text(page, encoding="utf-8")
        else:
            _write_template(state / "jupyter", page)
        token, number = secrets.token_urlsafe(24), port or find_free_port()
        places = [str(state / "jupyter"), os.environ.get("JUPYTER_PATH", "")]
        environment = {
            "JUPYTER_PATH": os.pathsep.join(filter(None, places)),
            "JUPYTER_TOKEN": token,
            "HOLDINGS_KIT_SANDBOX": sandbox.url,
            "HOLDINGS_KIT_STORE": str(store),
            "HOLDINGS_KIT_START": str(start),
        }
        process = _start_server(server, root, state, number, environment)
        opened = state / "open.html"
        try:
            _wait_for_server(process, number, token, state)
            where = "start" if server == "lab" else ""
            url = f"http://127.0.0.1:{number}/{where}?token={token}"
            up = Running(url=url, sandbox_url=sandbox.url, store=store, process=process)
            stopped = catch_stop()
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


def _pick_book(store: Store) -> Loaded:
    """Read the account whose positions come with prices; the Gateway sends none."""
    now = store.current()
    return now._replace(
        snapshots=now.snapshots.filter(source="arrow"),
        holdings=now.holdings.filter(source="arrow"),
        listings=now.listings.clear(),
        baskets=now.baskets.clear(),
        rejects=now.rejects.clear(),
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
            "--ServerApp.default_url=/start",
            f"--ServerApp.jpserver_extensions={_EXTENSION}=True",
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


class _Quiet(SimpleHTTPRequestHandler):
    """Serves files; what was asked for is written nowhere."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@contextmanager
def serve_site(folder: Path) -> Generator[str]:
    """Serve a folder of pages until the end of the block; empty where it has none.

    The pages are the same for everybody and hold no secret, so they need no token.
    """
    if not (folder / "index.html").is_file():
        yield ""
        return
    handler = partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()
