"""The exchanges' files as the market's frames: any files, any packing, any order."""

from __future__ import annotations

import io
import os
import sys
import zipfile
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import polars as pl

from holdings_kit.errors import ConfigError, readable
from holdings_kit.read._files import refuse_no_file, say_why_not, walk_files
from holdings_kit.read._market_symbols import instruments_of, resolve_symbols, seen_in
from holdings_kit.read._packed import (
    BREAKS,
    MAGIC,
    most_unpacked,
    open_regular,
    show_path,
    unpack_bytes,
    without_packing,
)
from holdings_kit.schema import (
    ACTIONS,
    COLLATERAL,
    CONSTITUENTS,
    GROUPS,
    INSTRUMENTS,
    MARGINS,
    PRICES,
    REJECTS,
    VOLATILITIES,
    conform,
)
from holdings_kit.wire._exchange import FILE_NOTICES, Document, Shape, recognize
from holdings_kit.wire._exchange_frames import decode_documents
from holdings_kit.wire._exchange_rows import SIGHTINGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

FILES: Final = pl.Schema(
    {
        "file": pl.String(),
        "kind": pl.String(),  # null: of no known kind, or not readable
        "rows_count": pl.Int64(),  # rows of data in the file
        "rejects_count": pl.Int64(),
        "first_date": pl.Date(),
        "last_date": pl.Date(),
    }
)


@readable
@dataclass(frozen=True, repr=False)
class Market:
    r"""What the exchanges' files say, one frame per question.

    Unpacks into its first five frames. An instrument is its ISIN where a file or the
    other files name it, else ``EXCHANGE:SYMBOL``.

    Attributes
    ----------
    prices
        One close per instrument and day (`PRICES`).
    instruments
        One row per listing, as seen last (`INSTRUMENTS`).
    margins
        VaR margins, one row per instrument, day and file of the day (`MARGINS`).
    actions
        Corporate actions and renamings (`ACTIONS`).
    rejects
        Files, lines and rows that say something wrong (`REJECTS`).
    groups, volatilities, collateral, constituents
        Liquidity groups (`GROUPS`), daily volatilities (`VOLATILITIES`), the clearing
        corporation's collateral list (`COLLATERAL`), members of indices
        (`CONSTITUENTS`).
    files
        One row per file: what it is, its rows, from which day to which (`FILES`).
    notices
        What was read and is worth a remark (`FILE_NOTICES`).

    Examples
    --------
    >>> body = b"SYMBOL,SERIES,DATE1,CLOSE_PRICE\nX, EQ, 04-Nov-2025, 9.5\n"
    >>> market = read_market(body)
    >>> market
    Market of 1 file: 1 price (2025-11-04 to 2025-11-04), 0 rejects
    >>> prices, instruments, margins, actions, rejects = market
    >>> prices.select("instrument_id", "date", "close_price").row(0)
    ('NSE:X', datetime.date(2025, 11, 4), Decimal('9.5000'))
    """

    prices: pl.DataFrame
    instruments: pl.DataFrame
    margins: pl.DataFrame
    actions: pl.DataFrame
    rejects: pl.DataFrame
    groups: pl.DataFrame
    volatilities: pl.DataFrame
    collateral: pl.DataFrame
    constituents: pl.DataFrame
    files: pl.DataFrame
    notices: pl.DataFrame

    def __iter__(self) -> Iterator[pl.DataFrame]:
        return iter(
            (self.prices, self.instruments, self.margins, self.actions, self.rejects)
        )


_DATED: Final = {
    "prices": PRICES,
    "margins": MARGINS,
    "groups": GROUPS,
    "volatilities": VOLATILITIES,
    "collateral": COLLATERAL,
}
_BATCH: Final = 1 << 26  # bytes of files of one shape that are read in one piece
_SERIES: Final = ("EQ", "BE", "BZ", "SM", "ST", "SZ", "A", "B", "T", "X", "XT", "M")
_LAST_SERIES: Final = "T0"  # same-day settlement: a second line of the same security
_SOURCES: Final = ("udiff", "sec_bhavdata", "cm_bhav", "bse_eq", "nav")


