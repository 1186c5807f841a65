"""The built documentation: whole, from nowhere else, searchable, light and dark."""

from __future__ import annotations

import inspect
import re
import zlib
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pytest

from tests.house.test_examples import methods
from tests.house.test_reference import import_path, public_names

from .conftest import ROOT, SHOTS

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SITE = ROOT / "artefacts" / "docs"
REACHED = """[...document.querySelectorAll('pre')].every(
  code => code.scrollWidth <= code.clientWidth || code.tabIndex === 0)"""
FOREIGN = re.compile(r"(?:@import\s*|url\()\s*['\"]?(?:https?:)?//")
LOADED = {"script": "src", "img": "src", "iframe": "src", "link": "href"}


class Links(HTMLParser):
    """The ids of a page, what it links to, and what it loads."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.ids, self.links, self.loads = set[str](), set[str](), set[str]()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = dict(attrs)
        self.ids |= {value for key in ("id", "name") if (value := has.get(key))}
        if tag == "a" and (to := has.get("href")):
            self.links.add(to)
        if tag in LOADED and (source := has.get(LOADED[tag])):
            self.loads.add(source)


@cache
def read(page: Path) -> Links:
    return Links(page)


@pytest.fixture(scope="module")
def pages() -> list[Path]:
    found = sorted(SITE.rglob("*.html"))
    assert found, "there is no site: run make docs first"
    return [page for page in found if "_static" not in page.parts]


def test_no_page_loads_anything_from_elsewhere(pages: list[Path]) -> None:
    assert len(pages) > 90
    for page in pages:
        foreign = [each for each in read(page).loads if urlsplit(each).netloc]
        assert not foreign, page
    for sheet in SITE.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert not FOREIGN.search(text), sheet


def test_every_page_has_the_mark(pages: list[Path]) -> None:
    for page in pages:
        icons = [each for each in read(page).loads if each.endswith("mark.svg")]
        assert len(icons) == 1, page


def test_every_link_within_the_site_leads_somewhere(pages: list[Path]) -> None:
    broken: list[str] = []
    for page in pages:
        for link in read(page).links | read(page).loads:
            to = urlsplit(link)
            if to.scheme or to.netloc:
                continue
            target = (page.parent / unquote(to.path)).resolve() if to.path else page
            anchor = unquote(to.fragment)
            whole = target.is_file() and (
                not anchor or target.suffix != ".html" or anchor in read(target).ids
            )
            broken += [] if whole else [f"{page.relative_to(SITE)}: {link}"]
    assert broken == []


def test_every_public_name_and_method_is_on_a_page() -> None:
    raw = (SITE / "objects.inv").read_bytes().split(b"\n", 4)[4]
    listed = {line.split(" ")[0] for line in zlib.decompress(raw).decode().split("\n")}
    there = {id(import_path(path)) for path in listed if is_importable(path)}
    for room, name in public_names():
        value = import_path(f"{room}.{name}")
        if not (inspect.isclass(value) or inspect.isroutine(value)):
            continue  # a fixed value is a heading: tests/house/test_reference.py
        assert id(value) in there, f"{room}.{name}"
        paths = [path for path in listed if path.endswith(f".{name}")]
        for own, _ in methods(name, value):
            method = own.rpartition(".")[2]
            assert any(f"{path}.{method}" in listed for path in paths), own


def is_importable(path: str) -> bool:
    try:
        import_path(path)
    except (ImportError, AttributeError, ValueError):
        return False
    return True


def test_a_notebook_shows_its_pictures_and_its_tools(pages: list[Path]) -> None:
    shown = [page for page in pages if "explore" in page.parts]
    assert len(shown) == 8
    text = (SITE / "notebooks/explore/05_what_if.html").read_text()
    assert 'class="hks"' in text, "what the tool showed first"
    assert "NBVAL" not in "".join(page.read_text() for page in shown)
    with_pictures = [page for page in shown if "_images/" in page.read_text()]
    assert len(with_pictures) >= 5


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_site_is_readable_at_every_width(
    browser: Browser, axe: Any, theme: Any
) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page = browser.new_page(color_scheme=theme)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    try:
        for name in ("index", "start/researcher", "api/index", "api/summarize"):
            page.goto((SITE / f"{name}.html").as_uri())
            for width in (1440, 700):
                page.set_viewport_size({"width": width, "height": 1000})
                assert page.evaluate("document.documentElement.scrollWidth") == width
                shot = f"site_{Path(name).name}_{width}_{theme}.png"
                page.screenshot(path=SHOTS / shot)
            page.wait_for_function(REACHED)  # it follows the width a little later
            assert axe(page, "article") == []
    finally:
        page.close()
    assert {urlsplit(url).scheme for url in asked} <= {"file", "data"}


def test_what_is_typed_is_found(browser: Browser) -> None:
    page = browser.new_page()
    try:
        page.goto(f"{(SITE / 'search.html').as_uri()}?q=pledge_plan")
        found = page.locator("#search-results a", has_text="hk.pledge_plan")
        found.first.click()
        assert page.url.split("#")[0].endswith("api/pledge_plan.html")
    finally:
        page.close()
