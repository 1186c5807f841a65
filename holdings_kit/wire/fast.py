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
    from collections.abc import Callable, Mapping, Sequence

    from holdings_kit.schema import Loaded
    from holdings_kit.wire.files import Line

__all__ = ["Found", "Shapes", "counted", "load"]


class Found(NamedTuple):
    """What one shape of line said, and which of the documents are in doubt."""

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
    facts
        From rows of a shape to facts. The rows have ``doc``, ``file``, ``line_no``.
    """

    guess: Callable[[bytes], str]
    schemas: Mapping[str, pl.Schema]
    facts: Callable[[str, pl.DataFrame], Found]


def load(lines: Sequence[Line], shapes: Shapes, add: Add) -> Loaded:
    """Read lines the fast way, the rest of them the exact way.

    The frames are those of `dumps.read`, snapshots in the order of the lines within
    each of the two ways.
    """
    places: dict[str, list[int]] = defaultdict(list)
    for place, line in enumerate(lines):
        places[shapes.guess(line.body)].append(place)
    found = [_found(lines, places[name], name, shapes) for name in sorted(places)]
    facts = _together([part.facts for part in found])
    doubtful = pl.concat([part.doubtful for part in found]).unique()
    facts = _without(facts, doubtful)
    taken = set(facts.documents["doc"])
    rest = [line for place, line in enumerate(lines) if place not in taken]
    parts = [finish(facts, whole=True)]
    return joined([*parts, read(rest, add)] if rest else parts)


def counted(
    rows: pl.DataFrame, items: pl.Expr, *, keep: Sequence[str] = ("doc",)
) -> pl.DataFrame:
    """Give one row per item of a list: ``item``, and ``no``, its place.

    An item that is null stays a row.
    """
    listed = rows.select(*keep, item=items).filter(pl.col("item").list.len() > 0)
    numbered = listed.with_columns(no=pl.int_ranges(pl.col("item").list.len()))
    return numbered.explode("item", "no")


def _found(
    lines: Sequence[Line], places: Sequence[int], name: str, shapes: Shapes
) -> Found:
    rows, kept = accepted([lines[place].body for place in places], shapes.schemas[name])
    docs = [places[place] for place in kept]
    stood = pl.DataFrame(
        {
            "doc": docs,
            "file": [lines[doc].file for doc in docs],
            "line_no": [lines[doc].line_no for doc in docs],
        },
        schema={"doc": pl.Int64(), "file": pl.String(), "line_no": pl.Int64()},
    )
    return shapes.facts(name, pl.concat([rows, stood], how="horizontal"))


def _together(parts: Sequence[Facts]) -> Facts:
    if len(parts) == 1:
        return parts[0]
    return Facts(
        *(
            pl.concat(same).sort("doc", maintain_order=True)
            for same in zip(*parts, strict=True)
        )
    )


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