def read_market(
    paths: bytes | str | Path | Iterable[str | Path],
    *,
    instruments: pl.DataFrame | None = None,
    prefer: Sequence[str] = ("NSE", "BSE", "MF"),
    progress: bool | None = None,
) -> Market:
    r"""Read whatever the exchanges publish: prices, margins, actions, lists.

    Files are told apart by their shape, never by their name alone: UDiFF bhavcopies of
    NSE and BSE, ``sec_bhavdata_full``, ``cmDDMMMYYYYbhav``, BSE's ``eqDDMMYY``, VaR
    margins ``C_VAR1``, ``APPSEC_COLLVAL``, ``C_CATG``, ``CMVOLT``, corporate actions
    (JSON, CSV), ``symbolchange``, ``EQUITY_L``, lists of an index, AMFI's ``NAVAll``,
    Arrow's instruments. Each may be packed (.zip, .gz, .zst).

    An instrument has one close per day: the first exchange of `prefer` that has one,
    there the main series; ``T0`` is taken only where there is no other. Where a file
    names no ISIN the symbol is looked up in the other files and in `instruments`, the
    one seen last before the day first, through renamings. Symbols that stay unknown
    are listed in `notices` and keep ``EXCHANGE:SYMBOL`` as their identity.

    Parameters
    ----------
    paths
        A folder (with its folders), a file, a pattern, many of these, or the bytes of
        one file.
    instruments
        An `INSTRUMENTS` master that knows more symbols.
    prefer
        Exchanges, the one whose close is taken first.
    progress
        Show a bar that counts files; by default only in a terminal, with tqdm.

    Returns
    -------
    Market
        Its frames; what cannot be read is in `rejects` with file, line and reason.

    Raises
    ------
    ConfigError
        A path does not exist, or there is no file.

    Examples
    --------
    >>> control, line = "10,06112025,0.00,06,0000001", "9.00,0.00,9.00,3.50,0.00,12.50"
    >>> body = f"{control}\n20,SBIN,EQ,INE062A01020,{line}\n"
    >>> read_market(body.encode()).margins.select("instrument_id", "haircut").row(0)
    ('INE062A01020', Decimal('0.125000'))
    """
    gathered = _Gathered()
    pending: dict[Shape, list[Document]] = {}
    sizes: dict[Shape, int] = {}
    for document in _with_bar(paths, progress=progress):
        if isinstance(document, _Unreadable):
            gathered.set_aside(document)
            continue
        shape = recognize(document.body)
        if shape is None:
            reason = "is of no known kind; see docs/market.md for those that are read"
            gathered.set_aside(_Unreadable(document.file, reason))
            continue
        pending.setdefault(shape, []).append(document)
        sizes[shape] = sizes.get(shape, 0) + len(document.body)
        if sizes[shape] > _BATCH:
            gathered.take(pending.pop(shape), shape)
            sizes[shape] = 0
    for shape, documents in pending.items():
        gathered.take(documents, shape)
    return gathered.market(instruments, prefer)


class _Unreadable(NamedTuple):
    file: str
    reason: str


class _Gathered:
    """What was decoded so far."""

    def __init__(self) -> None:
        self.frames: dict[str, list[pl.DataFrame]] = {}
        self.files: list[tuple[Any, ...]] = []
        self.rejects: list[pl.DataFrame] = []
        self.notices: list[pl.DataFrame] = []

    def set_aside(self, file: _Unreadable) -> None:
        self.files.append((file.file, None, 0, 1, None, None))
        row = (file.file, None, file.reason, b"")
        self.rejects.append(pl.DataFrame([row], schema=REJECTS, orient="row"))

    def take(self, documents: Sequence[Document], shape: Shape) -> None:
        made = decode_documents(documents, shape)
        for name, frame in made.frames.items():
            self.frames.setdefault(name, []).append(frame.drop("doc", strict=False))
        self.rejects.append(made.rejects)
        self.notices.append(made.notices)
        bad = dict(made.rejects.group_by("file").len().iter_rows())
        dated = [frame for name, frame in made.frames.items() if name in _DATED]
        days: dict[int, tuple[Any, ...]] = {
            int(doc): (first, last)
            for frame in dated
            for doc, first, last in frame.group_by("doc")
            .agg(pl.col("date").min(), pl.col("date").max().alias("last"))
            .iter_rows()
        }
        for number, document in enumerate(documents):
            span = days.get(number, (None, None))
            count = made.counts[number]
            self.files.append(
                (document.file, shape.kind, count, bad.get(document.file, 0), *span)
            )

    def market(self, instruments: pl.DataFrame | None, prefer: Sequence[str]) -> Market:
        sightings = _join_frames(self.frames, "sightings", SIGHTINGS)
        if instruments is not None:
            master = conform(instruments, INSTRUMENTS, name="instruments")
            sightings = pl.concat([sightings, seen_in(master)])
        actions = _join_frames(self.frames, "actions", ACTIONS)
        renames = actions.filter(kind="rename")
        actions = _name_actions(actions, sightings, renames)
        prices = _join_frames(self.frames, "prices", PRICES)
        prices, unknown = resolve_symbols(prices, sightings, renames)
        volatilities = _join_frames(self.frames, "volatilities", VOLATILITIES)
        volatilities, _ = resolve_symbols(volatilities, sightings, renames)
        prices, doubled = _keep_one_close(prices, prefer)
        margins = _keep_one_margin(_join_frames(self.frames, "margins", MARGINS))
        files = pl.DataFrame(self.files, schema=FILES, orient="row").sort("file")
        return Market(
            prices=prices,
            instruments=instruments_of(sightings),
            margins=margins,
            actions=actions.unique(maintain_order=True).sort(
                "instrument_id", "ex_date", "kind", maintain_order=True
            ),
            rejects=pl.concat([pl.DataFrame(schema=REJECTS), *self.rejects]),
            groups=_join_frames(self.frames, "groups", GROUPS).unique(
                maintain_order=True
            ),
            volatilities=volatilities.unique(
                ["instrument_id", "date"], maintain_order=True
            ).sort("instrument_id", "date"),
            collateral=_join_frames(self.frames, "collateral", COLLATERAL).unique(
                ["instrument_id", "date"], maintain_order=True
            ),
            constituents=_join_frames(self.frames, "constituents", CONSTITUENTS).unique(
                maintain_order=True
            ),
            files=files,
            notices=pl.concat(
                [pl.DataFrame(schema=FILE_NOTICES), *self.notices, unknown, doubled]
            ),
        )


