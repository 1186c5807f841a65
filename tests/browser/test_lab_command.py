"""`holdings-kit lab` and `app`: one command up, a token, one Ctrl-C down."""

from __future__ import annotations

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


class Command:
    """A running `holdings-kit lab` or `app`, with what it printed."""

    def __init__(self, folder: Path, name: str) -> None:
        code = "from holdings_kit.cli import main; main()"
        home = folder / "home"
        home.mkdir()
        self.browser = home / "browser"  # keeps what it was told to open
        self.browser.write_text(f'#!/bin/sh\necho "$@" > "{home}/opened"\n')
        self.browser.chmod(0o700)
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, name],
            cwd=folder,
            env=os.environ | {"HOME": str(home), "BROWSER": f"{self.browser} %s"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.said: dict[str, str] = {}
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("The address"):
                break
            name, _, value = line.partition(" ")
            self.said[name] = value.strip()
        self.url = self.said.get("open", "")

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(40)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("notebooks", "sample_data"):
        shutil.copytree(ROOT / name, tmp_path / name)
    site = tmp_path / "artefacts" / "docs"
    site.mkdir(parents=True)
    (site / "index.html").write_text("<h1>The documentation</h1>")
    return tmp_path


@pytest.fixture
def started(checkout: Path, request: pytest.FixtureRequest) -> Iterator[Command]:
    command = Command(checkout, request.param)
    yield command
    if command.process.poll() is None:
        command.stop()


def refused(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10) as reply:
            return "login" in reply.url
    except urllib.error.HTTPError as error:
        return error.code == 403


def gone(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=2).close()
    except urllib.error.HTTPError:
        return False
    except OSError:
        return True
    return False


def arguments() -> list[str]:
    """Give the argument list of every process that can be seen."""
    found = list[str]()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended
            found.append(path.read_text(errors="replace"))
    assert any("jupyterlab" in each for each in found)
    return found


def files_with(token: str, folder: Path) -> list[Path]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in found if token.encode() in path.read_bytes()]


def go_through(page: Any, door: str, name: str) -> None:
    """Click a door of the start page; the copy of its first notebook opens."""
    card = page.locator(".door", has=page.get_by_role("heading", name=door))
    card.locator(".go").click()
    tab = page.locator(".lm-TabBar-tab.jp-mod-current", has_text=name).first
    where = re.compile("artefacts/lab/notebooks/")
    expect(tab).to_have_attribute("title", where, timeout=60_000)


@pytest.mark.parametrize("started", ["lab"], indirect=True)
def test_lab_opens_its_start_page_and_goes_down_clean(
    started: Command, checkout: Path, browser: Any, shoot: Any, axe: Any
) -> None:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    asked: list[str] = []
    page.on("request", lambda sent: asked.append(sent.url))
    page.goto(started.url)
    assert page.url.endswith("/start"), "no token in it"
    assert len(asked) == 2, asked
    assert page.locator("#value").inner_text() == "₹23,398.23"
    expect(page.get_by_text("all 8 positions have a price")).to_be_visible()
    expect(page.get_by_role("img", name="Treemap of 8 parts").first).to_be_visible()
    assert page.locator("pre, .jp-Cell").count() == 0, "no code in sight"
    doors = page.locator(".door .go")
    expect(doors).to_have_count(3)
    for door in doors.all():
        expect(door).to_be_in_viewport()
    shoot(page, "lab-start")
    for theme in ("dark", "light"):  # as the system is
        page.emulate_media(color_scheme=theme)
        assert axe(page, "html") == []
    expect(page.locator("footer")).to_contain_text("in HOLDINGS_KIT_STORE of every")
    sandbox = page.get_by_role("link", name="simulated")
    assert sandbox.get_attribute("href") == started.said["sandbox"]
    site = str(page.get_by_role("link", name="Documentation").get_attribute("href"))
    with urllib.request.urlopen(site, timeout=10) as reply:
        assert b"The documentation" in reply.read()
    for door, name in (
        ("Learn", "01_tokens_and_secrets.ipynb"),
        ("Research", "01_take_a_published_haircut_apart.ipynb"),
        ("Explore", "01_what_do_i_hold.ipynb"),
    ):
        page.goto(started.url)
        go_through(page, door, name)
    for theme in ("dark", "light"):
        page.emulate_media(color_scheme=theme)
        light = "true" if theme == "light" else "false"
        themed = page.locator(f"body[data-jp-theme-light={light}]")
        themed.wait_for(state="attached")
    page.goto(started.url)
    page.get_by_text("All 8 notebooks").click()
    expect(page.get_by_role("link", name="How did it do?")).to_be_visible()
    page.context.close()

    parts = urlsplit(started.url)
    token = parse_qs(parts.query)["token"][0]
    home = f"http://{parts.netloc}"
    assert refused(f"{home}/api/contents")
    assert refused(f"{home}/start")
    opened = checkout / "home" / "opened"
    assert opened.read_text().startswith("file://")
    assert token not in opened.read_text() + " ".join(arguments())
    holds = files_with(token, checkout)
    assert checkout / "artefacts/lab/open.html" in holds
    assert {stat.S_IMODE(path.stat().st_mode) for path in holds} == {0o600}

    sandbox = started.said["sandbox"]
    assert started.stop() == 0
    assert gone(home)
    assert gone(sandbox)
    assert gone(site)
    assert files_with(token, checkout) == [], "no log, no history, no page is left"


@pytest.mark.parametrize("started", ["app"], indirect=True)
def test_app_serves_notebooks_as_pages_behind_a_token(
    started: Command, browser: Any, shoot: Any, axe: Any
) -> None:
    parts = urlsplit(started.url)
    home = f"http://{parts.netloc}"
    assert refused(f"{home}/voila/render/05_what_if.ipynb")
    token = parse_qs(parts.query)["token"][0]
    page = browser.new_page(viewport={"width": 1300, "height": 1500})
    foreign: list[str] = []
    page.on("request", lambda sent: foreign.append(sent.url))
    page.goto(started.url)
    assert page.locator("#value").inner_text() == "₹23,398.23"
    expect(page.locator(".door").get_by_role("link")).to_have_count(8)
    assert axe(page, "html") == []
    shoot(page, "app-index")
    page.get_by_role("link", name="What if").click(timeout=60_000)
    expect(page.locator(".hk-figures").first).to_be_visible(timeout=60_000)
    shoot(page, "app")
    assert token not in page.url, "a cookie holds it"
    page.goto(f"{home}/voila/render/nothing.ipynb", wait_until="commit")
    assert [
        url for url in foreign if not url.startswith((home, "data:", "blob:"))
    ] == []
    page.context.close()
    assert started.stop() == 0
    assert gone(home)


def test_lab_needs_a_checkout_or_a_folder(tmp_path: Path) -> None:
    code = "from holdings_kit.cli import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", code, "lab", "--no-browser"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ,
    )
    assert ended.returncode == 1
    assert "no folder 'notebooks'" in ended.stderr
    assert "name a folder for the copies: holdings-kit lab FOLDER" in ended.stderr
