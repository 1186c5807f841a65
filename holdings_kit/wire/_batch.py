"""Collect parsed documents as text; hand whole columns to `read_parts`.

A decoder adds each document's facts, rows, baskets and remarks here. Nothing is
interpreted yet: every value is text, so nothing can be rounded or lost on the way.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import polars as pl

from holdings_kit.schema import REJECTS
from holdings_kit.wire._assemble import BASKET, DOCUMENT, Parts, read_parts
from holdings_kit.wire._keyed import FAULT, LISTING, Facts, finish
from holdings_kit.wire._parse import Json, as_text, dump
from holdings_kit.wire._rows import (
    NOTICE,
    Table,
    find_undeclared,
    is_object,
    pick_scalars,
    text_frame,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from holdings_kit.schema import Loaded

__all__ = ["Batch"]

_Row = dict[str, object]


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
        self._holding_no = 0
        self.doc = 0
        """Number of the document that is added next, or was last; they ascend."""

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
        if not is_object(row):
            self.fault(f"{pointer}: {as_text(row)[:40]} is no object", row)
            return
        texts, faults = pick_scalars(row, table.fields)
        if faults:
            self.fault(f"{pointer}: {'; '.join(faults)}", row)
            return
        self.unknown(row, table.known, pointer, inside=table.fields)
        places = [dict(place) for place in listings]
        self._tables[table.name] = table
        key = self._key | {"holding_no": number}
        twin = dump([texts, places]).decode()
        self._rows[table.name].append(
            {**key, "pointer": pointer, "twin": twin, **texts}
        )
        self._listings.extend({**key, **place} for place in places)

    def listing(
        self, entry: Json, fields: Mapping[str, tuple[str, ...]], pointer: str
    ) -> dict[str, str | None]:
        """Read one listing object; what is no text is a fault of its holding."""
        if not is_object(entry):
            self.fault(f"{pointer}: {as_text(entry)[:40]} is no object", entry)
            return {}
        texts, faults = pick_scalars(entry, fields)
        if faults:
            self.fault(f"{pointer}: {'; '.join(faults)}", entry)
        self.unknown(entry, frozenset(path[0] for path in fields.values()), pointer)
        return {column: text or None for column, text in texts.items()}

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
        return pl.DataFrame(self._rejects, schema=REJECTS)

    def facts(self) -> Facts:
        """Read all numbers at once."""
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
                notices=pl.DataFrame(self._notices, schema=NOTICE),
                faults=pl.DataFrame(self._faults, schema=FAULT),
            )
        )

    @property
    def _key(self) -> dict[str, object]:
        return {"doc": self.doc}
