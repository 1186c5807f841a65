"""Dump lines to frames, quickly: Arrow's JSON reader on what it surely reads alike.

The rule: this way takes a line only where the exact way (`dumps.read`) would make the
same rows of it, and remark on nothing but prices of 0. All else (what Arrow refuses, a
field no format has, a fifth decimal place, a row twice, …) is left to the exact way.
So the fast way decides how long a line takes, never what it says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from holdings_kit.schema import REJECTS, empty
from holdings_kit.wire import _dumps as dumps
from holdings_kit.wire._batch import Batch
from holdings_kit.wire._keyed import Facts, finish, merge_facts
from holdings_kit.wire._members import report_members
from holdings_kit.wire._quick_lines import is_available, read_accepted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from holdings_kit.schema import Loaded
    from holdings_kit.wire._dumps import Add
    from holdings_kit.wire._lines import Text
    from holdings_kit.wire._quick_lines import TwoShapes

__all__ = ["Found", "Shapes", "explode_items", "load", "stack_frames"]


class Found(NamedTuple):
    """What the rows of one form said, and which of the documents are in doubt."""

    facts: Facts
    doubtful: pl.Series  # numbers of documents


class Shapes(NamedTuple):
    """The shapes that the lines of one kind of dump come in.

    Attributes
    ----------
    schema
        What Arrow must find, field by field.
    two_shapes
        Its fields that come in two shapes.
    numbers
        Fields of text that are known to come as bare numbers too.
    forms
        From rows to the rows of each form that they come in, with its name.
    facts
        From the name and the rows of a form to facts. The rows have ``doc``, ascending,
        ``file`` and ``line_no``.
    """

    schema: pl.Schema
    two_shapes: Sequence[TwoShapes]
    numbers: Collection[str]
    forms: Callable[[pl.DataFrame], Sequence[tuple[str, pl.DataFrame]]]
    facts: Callable[[str, pl.DataFrame], Found]


def load(text: Text, shapes: Shapes, add: Add) -> Loaded:
    """Read lines the fast way, the rest of them the exact way.

    The frames are those of `dumps.read`, in the order of the lines.
    """
    parts, rejects = [], [empty(REJECTS)]
    taken: set[int] = set()
    if is_available():
        parts = [_read_quickly(text, shapes)]
        taken = set(parts[0].documents["line_no"])
    if len(taken) < text.height:
        rest = text.lines(but=taken)
        more, rejects = dumps.read_facts(rest, add) if rest else ([], rejects)
        parts += more
    facts = merge_facts(parts or [Batch().facts()])
    return finish(facts, pl.concat(rejects), whole=True)


def _read_quickly(text: Text, shapes: Shapes) -> Facts:
    """Read what is surely read alike; the number of a document is that of its line."""
    read_rows, places, members = read_accepted(
        text.body, shapes.schema, two_shapes=shapes.two_shapes, numbers=shapes.numbers
    )
    numbers = pl.Series(places, dtype=pl.Int64()) + text.first_line
    rows = read_rows.with_columns(file=pl.lit(text.file), line_no=numbers, doc=numbers)
    remarks = report_members(rows, members)
    inside = {path[0]: shapes.schema[path[0]] for path in members if len(path) > 1}
    rows = rows.with_columns(pl.col(name).cast(kind) for name, kind in inside.items())
    found = [shapes.facts(form, part) for form, part in shapes.forms(rows)]
    facts = merge_facts([part.facts for part in found])
    if members:
        notices = pl.concat([remarks, facts.notices]).sort("doc", maintain_order=True)
        facts = facts._replace(notices=notices)
    return _drop_documents(facts, pl.concat([part.doubtful for part in found]))


def stack_frames(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Put frames of one schema together; where only one has rows, it is not copied."""
    filled = [frame for frame in frames if not frame.is_empty()]
    return pl.concat(filled) if len(filled) > 1 else (filled or frames)[0]


def explode_items(
    rows: pl.DataFrame, items: pl.Expr, *, keep: Sequence[str] = ("doc",)
) -> pl.DataFrame:
    """Give one row per item of a list: ``item``, and ``no``, its place.

    An item that is null stays a row.
    """
    listed = rows.select(*keep, item=items, no=pl.int_ranges(items.list.len()))
    return listed.explode("item", "no", empty_as_null=False, keep_nulls=False)


def _drop_documents(facts: Facts, doubtful: pl.Series) -> Facts:
    if doubtful.is_empty():
        return facts
    broken = doubtful.to_frame("doc")
    return Facts(
        *(
            frame.join(broken, on="doc", how="anti", maintain_order="left")
            for frame in facts
        )
    )
