"""Files of the Indian exchanges: told apart by their shape, and cut into cells.

No file is believed by its name. A header, or for files without one the first record,
says what a file is; lines that do not fit are set aside one by one. The formats are
those of the exchanges' download pages; ``docs/market.md`` lists the names of the files
and the dates on which a format changed.
"""

from __future__ import annotations

import csv
import re
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl

from holdings_kit.errors import WireError
from holdings_kit.schema import REJECTS
from holdings_kit.wire._parse import Json, as_text, dump, parse
from holdings_kit.wire._rows import is_list, is_object

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class Document(NamedTuple):
    """One file, unpacked: where it is, and its bytes."""

    file: str
    body: bytes


class Shape(NamedTuple):
    """What a file is.

    Attributes
    ----------
    kind
        One of `KINDS`.
    head
        The line of column names as it stands in the file; empty where there is none.
    skip
        Lines before the first row of data.
    """

    kind: str
    head: str = ""
    skip: int = 0


class Cells(NamedTuple):
    """Rows of text of several files of one shape.

    Attributes
    ----------
    rows
        Our column names, all text, null where blank; `doc` counts the documents from
        0 and `line_no` the lines of each from 1.
    rejects
        Lines that are no rows of the shape (`REJECTS`).
    notices
        Remarks on lines that were read (`FILE_NOTICES`).
    """

    rows: pl.DataFrame
    rejects: pl.DataFrame
    notices: pl.DataFrame


FILE_NOTICES: Final = pl.Schema(
    {
        "file": pl.String(),
        "line_no": pl.Int64(),
        "kind": pl.String(),  # not_utf8 | no_close | other_subject | no_isin | …
        "value": pl.String(),
    }
)


class _Format(NamedTuple):
    """Columns of a kind: our name → the names it has had; and which are needed."""

    columns: Mapping[str, tuple[str, ...]]
    needed: tuple[str, ...]
    separator: str = ","


_ISIN: Final = ("ISIN", "ISINNUMBER", "ISINCODE", "ISINNO")
_OHLC: Final = {
    "open_price": ("OPEN", "OPENPRICE"),
    "high_price": ("HIGH", "HIGHPRICE"),
    "low_price": ("LOW", "LOWPRICE"),
    "last_price": ("LAST", "LASTPRICE"),
    "close_price": ("CLOSE", "CLOSEPRICE"),
    "previous_close_price": ("PREVCLOSE",),
}

