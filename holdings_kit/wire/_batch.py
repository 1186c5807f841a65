"""Collect parsed documents as text; hand whole columns to what reads them.

A decoder adds each document and its remarks here: Arrow's as one struct of the quick
reader's schema (`fit`), the Gateway's part by part. Nothing is interpreted yet: every
value is text, so nothing can be rounded or lost on the way.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import polars as pl

from holdings_kit.schema import REJECTS, empty
from holdings_kit.wire._assemble import BASKET, DOCUMENT, Parts, read_parts
from holdings_kit.wire._keyed import DOC, FAULT, LISTING, Facts, finish
from holdings_kit.wire._parse import Json, as_text, dump, follow_pointer
from holdings_kit.wire._rows import (
    NOTICE,
    Table,
    find_undeclared,
    is_object,
    pick_scalars,
    stack_frames,
    text_frame,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from holdings_kit.schema import Loaded

__all__ = ["DOCUMENT_PLACE", "READ_FAULT", "Batch", "Found", "Shape"]

_Row = dict[str, object]
DOCUMENT_PLACE: Final = pl.Schema(
    {
        **DOC,
        "file": pl.String(),
        "line_no": pl.Int64(),
        "raw": pl.Binary(),  # the line, where a fault sets it aside whole
    }
)
READ_FAULT: Final = pl.Schema({**FAULT, "pointer": pl.String()})
"""A fault that was found in a struct frame; without `raw` it is what `pointer` says."""


class Found(NamedTuple):
    """What documents said, and which of them the quick reader must not decide."""

    facts: Facts  # its faults are `READ_FAULT` here
    doubtful: pl.Series  # numbers of documents


class Shape(Protocol):
    """The struct frame of a format, and what is made of it."""

    @property
    def schema(self) -> pl.Schema:
        """What each document has beside `DOCUMENT_PLACE`."""
        ...

    def interpret(self, rows: pl.DataFrame, /) -> Found:
        """Make facts of documents, whichever reader they came from."""
        ...


class Batch:
    """Documents of one door, row by row as text."""

    def __init__(self) -> None:
        self._documents: list[_Row] = []
        self._tables: dict[str, Table] = {}
        self._rows: dict[str, list[_Row]] = defaultdict(list)
        self._listings: list[_Row] = []
        self._baskets: list[_Row] = []
        self._notices: list[_Row] = []
        self._faults: list[_Row] = []
        self._rejects: list[_Row] = []
        self._fitted: list[_Row] = []
        self._shape: Shape | None = None
        self._payloads: dict[int, Json] = {}
        self._holding_no = 0
        self.doc = 0
        """Number of the document that is added next, or was last; they ascend."""

    def fit(self, shape: Shape, payload: Json, document: Mapping[str, object]) -> None:
        """Add a document that has the members of a schema, and as text what they say.

        `payload` is what it was made from: what is set aside of it comes from there.
        """
        self._shape = shape
        self._payloads[self.doc] = payload
        self._fitted.append({**document, "doc": self.doc})

    def document(self, **facts: object) -> None:
        """Open a document; the rows that follow belong to it."""
        self._documents.append({**dict.fromkeys(DOCUMENT), **facts, "doc": self.doc})
        self._holding_no = 0

    def row(
        self,
        table: Table,
        row: Json,
        pointer: str,
        listings: Iterable[Mapping[str, str | None]] = (),
    ) -> None:
        """Add one holding to the open document, with the places it is listed at."""
        number, self._holding_no = self._holding_no, self._holding_no + 1
        texts = self.pick(row, table.fields, table.known, pointer, whole=True)
        if texts is None:
            return
        places = [dict(place) for place in listings]
        self._tables[table.name] = table
        key = self._key | {"holding_no": number}
        twin = dump([texts, places]).decode()
        self._rows[table.name].append(
            {**key, "pointer": pointer, "twin": twin, **texts}
        )
        self._listings.extend({**key, **place} for place in places)

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

    def basket(self, **facts: str | None) -> None:
        """Add one smallcase constituent, or a smallcase without any."""
        self._baskets.append({**self._key, **facts})

    def fault(self, reason: str, raw: Json, *, fatal: bool = True) -> None:
        """Set aside what cannot be read; fatal: the document is not whole without."""
        self._faults.append(
            {**self._key, "reason": reason, "raw": dump(raw), "fatal": fatal}
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
            {**self._key, "kind": kind, "pointer": pointer, "value": as_text(value)}
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
        remarks, lost = self._remarks()
        if self._shape is not None:
            schema = {**DOCUMENT_PLACE, **self._shape.schema}
            rows = pl.DataFrame(self._fitted, schema=schema)
            facts = self._shape.interpret(rows).facts
            own = [facts.faults] if facts.faults.height else []
            return facts._replace(
                notices=stack_frames([remarks, facts.notices]),
                faults=stack_frames([lost, *map(self._add_bytes, own)]),
            )
        rows = {
            name: text_frame(self._rows[name], list(table.fields))
            for name, table in self._tables.items()
        }
        return read_parts(
            Parts(
                documents=pl.DataFrame(self._documents, schema=DOCUMENT),
                tables=self._tables,
                rows=rows,
                listings=pl.DataFrame(self._listings, schema=LISTING),
                baskets=pl.DataFrame(self._baskets, schema=BASKET),
                notices=remarks,
                faults=lost,
            )
        )

    def _remarks(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        return (
            pl.DataFrame(self._notices, schema=NOTICE)
            if self._notices
            else empty(NOTICE),
            pl.DataFrame(self._faults, schema=FAULT) if self._faults else empty(FAULT),
        )

    def _add_bytes(self, faults: pl.DataFrame) -> pl.DataFrame:
        """Put the part of the payload that a fault points at beside it."""
        parts = [
            dump(follow_pointer(self._payloads[doc], pointer)) if raw is None else raw
            for doc, pointer, raw in faults.select("doc", "pointer", "raw").iter_rows()
        ]
        with_bytes = faults.with_columns(raw=pl.Series(parts, dtype=pl.Binary()))
        return with_bytes.select(FAULT.names())

    @property
    def _key(self) -> dict[str, object]:
        return {"doc": self.doc}