def _join_frames(
    frames: dict[str, list[pl.DataFrame]], name: str, schema: pl.Schema
) -> pl.DataFrame:
    return pl.concat([pl.DataFrame(schema=schema), *frames.get(name, [])])


def _name_actions(
    actions: pl.DataFrame, sightings: pl.DataFrame, renames: pl.DataFrame
) -> pl.DataFrame:
    """Give actions of a symbol the ISIN it had on the day before, where one is seen."""
    listed = pl.col("instrument_id").str.contains(":", literal=True)
    parts = pl.col("instrument_id").str.splitn(":", 2)
    asked = (
        actions.with_row_index("_row")
        .filter(listed & (pl.col("kind") != "rename"))
        .with_columns(
            exchange=parts.struct.field("field_0"),
            symbol=parts.struct.field("field_1"),
            date=pl.col("ex_date").dt.offset_by("-1d"),
        )
    )
    found, _ = resolve_symbols(asked, sightings, renames)
    named = found.select("_row", _id="instrument_id")
    return (
        actions.with_row_index("_row")
        .join(named, on="_row", how="left", maintain_order="left")
        .with_columns(instrument_id=pl.coalesce("_id", "instrument_id"))
        .drop("_row", "_id")
    )


def _keep_one_close(
    prices: pl.DataFrame, prefer: Sequence[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Keep one row per instrument and day; say where two closes differed.

    The other lines of a security, such as ``T0``, and its other exchanges are left
    out; two files that give another close for the very same line are a notice.
    """
    key = ["instrument_id", "date"]
    ranked = prices.lazy().with_columns(
        _exchange=_rank_files("exchange", prefer),
        _series=_rank_files("series", _SERIES, last=_LAST_SERIES),
        _source=_rank_files("source", _SOURCES),
    )
    order = ["_exchange", "_series", "series", "_source"]
    ordered = ranked.sort(*key, *order, nulls_last=True, maintain_order=True).collect()
    again = pl.all_horizontal(pl.col(c).eq_missing(pl.col(c).shift()) for c in key)
    line = [*key, "exchange", "series"]
    same = pl.all_horizontal(pl.col(c).eq_missing(pl.col(c).shift()) for c in line)
    other = pl.col("close_price") != pl.col("close_price").shift()
    # in one piece: polars panics over numbers as text where the first piece is empty
    differing = ordered.filter((same & other).fill_null(value=False)).rechunk()
    said = pl.format(
        "{} on {}: {} in {}, another close in another file",
        "instrument_id",
        pl.col("date").cast(pl.String()),
        "close_price",
        "source",
    )
    return (
        ordered.filter(~again.fill_null(value=False)).select(PRICES.names()),
        differing.select(
            pl.lit(None, pl.String()).alias("file"),
            pl.lit(None, pl.Int64()).alias("line_no"),
            pl.lit("two_closes").alias("kind"),
            said.alias("value"),
        ),
    )


def _rank_files(column: str, order: Sequence[str], last: str | None = None) -> pl.Expr:
    ranks = {name: place for place, name in enumerate(order)}
    if last is not None:
        ranks[last] = len(ranks) + 1
    return pl.col(column).replace_strict(
        list(ranks), list(ranks.values()), default=len(order), return_dtype=pl.Int32()
    )


def _keep_one_margin(margins: pl.DataFrame) -> pl.DataFrame:
    """Keep one row per instrument, day and file of the day: the main series."""
    key = ["instrument_id", "date", "file_no"]
    return (
        margins.with_columns(_series=_rank_files("series", _SERIES, last=_LAST_SERIES))
        .sort(*key, "_series", "series", maintain_order=True)
        .unique(key, keep="first", maintain_order=True)
        .select(MARGINS.names())
    )


def _with_bar(
    paths: bytes | str | Path | Iterable[str | Path], *, progress: bool | None
) -> Iterator[Document | _Unreadable]:
    """Give every document, with a bar that counts files where one is wanted."""
    if isinstance(paths, bytes | bytearray | memoryview):
        yield from _open_documents("read_market", bytes(paths))
        return
    files = _find_files(paths)
    shown: Iterable[Path] = files
    wanted = sys.stderr.isatty() if progress is None else progress
    if wanted and find_spec("tqdm"):
        tqdm = cast("Any", import_module("tqdm"))
        shown = cast("Iterable[Path]", tqdm.tqdm(files, unit="file"))
    for path in shown:
        if reason := say_why_not(path):
            yield _Unreadable(show_path(path), f"cannot be read: {reason}")
            continue
        try:
            with open_regular(path) as raw:
                body = raw.read()
        except OSError as error:
            yield _Unreadable(str(path), f"cannot be read: {error.strerror or error}")
            continue
        yield from _open_documents(str(path), body)


def _find_files(paths: str | Path | Iterable[str | Path]) -> list[Path]:
    """Give the files of folders, patterns and paths, in order, each once."""
    listed = [paths] if isinstance(paths, str | Path) else list(paths)
    found: dict[Path, None] = {}
    for one in listed:
        path = Path(one).expanduser()
        for each in [path] if os.path.lexists(path) else _match_pattern(path) or [path]:
            if each == path or not each.exists():
                refuse_no_file(each)
            if each.is_dir():
                inside = (inner for inner, _ in sorted(walk_files(each)))
                shown = (e for e in inside if not _is_hidden(e.relative_to(each)))
                found |= dict.fromkeys(shown)
            else:
                found[each] = None
    if not found:
        raise ConfigError(f"there is no file in {', '.join(map(str, listed))[:200]!r}")
    return list(found)


def _match_pattern(pattern: Path) -> list[Path]:
    """Give what a pattern such as ``2025/*/cm*.zip`` names."""
    plain = Path(pattern.anchor)
    parts = pattern.parts[1:] if pattern.anchor else pattern.parts
    return sorted(plain.glob(str(Path(*parts)))) if parts else []


def _is_hidden(path: Path) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in path.parts)


_DEEPEST: Final = 3  # archives inside archives
_TORN: Final = (
    *BREAKS,
    zipfile.BadZipFile,
    NotImplementedError,  # a zip packed by a method that Python cannot undo
    RuntimeError,  # a member with a password
    ValueError,
)


def _open_documents(
    file: str, body: bytes, depth: int = 0, most: int | None = None
) -> Iterator[Document | _Unreadable]:
    """Give the documents in a file, packed or not; told by its first bytes.

    What is in it may be so many bytes at most, unpacked.
    """
    most = most_unpacked(len(body)) if most is None else most
    try:
        if depth > _DEEPEST:
            yield _Unreadable(file, "is an archive inside archives, too deep")
        elif body.startswith(b"PK\x03\x04"):
            with zipfile.ZipFile(io.BytesIO(body)) as archive:
                for member in archive.infolist():
                    if not member.is_dir() and not _is_hidden(Path(member.filename)):
                        most -= member.file_size
                        yield from _open_member(file, archive, member, depth, most)
        elif body.startswith(tuple(MAGIC)):
            whole = unpack_bytes(io.BytesIO(body), most)
            yield from _open_documents(without_packing(file), whole, depth + 1, most)
        else:
            yield Document(file, body)
    except _TORN as error:
        yield _Unreadable(file, f"cannot be unpacked: {error}; fetch it again")


def _open_member(
    file: str,
    archive: zipfile.ZipFile,
    member: zipfile.ZipInfo,
    depth: int,
    left: int,
) -> Iterator[Document | _Unreadable]:
    name = f"{file}/{member.filename}".encode(errors="backslashreplace").decode()
    if left < 0:  # zipfile reads no more than the archive says
        yield _Unreadable(name, "unpacks to a hundred times its size; fetch it again")
        return
    try:
        body = archive.read(member)
    except _TORN as error:
        yield _Unreadable(name, f"cannot be unpacked: {error}; fetch it again")
        return
    yield from _open_documents(name, body, depth + 1, left + member.file_size)