# Names are compared in capitals without blanks and signs. First match wins.
_FORMATS: Final[dict[str, _Format]] = {
    "udiff": _Format(  # NSE and BSE, from 8 July 2024
        {
            "date": ("TRADDT",),
            "segment": ("SGMT",),
            "exchange": ("SRC",),
            "token": ("FININSTRMID",),
            "isin": ("ISIN",),
            "symbol": ("TCKRSYMB",),
            "series": ("SCTYSRS",),
            "name": ("FININSTRMNM",),
            "open_price": ("OPNPRIC",),
            "high_price": ("HGHPRIC",),
            "low_price": ("LWPRIC",),
            "last_price": ("LASTPRIC",),
            "close_price": ("CLSPRIC",),
            "previous_close_price": ("PRVSCLSGPRIC",),
            "traded_quantity": ("TTLTRADGVOL",),
            "traded_value": ("TTLTRFVAL",),
        },
        ("date", "segment", "exchange", "token", "isin", "symbol", "close_price"),
    ),
    "sec_bhavdata": _Format(  # NSE, with deliveries; no ISIN
        {
            "symbol": ("SYMBOL",),
            "series": ("SERIES",),
            "date": ("DATE1",),
            **_OHLC,
            "traded_quantity": ("TTLTRDQNTY",),
            "traded_lakhs": ("TURNOVERLACS",),
        },
        ("symbol", "series", "date", "close_price"),
    ),
    "cm_bhav": _Format(  # NSE, until 5 July 2024; no ISIN in the oldest
        {
            "symbol": ("SYMBOL",),
            "series": ("SERIES",),
            "isin": _ISIN,
            "date": ("TIMESTAMP",),
            **_OHLC,
            "traded_quantity": ("TOTTRDQTY",),
            "traded_value": ("TOTTRDVAL",),
        },
        ("symbol", "series", "date", "close_price"),
    ),
    "bse_eq": _Format(  # BSE, until July 2024; most name no date and no ISIN
        {
            "token": ("SCCODE",),
            "name": ("SCNAME",),
            "series": ("SCGROUP",),
            "isin": _ISIN,
            "date": ("TRADINGDATE",),
            **_OHLC,
            "traded_quantity": ("NOOFSHRS",),
            "traded_value": ("NETTURNOV",),
        },
        ("token", "name", "close_price"),
    ),
    "nav": _Format(  # AMFI; Plan and Option are columns since 2026
        {
            "token": ("SCHEMECODE",),
            "isin": ("ISINDIVPAYOUTISINGROWTH",),
            "isin_reinvestment": ("ISINDIVREINVESTMENT",),
            "name": ("SCHEMENAME",),
            "close_price": ("NETASSETVALUE",),
            "date": ("DATE",),
        },
        ("token", "isin", "name", "close_price", "date"),
        ";",
    ),
    "cmvolt": _Format(  # the formula stands in the header, so names are beginnings
        {
            "date": ("DATE",),
            "symbol": ("SYMBOL",),
            "close_price": ("UNDERLYINGCLOSEPRICE*",),
            "previous_close_price": ("UNDERLYINGPREVIOUSDAYCLOSEPRICE*",),
            "log_return": ("UNDERLYINGLOGRETURN*",),
            "previous_volatility": ("PREVIOUSDAYUNDERLYINGVOLATILITY*",),
            "volatility": (
                "CURRENTDAYUNDERLYINGDAILYVOLATILITY*",
                "CURRENTDAYUNDERLYINGVOLATILITY*",
            ),
        },
        ("date", "symbol", "previous_volatility", "volatility"),
    ),
    "arrow_instruments": _Format(
        {
            "exchange": ("EXCHANGE",),
            "token": ("TOKEN",),
            "symbol": ("SYMBOL",),
            "trading_symbol": ("TRADINGSYMBOL",),
            "name": ("FULLNAME",),
            "isin": ("ISIN",),
        },
        ("exchange", "token", "symbol", "trading_symbol", "name", "isin"),
    ),
    "corporate_actions": _Format(
        {
            "symbol": ("SYMBOL",),
            "token": ("SECURITYCODE",),
            "name": ("COMPANYNAME", "SECURITYNAME", "COMP"),
            "series": ("SERIES",),
            "subject": ("SUBJECT", "PURPOSE"),
            "face_value": ("FACEVALUE", "FACEVAL"),
            "date": ("EXDATE",),
            "isin": _ISIN,
        },
        ("subject", "date"),
    ),
    "equity_list": _Format(  # EQUITY_L, SME_EQUITY_L and the list of ETFs
        {
            "symbol": ("SYMBOL",),
            "name": ("NAMEOFCOMPANY", "SECURITYNAME"),
            "series": ("SERIES",),
            "isin": _ISIN,
        },
        ("symbol", "name", "isin"),
    ),
    "constituents": _Format(
        {
            "name": ("COMPANYNAME",),
            "industry": ("INDUSTRY",),
            "symbol": ("SYMBOL",),
            "series": ("SERIES",),
            "isin": _ISIN,
        },
        ("name", "symbol", "isin"),
    ),
    "symbol_changes": _Format(  # some copies have a header
        {
            "name": ("SMNAME", "COMPANY", "COMPANYNAME", "NAME"),
            "symbol": ("SMKEYSYMBOL", "OLDSYMBOL"),
            "new_symbol": ("SMNEWSYMBOL", "NEWSYMBOL"),
            "date": ("SMAPPLICABLEFROM", "DATE", "EFFECTIVEDATE", "APPLICABLEFROM"),
        },
        ("symbol", "new_symbol", "date"),
    ),
}
_DAY: Final = r"\s*\d{1,2}-[A-Za-z]{3}-\d{4}\s*"
_NUMBER: Final = r"\s*\d+(?:\.\d+)?\s*"
_MARGIN: Final = (
    "security_var",
    "index_var",
    "var_margin",
    "elm",
    "adhoc",
    "haircut",
)

