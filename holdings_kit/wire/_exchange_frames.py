"""Rows of an exchange's file to frames, one decoder for each kind of file.

Percent become fractions, and lakhs rupees.
"""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl

from holdings_kit.schema import (
    ACTIONS,
    COLLATERAL,
    CONSTITUENTS,
    GROUPS,
    MARGINS,
    MONEY,
    PRICES,
    RATE,
    REJECTS,
    VALUE,
    VOLATILITIES,
)
from holdings_kit.wire._exchange import Cells, Document, Shape, line_of, read_cells
from holdings_kit.wire._exchange_actions import read_subject
from holdings_kit.wire._exchange_rows import (
    FIRST_DAY,
    MOST_PERCENT,
    UNKNOWN,
    Files,
    add_missing,
    as_fraction,
    fit,
    join_facts,
    judge_rows,
    judge_securities,
    list_sightings,
    parse_numbers,
    read_days,
    write_fault,
    write_rejects,
    write_remark,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Decoded(NamedTuple):
    """What the files of one shape say.

    Attributes
    ----------
    frames
        By the name of a frame of `Market`, and ``sightings``; each has the column
        `doc`, the number of the document.
    counts
        Rows of data per document.
    rejects, notices
        What was set aside, and what is worth a remark.
    """

    frames: dict[str, pl.DataFrame]
    counts: list[int]
    rejects: pl.DataFrame
    notices: pl.DataFrame


def decode_documents(documents: Sequence[Document], shape: Shape) -> Decoded:
    r"""Decode files of one shape.

    Examples
    --------
    >>> body = b"SYMBOL,SERIES,DATE1,CLOSE_PRICE\nSBIN, EQ, 04-Nov-2025, 950.50\n"
    >>> from holdings_kit.wire._exchange import recognize
    >>> decoded = decode_documents([Document("x.csv", body)], recognize(body))
    >>> decoded.frames["prices"].select("instrument_id", "close_price").row(0)
    ('NSE:SBIN', Decimal('950.5000'))
    """
    cells = read_cells(documents, shape)
    made = _DECODERS[shape.kind](cells, Files(documents, shape))
    counts = dict(made.rows.group_by("doc").len().iter_rows())
    return Decoded(
        made.frames,
        [int(counts.get(number, 0)) for number in range(len(documents))],
        pl.concat([cells.rejects, *made.rejects]),
        pl.concat([cells.notices, *made.notices]),
    )


class _Made(NamedTuple):
    rows: pl.DataFrame
    frames: dict[str, pl.DataFrame]
    rejects: Sequence[pl.DataFrame]
    notices: Sequence[pl.DataFrame] = ()


_PRICE_COLUMNS: Final = [name for name in PRICES.names() if name.endswith("_price")]
_TRADED: Final = ("traded_quantity", "traded_value")


def _decode_prices(cells: Cells, files: Files) -> _Made:
    rows, kind = cells.rows, files.shape.kind
    aside: list[pl.DataFrame] = []
    if kind == "udiff":
        rows, aside = _keep_cash_market(rows, files)
    rows = read_days(_add_listing(rows, kind), files.documents)
    if "traded_lakhs" in rows.columns:
        lakhs = pl.col("traded_lakhs").cast(VALUE, strict=False)
        rows = rows.with_columns(traded_value=(lakhs * 100_000).cast(pl.String()))
    given = [name for name in (*_PRICE_COLUMNS, *_TRADED) if name in rows.columns]
    typed, faults = parse_numbers(rows, given, MONEY)
    below = pl.any_horizontal(pl.col(name) < 0 for name in given)
    faults += [
        write_fault(pl.col("date").is_null(), "names no day"),
        write_fault(below, "a number is below 0"),
        write_fault(pl.col("exchange").is_null(), "names no exchange"),
    ]
    good, bad = judge_securities(typed, faults, files)
    prices = good.with_columns(
        pl.when(pl.col(c) != 0).then(pl.col(c)) for c in given if c not in _TRADED
    )
    unpriced = prices.filter(pl.col("close_price").is_null())
    priced = prices.filter(pl.col("close_price").is_not_null())
    return _Made(
        rows,
        {"prices": fit(priced, PRICES), "sightings": list_sightings(prices, files)},
        [*aside, bad],
        [write_remark(unpriced, files, "no_close", pl.coalesce("symbol", "isin"))],
    )


_SEGMENT: Final = r"^[A-Z]{2,3}$"  # CM, FO, CD, CO, …


def _keep_cash_market(
    rows: pl.DataFrame, files: Files
) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """Set other segments aside, one reject for each in a file; of no segment, each row.

    A row that names no segment may be one of the cash market, shifted by a comma.
    """
    segment = pl.col("segment")
    other = segment.ne_missing("CM")
    named = segment.str.contains(_SEGMENT).fill_null(value=False)
    counts = (
        rows.filter(other & named)
        .group_by("doc", "segment", maintain_order=True)
        .agg(pl.len().alias("count"))
    )
    found: list[tuple[str, None, str, bytes]] = []
    for doc, name, count in counts.iter_rows():
        reason = f"{count} rows of segment {name}: only the cash market (CM) is read"
        found.append((files.documents[int(doc)].file, None, reason, b""))
    shown = segment.fill_null("(blank)").str.slice(0, 40)
    odd = rows.filter(other & ~named).with_columns(
        _reason=pl.format("{} is no segment such as CM", shown)
    )
    return rows.filter(~other), [
        pl.DataFrame(found, schema=REJECTS, orient="row"),
        write_rejects(odd, files),
    ]


def _add_listing(rows: pl.DataFrame, kind: str) -> pl.DataFrame:
    """Give each row its exchange, its symbol and its one ISIN."""
    if kind == "udiff":
        return rows
    if kind == "bse_eq":
        return rows.with_columns(exchange=pl.lit("BSE"), symbol="token")
    if kind == "nav":
        rows = rows.with_columns(exchange=pl.lit("MF"), symbol="token")
        if "isin_reinvestment" not in rows.columns:
            return rows
        second = pl.col("isin_reinvestment")
        more = rows.filter(second.is_not_null() & ~second.is_in(UNKNOWN))
        both = pl.concat([rows, more.with_columns(isin=second)])
        return both.drop("isin_reinvestment").sort(
            "doc", "line_no", maintain_order=True
        )
    return rows.with_columns(exchange=pl.lit("NSE"))


def _list_on_either(rows: pl.DataFrame) -> pl.DataFrame:
    """Name the exchange: a scrip code is a share of BSE that NSE does not list."""
    code = pl.col("symbol").str.contains(r"^\d{6}$")
    return rows.with_columns(
        exchange=pl.when(code).then(pl.lit("BSE")).otherwise(pl.lit("NSE")),
        token=pl.when(code).then("symbol"),
    )


_CONTROL: Final = re.compile(
    r"\s*10\s*,\s*(\d{2})(\d{2})(\d{4})\s*,[^,]*,(?:\s*(\d{1,2})\s*,)?\s*(\d{1,9})\s*,?\s*$"
)


def _decode_var_margins(cells: Cells, files: Files) -> _Made:
    """Decode ``C_VAR1``: the control record says day, file and number of records."""
    skip = files.shape.skip
    days: list[date | None] = []
    file_nos: list[int | None] = []
    aside: list[tuple[str, int | None, str, bytes]] = []
    for number, document in enumerate(files.documents):
        line = line_of(document, skip) if skip else b""
        control = _CONTROL.match(line.decode("ascii", "replace"))
        day = _read_control_day(control) if control else None
        days.append(day)
        file_nos.append(int(control.group(4) or 1) if control else None)
        lines = cells.rows.filter(pl.col("doc") == number).height
        lines += cells.rejects.filter(pl.col("file") == document.file).height
        if day is None or control is None:
            reason = "there is no control record with a day: these margins have no date"
            aside.append((document.file, skip or 1, reason, line))
        elif int(control.group(5)) != lines:
            reason = (
                f"the control record counts {int(control.group(5))} records, the file "
                f"has {lines}: it is not whole, fetch it again"
            )
            aside.append((document.file, skip, reason, line))
    heads = {"date": (pl.Date(), days), "file_no": (pl.Int64(), file_nos)}
    dated = join_facts(cells.rows, heads).filter(pl.col("date").is_not_null())
    rows = _list_on_either(dated)
    rates = [name for name in MARGINS.names() if MARGINS[name] == RATE]
    typed, faults = parse_numbers(rows, rates, VALUE)
    beyond = [(pl.col(c) < 0) | (pl.col(c) > MOST_PERCENT) for c in rates]
    faults += [
        pl.when(pl.col("record") != "20").then(
            pl.format("record type {} is none of a detail", "record")
        ),
        write_fault(pl.col("haircut").is_null(), "names no applicable rate"),
        write_fault(
            pl.any_horizontal(beyond), "a rate is not between 0 and 10000 percent"
        ),
    ]
    good, bad = judge_securities(typed, faults, files)
    margins = good.with_columns(as_fraction(name) for name in rates)
    return _Made(
        rows,
        {"margins": fit(margins, MARGINS), "sightings": list_sightings(margins, files)},
        [pl.DataFrame(aside, schema=REJECTS, orient="row"), bad],
    )


def _read_control_day(control: re.Match[str]) -> date | None:
    day, month, year = (int(part) for part in control.groups()[:3])
    try:
        return date(year, month, day)
    except ValueError:
        return None


_MONTHS: Final = (
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
)  # fmt: skip


def _decode_groups(cells: Cells, files: Files) -> _Made:
    """Decode ``C_CATG``: liquidity groups and impact costs of a month."""
    months = [_read_month(line_of(d, files.shape.skip)) for d in files.documents]
    rows = join_facts(cells.rows, {"date": (pl.Date(), months)})
    rows = rows.with_columns(exchange=pl.lit("NSE"))
    typed, faults = parse_numbers(rows, ["group", "impact_cost"], VALUE)
    group, cost = pl.col("group"), pl.col("impact_cost")
    faults += [
        write_fault(pl.col("date").is_null(), "the first line names no month"),
        write_fault(~group.is_in([1, 2, 3]).fill_null(value=False), "no group"),
        write_fault(
            (cost < 0) | (cost > MOST_PERCENT), "the impact cost is no percentage"
        ),
    ]
    good, bad = judge_securities(typed, faults, files)
    made = good.with_columns(as_fraction("impact_cost"))
    frames = {"groups": fit(made, GROUPS), "sightings": list_sightings(made, files)}
    return _Made(rows, frames, [bad])


def _read_month(line: bytes) -> date | None:
    """Read the first day of the month that a line names."""
    named = re.search(r"([A-Za-z]{3})[\s,-]*(\d{4})", line.decode("ascii", "replace"))
    if named is None or (month := named.group(1).upper()) not in _MONTHS:
        return None
    year = int(named.group(2))
    return None if year < FIRST_DAY.year else date(year, _MONTHS.index(month) + 1, 1)


def _decode_collateral_list(cells: Cells, files: Files) -> _Made:
    """Decode ``APPSEC_COLLVAL``; its day stands in the file's name alone."""
    undated = cells.rows.drop("date", strict=False)
    rows = _list_on_either(read_days(undated, files.documents))
    typed, faults = parse_numbers(rows, ["valuation_price"], MONEY)
    typed, more = parse_numbers(typed, ["haircut"], VALUE)
    haircut = pl.col("haircut")
    faults += [
        *more,
        write_fault(haircut.is_null(), "names no haircut"),
        write_fault(~haircut.is_between(0, 100), "the haircut is no percentage"),
    ]
    good, bad = judge_securities(typed, faults, files)
    made = good.with_columns(as_fraction("haircut"))
    listed = fit(made, COLLATERAL)
    frames = {"collateral": listed, "sightings": list_sightings(made, files)}
    return _Made(rows, frames, [bad])


def _decode_volatility(cells: Cells, files: Files) -> _Made:
    rows = read_days(cells.rows, files.documents)
    rows = rows.with_columns(exchange=pl.lit("NSE"))
    closes = [c for c in ("close_price", "previous_close_price") if c in rows.columns]
    typed, faults = parse_numbers(rows, closes, MONEY)
    rest = [c for c in VOLATILITIES if VOLATILITIES[c] == pl.Float64()]
    rest = [c for c in rest if c in rows.columns]
    typed, more = parse_numbers(typed, rest, pl.Float64())
    beyond = [
        ~pl.col(name).is_between(0, 10).fill_null(value=True)
        for name in ("volatility", "previous_volatility")
    ]
    faults += [
        *more,
        write_fault(pl.col("date").is_null(), "names no day"),
        write_fault(pl.any_horizontal(beyond), "a volatility is not between 0 and 10"),
    ]
    good, bad = judge_securities(typed, faults, files)
    return _Made(rows, {"volatilities": fit(good, VOLATILITIES)}, [bad])


def _decode_lists(cells: Cells, files: Files) -> _Made:
    """Decode lists of securities: of NSE, of an index, and Arrow's own master."""
    rows = cells.rows
    if "exchange" not in rows.columns:
        rows = rows.with_columns(exchange=pl.lit("NSE"))
    made, bad = judge_securities(rows, [], files)
    frames = {"sightings": list_sightings(made, files)}
    if files.shape.kind == "constituents":
        names = [_name_index(each.file) for each in files.documents]
        listed = join_facts(made, {"index": (pl.String(), names)})
        frames["constituents"] = fit(listed, CONSTITUENTS)
    return _Made(rows, frames, [bad])


def _name_index(file: str) -> str:
    """Name an index by its file: the file does not say which it is."""
    stem = re.split(r"[/\\]", file)[-1].split(".")[0].lower()
    return re.sub(r"^ind_|_?list$", "", stem)


def _decode_symbol_changes(cells: Cells, files: Files) -> _Made:
    rows = read_days(cells.rows)
    unnamed = pl.col("symbol").is_null() | pl.col("new_symbol").is_null()
    faults = [
        write_fault(pl.col("date").is_null(), "names no day"),
        write_fault(unnamed, "names no old or no new symbol"),
    ]
    good, bad = judge_rows(rows, faults, files)
    made = good.with_columns(
        instrument_id=pl.format("NSE:{}", "symbol"),
        ex_date="date",
        kind=pl.lit("rename"),
        new_instrument_id=pl.format("NSE:{}", "new_symbol"),
        source=pl.lit(files.shape.kind),
    )
    return _Made(rows, {"actions": fit(made, ACTIONS)}, [bad])


_RATIO_NEEDED: Final = ("split", "bonus", "consolidation")
_PARTS: Final = pl.List(
    pl.Struct({"kind": pl.String(), "ratio": pl.String(), "cash_per_unit": MONEY})
)


def _decode_corporate_actions(cells: Cells, files: Files) -> _Made:
    """Decode corporate actions: what the subject says, under the ISIN before."""
    rows = add_missing(cells.rows, ["symbol", "token", "face_value", "isin"])
    bse = pl.col("symbol").is_null() & pl.col("token").is_not_null()
    rows = read_days(rows).with_columns(
        exchange=pl.when(bse).then(pl.lit("BSE")).otherwise(pl.lit("NSE")),
        symbol=pl.coalesce("symbol", "token"),
    )
    full = _read_subjects(rows)
    named = pl.col("part").list.len().fill_null(0) > 0
    actions = full.filter(named).explode("part").unnest("part")
    subject = pl.col("subject")
    unrated = pl.col("kind").is_in(_RATIO_NEEDED) & pl.col("ratio").is_null()
    faults = [
        write_fault(pl.col("date").is_null(), "names no ex-date"),
        pl.when(unrated).then(
            pl.format("the subject {} names no ratio", subject.str.slice(0, 80))
        ),
    ]
    good, bad = judge_securities(actions, faults, files)
    made = good.with_columns(ex_date="date")
    seen = add_missing(made, ["series"]).filter(pl.col("series").is_not_null())
    other = full.filter(~named)
    return _Made(
        rows,
        {"actions": fit(made, ACTIONS), "sightings": list_sightings(seen, files)},
        [bad],
        [write_remark(other, files, "other_subject", subject.str.slice(0, 200))],
    )


def _read_subjects(rows: pl.DataFrame) -> pl.DataFrame:
    """Put the actions that a subject names beside it, each subject read once."""
    face = pl.col("face_value").str.replace_all(r"[^\d.]", "").cast(MONEY, strict=False)
    subjects = rows.select("subject", "face_value", face=face).unique()
    known = [
        (subject, said, [action._asdict() for action in read_subject(subject, face)])
        for subject, said, face in subjects.drop_nulls("subject").iter_rows()
    ]
    schema = {"subject": pl.String(), "face_value": pl.String(), "part": _PARTS}
    return rows.join(
        pl.DataFrame(known, schema=schema, orient="row"),
        on=["subject", "face_value"],
        how="left",
        nulls_equal=True,
        maintain_order="left",
    )


_DECODERS: Final[dict[str, Callable[[Cells, Files], _Made]]] = {
    "udiff": _decode_prices,
    "sec_bhavdata": _decode_prices,
    "cm_bhav": _decode_prices,
    "bse_eq": _decode_prices,
    "nav": _decode_prices,
    "var_margins": _decode_var_margins,
    "groups": _decode_groups,
    "collateral_list": _decode_collateral_list,
    "cmvolt": _decode_volatility,
    "equity_list": _decode_lists,
    "constituents": _decode_lists,
    "arrow_instruments": _decode_lists,
    "symbol_changes": _decode_symbol_changes,
    "corporate_actions": _decode_corporate_actions,
}
