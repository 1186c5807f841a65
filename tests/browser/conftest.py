"""One JupyterLab and one Chromium for all tests of this folder; a kernel per test."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Playwright

ROOT = Path(__file__).parents[2]
SHOTS = ROOT / "artefacts" / "browser"
MISSING = "no Chromium here, neither the system's nor Playwright's own"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
OVERRIDES = {
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
    },
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
    "@jupyter-widgets/jupyterlab-manager:plugin": {"saveState": True},
}
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
CLOSE_ALL = """() => {
  for (const old of [...window.jupyterapp.shell.widgets('main')]) old.dispose();
}"""
OPEN_AND_RUN = """async ([path, theme]) => {
  const app = window.jupyterapp;
  await app.restored;
  for (const old of [...app.shell.widgets('main')]) old.dispose();
  await app.commands.execute('apputils:change-theme', {theme});
  const shown = await app.commands.execute('docmanager:open', {path});
  app.shell.collapseLeft();
  app.shell.activateById(shown.id);
  await shown.context.ready;
  await shown.sessionContext.ready;
  await shown.sessionContext.session.kernel.info;
  await app.commands.execute('notebook:run-all-cells');
}"""


collect_ignore = [] if os.environ.get("GALLERY") else ["test_gallery.py"]


def find_chromium(driver: Playwright) -> Path | None:
    """Look for $CHROMIUM, the system's browser, or Playwright's own download."""
    named = os.environ.get("CHROMIUM") or shutil.which("chromium")
    path = Path(named or driver.chromium.executable_path)
    return path if path.exists() else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = [item for item in items if Path(__file__).parent in item.path.parents]
    for item in here:
        item.add_marker("browser")
        item.add_marker(pytest.mark.xdist_group("browser"))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    missed = [
        report
        for report in terminalreporter.getreports("skipped")
        if MISSING in str(report.longrepr)
    ]
    if missed:
        terminalreporter.section("NOT RUN: the real browser", red=True, bold=True)
        terminalreporter.line(f"{len(missed)} tests need Chromium:")
        for report in missed:
            terminalreporter.line(f"  {report.nodeid}")
        terminalreporter.line(
            "Install it (Debian: apt-get install chromium), or let Playwright fetch "
            "its own: .venv/bin/playwright install chromium"
        )


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as driver:
        path = find_chromium(driver)
        if path is None and os.environ.get("CI"):
            pytest.fail(f"{MISSING}: the browser tests cannot run")
        if path is None:
            pytest.skip(MISSING)
        chromium = driver.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Lab:
    """A running JupyterLab over a copy of the notebooks, and its one page."""

    def __init__(self, folder: Path, page_of: Browser) -> None:
        self.folder, self.token, self.port = folder, secrets.token_hex(16), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder.parent / "lab.log"
        self.browser = page_of
        self.foreign: list[str] = []
        self.page: Page | None = None
        self._start()

    def _start(self) -> None:
        home = self.folder.parent
        settings = home / "settings"
        settings.mkdir()
        (settings / "overrides.json").write_text(json.dumps(OVERRIDES))
        places = {
            name: str(home / name.lower())
            for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
        }
        command = [
            *(sys.executable, "-m", "jupyterlab", "--no-browser"),
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={self.port}",
            "--ServerApp.port_retries=0",
            f"--ServerApp.root_dir={self.folder}",
            f"--LabApp.app_settings_dir={settings}",
            f"--LabApp.user_settings_dir={home / 'user'}",
            f"--LabApp.workspaces_dir={home / 'workspaces'}",
            "--LabApp.expose_app_in_browser=True",
            "--KernelManager.transport_encryption=required",
            *(["--allow-root"] if os.geteuid() == 0 else []),
        ]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                env=os.environ | places | {"JUPYTER_TOKEN": self.token},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + 180
        while True:
            with contextlib.suppress(OSError):
                self.api("GET", "/api/status")
                return
            if time.monotonic() > deadline or self.process.poll() is not None:
                pytest.fail(f"JupyterLab did not start:\n{self.log.read_text()}")
            time.sleep(0.2)

    def stop(self) -> None:
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)

    def api(self, method: str, path: str) -> Any:
        request = urllib.request.Request(
            self.url + path,
            method=method,
            headers={"Authorization": f"token {self.token}"},
        )
        with urllib.request.urlopen(request, timeout=10) as reply:
            body = reply.read()
        return json.loads(body) if body else None

    def notebook(self, name: str, *cells: str) -> str:
        """Write a small notebook beside the copied ones."""
        code = [
            {
                "cell_type": "code",
                "id": f"c{number}",
                "metadata": {},
                "execution_count": None,
                "outputs": [],
                "source": cell,
            }
            for number, cell in enumerate(cells)
        ]
        content = {
            "cells": code,
            "metadata": {"kernelspec": KERNEL},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
        return name

    def open(self, path: str, *, dark: bool = False) -> Page:
        """Open a notebook, run all its cells, give the page when the kernel is idle."""
        if self.page is None:
            self.page = self.browser.new_page(locale="en-IN")
            self.page.on("request", lambda request: self._seen(request.url))
            self.page.goto(f"{self.url}/lab?reset&token={self.token}")
            self.page.wait_for_function("() => window.jupyterapp")
        self.page.set_viewport_size({"width": 1440, "height": 1000})
        theme = "JupyterLab Dark" if dark else "JupyterLab Light"
        self.page.evaluate(OPEN_AND_RUN, [path, theme])
        self.idle(self.page)
        return self.page

    def clear(self, *, broken: bool) -> None:
        """Stop all kernels; a page that a test left in disorder is closed."""
        page = self.page
        if page is not None:
            for popup in page.context.pages:
                if popup is not page:
                    popup.close()
            page.evaluate(CLOSE_ALL)
            if broken or page.locator(".jp-Dialog").count():
                page.context.close()
                self.page = None
        self.close_kernels()

    def _seen(self, url: str) -> None:
        if not url.startswith(
            (self.url, "http://127.0.0.1", "data:", "blob:", "about:")
        ):
            self.foreign.append(url)

    def idle(self, page: Page) -> None:
        """Wait until the status bar says that the kernel has nothing to do."""
        bar = page.locator("#jp-main-statusbar")
        bar.get_by_text("| Idle").wait_for(timeout=60_000)

    def close_kernels(self) -> None:
        for session in self.api("GET", "/api/sessions"):
            self.api("DELETE", f"/api/sessions/{session['id']}")


@pytest.fixture(scope="session")
def lab_server(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("lab") / "root"
    folder.mkdir()
    if (ROOT / "notebooks").exists():
        shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    shutil.copytree(ROOT / "sample_data", folder / "sample_data")
    SHOTS.mkdir(parents=True, exist_ok=True)
    server = Lab(folder, browser)
    yield server
    server.stop()


@pytest.fixture
def lab(lab_server: Lab, request: pytest.FixtureRequest) -> Iterator[Lab]:
    failures = request.session.testsfailed
    yield lab_server
    lab_server.clear(broken=request.session.testsfailed > failures)


CUT = """selector => [...document.querySelectorAll(selector)]
  .flatMap((tool) => [tool, ...tool.querySelectorAll('*')])
  .filter((el) => {
    const wide = el.scrollWidth - el.clientWidth > 1;
    const shown = el.getClientRects().length && el.clientWidth > 1;
    return wide && shown && getComputedStyle(el).overflowX !== 'visible'
      && !el.matches('[role=region][tabindex], input, select');
  })
  .map((el) => `${el.tagName} ${el.className}: ${el.textContent.slice(0, 60)}`)"""


def find_cut(page: Page, selector: str) -> list[str]:
    """Find what is wider than its box, save what scrolls and says so."""
    return page.evaluate(CUT, selector)


@pytest.fixture
def shoot() -> Any:
    """Keep a picture of the page or of one part under artefacts/browser."""

    def take(of: Any, name: str) -> Path:
        path = SHOTS / f"{name}.png"
        page = getattr(of, "page", of)
        if page is not of:  # a tool may be taller than the window
            page.set_viewport_size({"width": 1440, "height": 2600})
        of.screenshot(path=path)
        return path

    return take


@pytest.fixture
def axe() -> Any:
    """Check markup with axe-core; give the violations, one line each."""
    source = (Path(__file__).parent / "vendor" / "axe.min.js").read_text()

    def check(page: Page, selector: str, *, dark: bool = False) -> list[str]:
        page.evaluate(source)
        if dark:  # the tool in the other theme, without waiting for the page's own
            theme = "document.body.dataset.jpThemeLight"
            page.evaluate(f"{theme} = 'false'")
            found = check(page, selector)
            page.evaluate(f"{theme} = 'true'")
            return check(page, selector) + found
        found = page.evaluate(
            "selector => axe.run(selector, {resultTypes: ['violations']})", selector
        )
        assert found["passes"], f"nothing to check at {selector}"
        return [
            f"{one['id']}: {one['help']}: {node['html'][:200]}"
            for one in found["violations"]
            for node in one["nodes"]
        ]

    return check
