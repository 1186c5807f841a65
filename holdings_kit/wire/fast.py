"""Dump lines to frames, quickly: Arrow's JSON reader on what it surely reads alike.

The rule: this way takes a line only where the exact way (`dumps.read`) would make the
same rows of it, and remark on nothing but prices of 0. All else (what Arrow refuses, a
field no format has, a fifth decimal place, a row twice, …) is left to the exact way.
So the fast way decides how long a line takes, never what it says.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from holdings_kit.wire.arrow_json import accepted
from holdings_kit.wire.dumps import Add, joined, read
from holdings_kit.wire.keyed import Facts, finish

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from holdings_kit.schema import Loaded
    from holdings_kit.wire.files import Line

__all__ = ["Found", "Shapes", "counted", "load", "stacked"]


class Found(NamedTuple):
    """What the rows of one form said, and which of the documents are in doubt."""

    facts: Facts
    doubtful: pl.Series  # numbers of documents


class Shapes(NamedTuple):
    """The shapes that the lines of one kind of dump come in.

    Attributes
    ----------
    guess
        From the bytes of a line to the name of its likely shape; a wrong guess costs
        time, nothing else.
    schemas
        Name of a shape → what Arrow must find, field by field.
    numbers
        Fields of text that are known to come as bare numbers too.
    common
        From the name and the rows of a shape to the name and the rows of the form it
        shares with others: what is read together costs less.
    facts
        From the name and the rows of a form to facts. The rows have ``doc``, ascending
        without gaps, ``file`` and ``line_no``.
    """

    guess: Callable[[bytes], str]
    schemas: Mapping[str, pl.Schema]
    numbers: Collection[str]
    common: Callable[[str, pl.DataFrame], tuple[str, pl.DataFrame]]
    facts: Callable[[str, pl.DataFrame], Found]


def load(lines: Sequence[Line], shapes: Shapes, add: Add) -> Loaded:
    """Read lines the fast way, the rest of them the exact way.

    The frames are those of `dumps.read`, snapshots in the order of the lines within
    each shape and each of the two ways.
    """
    rows, places = _rows(lines, shapes)
    found = [shapes.facts(form, rows[form]) for form in rows]
    facts = Facts(
        *(stacked(same) for same in zip(*(part.facts for part in found), strict=True))
    )
    doubtful = pl.concat([part.doubtful for part in found]).unique()
    facts = _without(facts, doubtful)
    docs: list[int] = facts.documents["doc"].to_list()
    taken = {places[doc] for doc in docs}
    rest = [line for place, line in enumerate(lines) if place not in taken]
    parts = [finish(facts, whole=True)]
    return joined([*parts, read(rest, add)] if rest else parts)


def stacked(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Put frames of one schema together; where only one has rows, it is not copied."""
    filled = [frame for frame in frames if not frame.is_empty()]
    return pl.concat(filled) if len(filled) > 1 else (filled or frames)[0]


def counted(
    rows: pl.DataFrame, items: pl.Expr, *, keep: Sequence[str] = ("doc",)
) -> pl.DataFrame:
    """Give one row per item of a list: ``item``, and ``no``, its place.

    An item that is null stays a row.
    """
    listed = rows.select(*keep, item=items, no=pl.int_ranges(items.list.len()))
    return listed.explode("item", "no", empty_as_null=False, keep_nulls=False)


def _rows(
    lines: Sequence[Line], shapes: Shapes
) -> tuple[dict[str, pl.DataFrame], list[int]]:
    """Read what Arrow reads: rows of each form, and the line of each document."""
    guessed: dict[str, list[int]] = defaultdict(list)
    for place, line in enumerate(lines):
        guessed[shapes.guess(line.body)].append(place)
    forms: dict[str, list[pl.DataFrame]] = defaultdict(list)
    taken: dict[str, list[int]] = defaultdict(list)
    for name in sorted(guessed):
        bodies = [lines[place].body for place in guessed[name]]
        read_rows, kept = accepted(bodies, shapes.schemas[name], shapes.numbers)
        form, rows = shapes.common(name, read_rows)
        forms[form].append(rows)
        taken[form] += [guessed[name][place] for place in kept]
    docs: list[int] = []
    found: dict[str, pl.DataFrame] = {}
    for form, parts in forms.items():
        stood = pl.DataFrame(
            {
                "doc": range(len(docs), len(docs) + len(taken[form])),
                "file": [lines[place].file for place in taken[form]],
                "line_no": [lines[place].line_no for place in taken[form]],
            },
            schema={"doc": pl.Int64(), "file": pl.String(), "line_no": pl.Int64()},
        )
        found[form] = pl.concat([stacked(parts), stood], how="horizontal")
        docs += taken[form]
    return found, docs


def _without(facts: Facts, doubtful: pl.Series) -> Facts:
    if doubtful.is_empty():
        return facts
    broken = doubtful.to_frame("doc")
    return Facts(
        *(
            frame.join(broken, on="doc", how="anti", maintain_order="left")
            for frame in facts
        )
    )
