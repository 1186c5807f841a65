"""The pages without a browser: escaped, labelled, and only at their step."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from holdings_kit.sandbox import _render as pages
from holdings_kit.sandbox._personas import BROKERS, list_personas

EVIL = "\"><script>alert(1)</script><b x='"
VOID = {"meta", "link", "input", "br"}


class Outline(HTMLParser):
    """Tags with their attributes, and whether each is closed in its turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


def every_page(text: str) -> dict[str, str]:
    who = replace(
        list_personas(0)[0],
        key=text,
        name=text,
        broker=text,
        account_id=text,
        story=text,
    )
    return {
        "welcome": pages.render_welcome(text, [who]),
        "chooser": pages.render_chooser(text, {text: text}),
        "login": pages.render_login(text, text, [who], problem=text),
        "consent": pages.render_consent(text, text, text, who, funds=True),
        "done": pages.render_done(processing=False),
        "processing": pages.render_done(processing=True),
        "failed": pages.render_failed(text, 1, text),
    }


@pytest.mark.parametrize("name", every_page("x"))
def test_a_page_shows_text_and_never_markup(name: str) -> None:
    page, plain = every_page(EVIL)[name], every_page("x")[name]
    assert "<script>alert" not in page
    assert [tag for tag, _ in Outline(page).tags] == [t for t, _ in Outline(plain).tags]


@pytest.mark.parametrize("name", every_page("x"))
def test_a_page_has_its_landmarks_labels_and_no_foreign_asset(name: str) -> None:
    found = Outline(every_page("x")[name])
    assert found.all("html")[0]["lang"] == "en-IN"
    assert [len(found.all(tag)) for tag in ("title", "main", "h1", "header")] == [1] * 4
    labels = {one["for"] for one in found.all("label")}
    fields = found.all("input") + found.all("select")
    assert {one["id"] for one in fields} == labels
    sources = [
        a for _, attrs in found.tags for a in (attrs.get("src"), attrs.get("href"))
    ]
    assert all(source.startswith(("/", "data:")) for source in sources if source)
    assert not any(
        name for _, attrs in found.tags for name in attrs if name[:2] == "on"
    )
    assert "style" not in {name for _, attrs in found.tags for name in attrs}


def test_the_user_walks_the_pages_in_order(caller: Any) -> None:
    opened = caller.open()
    http, path = caller.http, f"/connect/{opened}"
    first = http.get(path)
    assert all(name in first.text for name in BROKERS.values())
    assert "frame-ancestors" in first.headers["content-security-policy"]
    assert first.headers["cache-control"] == "no-store"
    early = http.get(f"{path}/consent")
    assert early.headers["location"] == f"{path}/login"
    steps = [
        ("choose", {"broker": "kite"}),
        ("login", {"persona": "asha", "pin": "1234"}),
        ("consent", {}),
    ]
    places = [
        http.post(f"{path}/{name}", data=form).headers["location"]
        for name, form in steps
    ]
    assert places == [f"{path}/login", f"{path}/consent", f"{path}/done"]
    assert "Your holdings are imported" in http.get(f"{path}/done").text


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"persona": "asha", "pin": "0000"}, "PIN is wrong"),
        ({"persona": "bela", "pin": "1234"}, "another broker"),
        ({"persona": "nobody", "pin": "1234"}, "Choose one"),
    ],
)
def test_a_wrong_login_may_be_tried_again(
    caller: Any, form: dict[str, str], words: str
) -> None:
    opened = caller.open()
    caller.http.post(f"/connect/{opened}/choose", data={"broker": "kite"})
    reply = caller.http.post(f"/connect/{opened}/login", data=form)
    assert (reply.status_code, words in reply.text) == (422, True)
    assert caller.details(opened)["status"] == "INITIALIZED"


def test_a_dead_import_shows_the_error_page(caller: Any) -> None:
    assert "There is no such import" in caller.http.get("/connect/TRX_0").text
    opened = caller.open()
    caller.sb.advance(minutes=5)
    page = caller.http.get(f"/connect/{opened}").text
    assert "older than five minutes" in page
    late = caller.http.post(f"/connect/{opened}/choose", data={"broker": "kite"})
    assert late.status_code == 409


def test_an_unknown_step_is_no_page(caller: Any) -> None:
    reply = caller.http.post(f"/connect/{caller.open()}/steal")
    assert reply.status_code == 404


def test_every_page_brings_its_mark_and_may_show_it() -> None:
    for page in every_page("who").values():
        icons = [link for link in Outline(page).all("link") if link["rel"] == "icon"]
        assert len(icons) == 1
        assert str(icons[0]["href"]).startswith("data:image/svg+xml,")
    assert "img-src data:;" in pages.PAGE_HEADERS["Content-Security-Policy"]