# Files without a header: what a record looks like, and its columns by place.
_RECORDS: Final[dict[str, tuple[re.Pattern[str], tuple[str, ...]]]] = {
    "var_margins": (
        re.compile(r"\s*(10\s*,\s*\d{8}\s*,[\d. ]*,|20\s*,([^,]*,){8}[^,]*$)"),
        ("record", "symbol", "series", "isin", *_MARGIN),
    ),
    "groups": (
        re.compile(r"\s*\d{1,2}\s*,\s*[A-Za-z]{3}[\s,-]*\d{4}\b"),
        ("record", "symbol", "series", "isin", "group", "impact_cost"),
    ),
    "collateral_list": (
        re.compile(rf"\s*\d+\s*,[^,]+,\s*[A-Z0-9]{{12}}\s*,{_NUMBER},{_NUMBER}$"),
        ("record", "symbol", "isin", "valuation_price", "haircut"),
    ),
    "symbol_changes": (
        re.compile(rf"[^,]*(?:,[^,]+){{2}},{_DAY}$"),
        ("name", "symbol", "new_symbol", "date"),
    ),
}
KINDS: Final = (*_FORMATS, "var_margins", "groups", "collateral_list")
"""Every kind of file that `recognize` knows."""

_ACTION_KEYS: Final = {
    "symbol": "symbol",
    "series": "series",
    "name": "comp",
    "subject": "subject",
    "face_value": "faceVal",
    "date": "exDate",
    "isin": "isin",
}
_LOOK: Final = 20  # lines in which a header or a record is looked for
_BOM: Final = b"\xef\xbb\xbf"


def recognize(body: bytes) -> Shape | None:
    """Tell what a file is by its header or its first records; ``None``: no known kind.

    Examples
    --------
    >>> recognize(b"10,06112025,0.00,06,0000001").kind
    'var_margins'
    >>> recognize(b"SYMBOL, SERIES, DATE1, PREV_CLOSE, CLOSE_PRICE").kind
    'sec_bhavdata'
    >>> recognize(b"a,b") is None
    True
    """
    start = body[: 1 << 16].removeprefix(_BOM)
    if start.lstrip()[:1] in (b"[", b"{"):
        known = b'"exDate"' in body and b'"subject"' in body
        return Shape("corporate_actions", "json") if known else None
    lines = start.split(b"\n")[:_LOOK]
    for number, line in enumerate(lines):
        text = _decode(line)[0].strip()
        kind = _find_kind(text)
        if kind is not None:
            return Shape(kind, text, number + 1)
    for number, line in enumerate(lines):
        text = _decode(line)[0].rstrip()
        for kind, (record, _) in _RECORDS.items():
            if record.match(text):
                # the first line of these says of which day all others are
                control = kind == "groups" or text.lstrip().startswith("10")
                return Shape(kind, "", number + 1 if control else 0)
    return None


