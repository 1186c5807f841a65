"""Dump lines to frames, quickly: Arrow's JSON reader on what it surely reads alike.

The rule: this way takes a line only where the exact way (`dumps.read`) would make the
same rows of it, and remark on nothing but prices of 0. All else (what Arrow refuses, a
field no format has, a fifth decimal place, a row twice, …) is left to the exact way.
So the fast way decides how long a line takes, never what it says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import polars as pl

from holdings_kit.schema import REJECTS, empty
from holdings_kit.wire import _dumps as dumps
from holdings_kit.wire._batch import Batch
from holdings_kit.wire._facts import Shape
from holdings_kit.wire._keyed import FAULT, Facts, finish, merge_facts
from holdings_kit.wire._members import report_members
from holdings_kit.wire._quick_lines import is_available, read_accepted

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from holdings_kit.schema import Loaded
    from holdings_kit.wire._dumps import Add
    from holdings_kit.wire._lines import Text
    from holdings_kit.wire._quick_lines import TwoShapes


class QuickShape(Shape, Protocol):
    """A format's struct frame, and what Arrow's reader must know of its lines."""

    @property
    def schema(self) -> pl.Schema:
        """What Arrow must find, field by field."""
        ...

    @property
    def two_shapes(self) -> Sequence[TwoShapes]:
        """Fields that come in two shapes."""
        ...

    @property
    def numbers(self) -> Collection[str]:
        """Fields of text that are known to come as bare numbers too."""
        ...


def load(text: Text, shape: QuickShape, add: Add) -> Loaded:
    """Read lines the fast way, the rest of them the exact way.

    The frames are those of `dumps.read`, in the order of the lines.
    """
    parts, rejects = [], [empty(REJECTS)]
    taken: set[int] = set()
    if text.body.isspace():
        return Batch().load(whole=True)
    if is_available():
        parts = [_read_quickly(text, shape)]
        taken = set(parts[0].documents["line_no"])
    if len(taken) < text.height:
        rest = text.lines(but=taken)
        more, rejects = (
            dumps.read_facts(rest, add, first_line=text.first_line)
            if rest
            else ([], rejects)
        )
        parts += more
    facts = merge_facts(parts or [Batch().facts()])
    return finish(facts, pl.concat(rejects), whole=True)


def _read_quickly(text: Text, shape: QuickShape) -> Facts:
    """Read what is surely read alike; documents are numbered by their lines."""
    read_rows, places, members = read_accepted(
        text.body, shape.schema, two_shapes=shape.two_shapes, numbers=shape.numbers
    )
    numbers = pl.Series(places, dtype=pl.Int64()) + text.first_line
    rows = read_rows.with_columns(
        file=pl.lit(text.file),
        line_no=numbers,
        doc=pl.Series(places, dtype=pl.Int64()) * dumps.PLACES,
        raw=pl.lit(None, pl.Binary()),
    )
    remarks = report_members(rows, members)
    inside = {path[0]: shape.schema[path[0]] for path in members if len(path) > 1}
    rows = rows.with_columns(pl.col(name).cast(kind) for name, kind in inside.items())
    found = shape.interpret(rows)
    facts = found.facts._replace(faults=empty(FAULT))  # those are in doubt
    if members:
        notices = pl.concat([remarks, facts.notices]).sort("doc", maintain_order=True)
        facts = facts._replace(notices=notices)
    return _drop_documents(facts, found.doubtful)


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
