"""The start page of `lab` and `app`: a valued book, its picture, doors to go on.

It is made as the report is, and loads nothing but itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from holdings_kit.display._html_report import describe_source, write_document
from holdings_kit.display._numbers import number_of
from holdings_kit.display._page import safe
from holdings_kit.display._report import figures
from holdings_kit.display._report_allocation import write_allocation
from holdings_kit.display._report_page import write_headline
from holdings_kit.display._report_points import find_points
from holdings_kit.portfolio import summarize

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from holdings_kit.schema import Loaded

_HIGH: Final = 210  # pixels of the picture: the doors stay on the first screen
_STYLE: Final = """
.card{padding:16px 20px}
.door{display:flex;flex-direction:column;gap:6px}
.door h2{font-size:18px}.door p{color:var(--hk-ink2);font-size:13px}
.go{display:flex;justify-content:space-between;gap:12px;margin-top:auto;
 padding:9px 14px;border-radius:8px;font-weight:600;
 background:var(--hk-accent);color:var(--hk-onaccent)}
.go:hover{text-decoration:none;filter:brightness(1.08)}
details{font-size:13px}summary{cursor:pointer;color:var(--hk-ink2);padding:2px 0}
footer a{text-decoration:underline}
.door li{padding:4px 0 0 14px}
.all ol{columns:2;column-gap:28px}
@container (max-width:760px){.all ol{columns:1}}
"""


class Room(NamedTuple):
    """A folder of notebooks, and what one does there."""

    folder: str
    title: str
    about: str
    noun: str = "notebook"


ROOMS: Final = (
    Room(
        "explore",
        "Explore",
        "What is held, what it is worth, what changed and why: by clicking.",
    ),
    Room(
        "research",
        "Research",
        "Take a published haircut apart, build one, test it, plan a pledge.",
    ),
    Room(
        "training",
        "Learn",
        "Connect a service to the two APIs, with a sandbox and a grader.",
        "lesson",
    ),
)


def write_start_page(
    book: Loaded,
    notebooks: Path,
    link: Callable[[str, str], str],
    footer: str,
    *,
    rooms: Sequence[Room] = ROOMS,
) -> str:
    """Write the page: what the book is worth, what it is made of, a door a room.

    Parameters
    ----------
    book
        One account, imported; valued at the prices it came with.
    notebooks
        Where the rooms are.
    link
        Gives the address of a notebook, from its room and its file's name.
    footer
        HTML below all.
    rooms
        Which doors; a single one lists its notebooks openly.
    """
    made = figures(book)
    total = summarize(made.positions).row(0, named=True)
    totals = summarize(made.by_account, by="account_id")
    points = find_points(book, made.positions, made.collateral, total, totals, on=None)
    alone = len(rooms) == 1
    body = [
        write_headline(total, made.positions, points, None, listed=False),
        write_allocation(made.positions, high=_HIGH),
        *(_write_door(room, notebooks, link, alone=alone) for room in rooms),
    ]
    return write_document(
        "A book, imported and valued",
        f"{describe_source(book)} · an invented person at a simulated broker",
        "\n".join(body),
        footer,
        style=_STYLE,
    )


def _write_door(
    room: Room, notebooks: Path, link: Callable[[str, str], str], *, alone: bool
) -> str:
    """Write a room as a card: the first notebook to open, the others to choose."""
    paths = sorted((notebooks / room.folder).glob("[0-9]*.ipynb"))
    links = [
        f'href="{safe(link(room.folder, path.name))}">{safe(_read_title(path))}'
        for path in paths
    ]
    if not links:
        return ""
    listed = f"<ol>{''.join(f'<li><a {each}</a></li>' for each in links)}</ol>"
    first = ""
    if not alone:
        arrow = '<span aria-hidden="true">→</span>'
        first = f'<a class="go" {links[0]} {arrow}</a>'
        count = number_of(len(links), room.noun)
        listed = f"<details><summary>All {count}</summary>{listed}</details>"
    return (
        f'<section class="card {"c12 all" if alone else "c4"} door">'
        f"<h2>{safe(room.title)}</h2><p>{safe(room.about)}</p>{first}{listed}</section>"
    )


def _read_title(path: Path) -> str:
    """Read a notebook's first heading; its file name where it has none."""
    heading = re.search(r'"# ([^"\\]+)', path.read_text(encoding="utf-8"))
    return heading.group(1) if heading else path.stem