def read_cells(documents: Sequence[Document], shape: Shape) -> Cells:
    """Cut files of one shape into rows of text; what is no row is set aside.

    Files whose every line has the width of the header go through the quick reader in
    one piece; others line by line.
    """
    if shape.head == "json":
        return _read_json_cells(documents)
    layout = _find_layout(shape)
    tidy: list[bytes] = []
    counts: list[tuple[int, int, int]] = []
    odd: list[pl.DataFrame] = []
    found: list[tuple[str, int | None, str, bytes]] = []
    notices: list[tuple[str, int, str, str]] = []
    for number, document in enumerate(documents):
        lines = lines_of(document.body)
        if _is_tidy(document.body, lines, shape.skip, layout):
            if len(lines) > shape.skip:
                tidy += lines[shape.skip :]
                counts.append((number, shape.skip + 1, len(lines) + 1))
            continue
        rows: list[list[str]] = []
        at: list[int] = []
        for line_no, line in enumerate(lines[shape.skip :], shape.skip + 1):
            if not line.strip() or (layout.separator == ";" and b";" not in line):
                continue  # names of fund houses and categories stand alone
            text, is_utf8 = _decode(line)
            cells, fault = _cut_line(text, layout)
            if fault:
                found.append((document.file, line_no, fault, line))
                continue
            if not is_utf8:
                notices.append((document.file, line_no, "not_utf8", text[:200]))
            rows.append([cells[place] for place in layout.places])
            at.append(line_no)
        odd.append(_read_odd_rows(layout.names, rows, at, number))
    frames = [_read_quick_frame(layout, tidy, counts), *odd]
    return Cells(
        pl.concat(frames, rechunk=False),
        pl.DataFrame(found, schema=REJECTS, orient="row"),
        pl.DataFrame(notices, schema=FILE_NOTICES, orient="row"),
    )


def line_of(document: Document, line_no: int) -> bytes:
    """Give one line of a file as it stands there."""
    lines = lines_of(document.body)
    return lines[line_no - 1] if 0 < line_no <= len(lines) else b""


def lines_of(body: bytes) -> list[bytes]:
    """Cut a file into its lines, whichever line ends it has."""
    text = body.removeprefix(_BOM)
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return text.rstrip(b"\n").split(b"\n")


def _is_tidy(body: bytes, lines: list[bytes], skip: int, layout: _Layout) -> bool:
    """Whether each line has its number of cells, none is quoted and all is UTF-8."""
    if b'"' in body or b"\x00" in body or layout.separator == ";":
        return False
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError:
            return False
    mark = layout.separator.encode()
    return {line.count(mark) for line in lines[skip:]} <= {layout.width - 1}


def _read_quick_frame(
    layout: _Layout, lines: list[bytes], counts: list[tuple[int, int, int]]
) -> pl.DataFrame:
    names, places = layout.names, layout.places
    if not lines:
        return _read_odd_rows(names, [], [], 0)
    read = pl.read_csv(
        b"\n".join(lines),
        has_header=False,
        separator=layout.separator,
        quote_char=None,
        infer_schema=False,
        schema={str(place): pl.String() for place in range(layout.width)},
        columns=sorted(set(places)),
    )
    at = (
        pl.DataFrame(
            counts,
            schema={"doc": pl.UInt32(), "first": pl.Int64(), "end": pl.Int64()},
            orient="row",
        )
        .select("doc", line_no=pl.int_ranges("first", "end", dtype=pl.Int64()))
        .explode("line_no")
    )
    padded = any(b", " in line or b" ," in line for line in lines)
    return read.select(
        (_read_cell(pl.col(str(place))) if padded else pl.col(str(place))).alias(name)
        for name, place in zip(names, places, strict=True)
    ).hstack(at)


def _read_odd_rows(
    names: list[str], rows: list[list[str]], at: list[int], number: int
) -> pl.DataFrame:
    text = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String()), orient="row")
    return text.select(_read_cell(pl.col(name)).alias(name) for name in names).hstack(
        [
            pl.repeat(number, len(at), dtype=pl.UInt32(), eager=True).alias("doc"),
            pl.Series("line_no", at, pl.Int64()),
        ]
    )


def _read_cell(cell: pl.Expr) -> pl.Expr:
    text = cell.str.strip_chars()
    return pl.when(text != "").then(text)


