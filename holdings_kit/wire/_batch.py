"""Collect documents of the strict reader, and every remark on them with its place.

A decoder gives each document the members of its format's struct schema, every value as
text; nothing is interpreted yet, so nothing can be rounded or lost on the way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from holdings_kit.schema import REJECTS, empty
from holdings_kit.wire._facts import BASKET, DOCUMENT, PLACE, Shape
from holdings_kit.wire._keyed import FAULT, HELD, LISTING, Facts, finish
from holdings_kit.wire._parse import Json, as_text, dump, follow_pointer
from holdings_kit.wire._rows import (
    NOTICE,
    find_undeclared,
    is_object,
    pick_scalars,
    stack_frames,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdings_kit.schema import Loaded

_Row = dict[str, object]


class Batch:
    """Documents of one format, and what is remarked on or set aside of them."""

    def __init__(self) -> None:
        self._documents: list[_Row] = []
        self._shape: Shape | None = None
        self._payloads: dict[int, Json] = {}
        self._notices: list[_Row] = []
        self._faults: list[_Row] = []
        self._rejects: list[_Row] = []
        self.doc = 0
        """Number of the document that is added next, or was last; they ascend."""

    def add(self, shape: Shape, payload: Json, document: Mapping[str, object]) -> None:
        """Add a document: the members of a shape, what they say as text.

        `payload` is what it was made from: what is set aside of it comes from there.
        """
        self._shape = shape
        self._payloads[self.doc] = payload
        self._documents.append({**document, "doc": self.doc})

    def pick(
        self,
        value: Json,
        fields: Mapping[str, tuple[str, ...]],
        known: frozenset[str],
        pointer: str,
        *,
        whole: bool = False,
    ) -> dict[str, str | None] | None:
        """Pick the declared fields of one object as text, and remark on the others.

        None where it is no object. What is no scalar is a fault; with `whole` the
        object is set aside for it, and None as well.
        """
        if not is_object(value):
            self.fault(f"{pointer}: {as_text(value)[:40]} is no object", value)
            return None
        texts, faults = pick_scalars(value, fields)
        if faults:
            self.fault(f"{pointer}: {'; '.join(faults)}", value)
            if whole:
                return None
        self.unknown(value, known, pointer, inside=fields)
        return texts

    def fault(self, reason: str, raw: Json, *, fatal: bool = True) -> None:
        """Set aside what cannot be read; fatal: the document is not whole without."""
        self._faults.append(
            {"doc": self.doc, "reason": reason, "raw": dump(raw), "fatal": fatal}
        )

    def reject(self, file: str, line_no: int | None, reason: str, raw: bytes) -> None:
        """Set aside a line that is no document at all."""
        self._rejects.append(
            {"file": file, "line_no": line_no, "reason": reason, "raw": raw}
        )

    def unknown(
        self,
        row: Mapping[str, Json],
        known: frozenset[str],
        pointer: str,
        *,
        inside: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        """Report every key that no published version of the format has.

        With the paths of `inside`, those of the objects inside the row too.
        """
        for key in row:
            if key not in known:
                self.notice("unknown_field", f"{pointer}/{key}", row[key])
        for path, value in find_undeclared(row, inside or {}):
            self.notice("unknown_field", f"{pointer}/{path}", value)

    def notice(self, kind: str, pointer: str, value: Json) -> None:
        """Remark on the open document; `value` is what the payload said."""
        self._notices.append(
            {"doc": self.doc, "kind": kind, "pointer": pointer, "value": as_text(value)}
        )

    def load(self, *, whole: bool = False) -> Loaded:
        """Read all numbers at once.

        Parameters
        ----------
        whole
            A document with an unreadable part is set aside whole (dump lines);
            otherwise its readable rows load and its snapshot is quarantined.
        """
        return finish(self.facts(), self.rejects(), whole=whole)

    def rejects(self) -> pl.DataFrame:
        """Give the lines that are no documents (`REJECTS`)."""
        return (
            pl.DataFrame(self._rejects, schema=REJECTS)
            if self._rejects
            else empty(REJECTS)
        )

    def facts(self) -> Facts:
        """Read all numbers at once."""
        notices = (
            pl.DataFrame(self._notices, schema=NOTICE)
            if self._notices
            else empty(NOTICE)
        )
        lost = (
            pl.DataFrame(self._faults, schema=FAULT) if self._faults else empty(FAULT)
        )
        if self._shape is None:
            documents, held, listed = empty(DOCUMENT), empty(HELD), empty(LISTING)
            return Facts(documents, held, listed, empty(BASKET), notices, lost)
        schema = {**PLACE, **self._shape.strict_schema}
        rows = pl.DataFrame(self._documents, schema=schema)
        facts = self._shape.interpret(rows).facts
        own = [self._add_bytes(facts.faults)] if facts.faults.height else []
        return facts._replace(
            notices=stack_frames([notices, facts.notices]),
            faults=stack_frames([lost, *own]),
        )

    def _add_bytes(self, faults: pl.DataFrame) -> pl.DataFrame:
        """Put the part of the payload that a fault points at beside it."""
        parts = [
            dump(follow_pointer(self._payloads[doc], pointer)) if raw is None else raw
            for doc, pointer, raw in faults.select("doc", "pointer", "raw").iter_rows()
        ]
        with_bytes = faults.with_columns(raw=pl.Series(parts, dtype=pl.Binary()))
        return with_bytes.select(FAULT.names())