def _cut_line(text: str, layout: _Layout) -> tuple[list[str], str | None]:
    """Cut a line; short of or beyond its header is a fault, blank cells are not."""
    least, width = layout.least, layout.width
    try:
        cells: list[str] = next(csv.reader([text], delimiter=layout.separator))
    except (csv.Error, StopIteration) as error:
        return [], f"no line of CSV: {error}"
    while len(cells) > width and not cells[-1].strip():
        cells.pop()
    if not least <= len(cells) <= width:
        return [], f"{len(cells)} cells under {width} columns"
    return cells + [""] * (width - len(cells)), None


class _Layout(NamedTuple):
    """Our columns, their places in a line, and how wide lines are."""

    names: list[str]
    places: list[int]
    least: int
    width: int
    separator: str


def _find_layout(shape: Shape) -> _Layout:
    if not shape.head:
        names = list(_RECORDS[shape.kind][1])
        return _Layout(names, list(range(len(names))), len(names), len(names), ",")
    form = _FORMATS[shape.kind]
    cells = _split_head(shape.head, form.separator)
    least = len(cells)
    while least and not cells[least - 1]:
        least -= 1  # a comma at the end of the header makes a column without a name
    found = _find_places(form, tuple(cells))
    return _Layout(list(found), list(found.values()), least, len(cells), form.separator)


def _split_head(head: str, separator: str) -> list[str]:
    try:
        cells: list[str] = next(csv.reader([head], delimiter=separator))
    except (csv.Error, StopIteration):
        return []
    return [re.sub(r"[^A-Z0-9]", "", cell.upper()) for cell in cells]


def _find_places(form: _Format, cells: tuple[str, ...]) -> dict[str, int]:
    found: dict[str, int] = {}
    for column, names in form.columns.items():
        for place, cell in enumerate(cells):
            if any(_is_name(cell, name) for name in names) and column not in found:
                found[column] = place
    return found


def _is_name(cell: str, name: str) -> bool:
    return cell.startswith(name[:-1]) if name.endswith("*") else cell == name


@cache
def _find_kind(head: str) -> str | None:
    for kind, form in _FORMATS.items():
        if form.separator in head:
            found = _find_places(form, tuple(_split_head(head, form.separator)))
            if set(form.needed) <= set(found):
                return kind
    return None


def _decode(line: bytes) -> tuple[str, bool]:
    """Read a line as UTF-8, else as cp1252, in which old files are written."""
    try:
        return line.decode(), True
    except UnicodeDecodeError:
        return line.decode("cp1252", errors="replace"), False


def _read_json_cells(documents: Sequence[Document]) -> Cells:
    names = [*_ACTION_KEYS]
    frames = [_read_odd_rows(names, [], [], 0)]
    found: list[tuple[str, int | None, str, bytes]] = []
    for number, document in enumerate(documents):
        try:
            payload = parse(document.body, source=document.file)
        except WireError as error:
            reason = f"at {error.pointer or 'the top'}: {error.reason}"
            found.append((document.file, None, reason, document.body))
            continue
        rows: list[list[str]] = []
        at: list[int] = []
        for place, entry in _number_entries(payload):
            if not is_object(entry) or "subject" not in entry:
                reason = f"entry {place} is no corporate action"
                found.append((document.file, None, reason, dump(entry)))
                continue
            cells = (entry.get(key) for key in _ACTION_KEYS.values())
            rows.append(["" if cell is None else as_text(cell) for cell in cells])
            at.append(place)
        frames.append(_read_odd_rows(names, rows, at, number))
    return Cells(
        pl.concat(frames),
        pl.DataFrame(found, schema=REJECTS, orient="row"),
        pl.DataFrame(schema=FILE_NOTICES),
    )


def _number_entries(payload: Json) -> Iterator[tuple[int, Json]]:
    """Give the entries of a list, or of the list under ``data``, from 1."""
    inner = payload.get("data", payload) if is_object(payload) else payload
    yield from enumerate(inner if is_list(inner) else [inner], 1)
