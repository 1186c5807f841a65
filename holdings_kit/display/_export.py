"""Frames for other programs: pandas, Excel, CSV, JSON, parquet."""

from __future__ import annotations

from base64 import b64encode
from datetime import date, datetime
from decimal import Decimal
from json import dumps
from pathlib import Path
from typing import Any, Final, TypeAlias

import polars as pl

from holdings_kit.errors import ConfigError, load_optional

PandasFrame: TypeAlias = Any  # pandas is optional and has no types of its own

pandas: Any = load_optional("pandas")
xlsxwriter: Any = load_optional("xlsxwriter")

# A spreadsheet runs a text that begins with one of these (OWASP, CSV injection).
# A spreadsheet also looks behind blanks and quotes, and takes full-width signs.
_FORMULA: Final = r"""^(?:[\s"']*[=+\-@\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}]|[\t\r\n])"""


def to_pandas(frame: pl.DataFrame | pl.LazyFrame) -> PandasFrame:
    """Turn a frame of this package into a pandas one that other tools take.

    Exact numbers become floats, texts become categories, and instants become UTC
    without a time zone, since Excel and many tools refuse one. Null becomes NaN, NaT
    or a missing category; never 0. Lists stay lists, and bytes stay bytes.

    Parameters
    ----------
    frame
        Any polars frame, eager or lazy.

    Raises
    ------
    MissingExtra
        pandas is not installed.
    ConfigError
        `frame` is no polars frame.

    Examples
    --------
    >>> from decimal import Decimal
    >>> import holdings_kit as hk
    >>> value = [Decimal("1.5"), None]
    >>> frame = pl.DataFrame({"symbol": ["SBIN", "IDEA"], "value": value})
    >>> hk.to_pandas(frame)
      symbol  value
    0   SBIN    1.5
    1   IDEA    NaN
    """
    columns: dict[str, Any] = {}
    for series in collect_frame(frame).get_columns():
        if series.dtype == pl.String():
            values = pandas.Series(series.to_list(), dtype="category")
        elif series.dtype.is_nested() or series.dtype == pl.Binary():
            values = pandas.Series(series.to_list(), dtype="object")
        elif series.dtype.is_temporal():
            naive = _drop_time_zones(series.to_frame()).to_series()
            values = pandas.to_datetime(pandas.Series(naive.to_list()))
        elif series.dtype == pl.Boolean():
            values = pandas.Series(series.to_list(), dtype="boolean")
        else:
            floats = series.dtype.is_decimal() or series.null_count()
            plain = series.cast(pl.Float64()) if floats else series
            values = pandas.Series(plain.to_list(), dtype="float64" if floats else None)
        columns[series.name] = values
    return pandas.DataFrame(columns)


def export(frame: pl.DataFrame | pl.LazyFrame, to: str | Path) -> Path | str:
    """Write a frame as parquet, CSV, JSON or Excel, by the suffix of the path.

    Parquet keeps every type. CSV and JSON keep every digit: exact numbers are written
    as they are in CSV and as texts in JSON (`json_schema` describes the rows), null is
    an empty cell or ``null``. Excel holds fifteen digits and no time zone: instants are
    written in UTC. Bytes are base64 in all but parquet; in CSV and Excel a list of
    plain values is one text with semicolons, any other list is JSON. No text cell can
    run as a formula: in CSV it gets an apostrophe in front, in Excel it is stored as
    text.
    `holdings_kit.schema.as_frame` reads each of these files back in its types.

    Parameters
    ----------
    frame
        Any polars frame, eager or lazy.
    to
        A path that ends in ``.parquet``, ``.csv``, ``.json``, ``.ndjson`` or ``.xlsx``,
        or one of the words ``"csv"``, ``"json"``, ``"ndjson"``: then the text comes
        back and no file is written.

    Returns
    -------
    Path or str
        The path written, or the text.

    Raises
    ------
    MissingExtra
        XlsxWriter is not installed, for ``.xlsx``.
    ConfigError
        Another suffix, a folder that is not there, or a value that JSON
        has no form for.

    Examples
    --------
    >>> import holdings_kit as hk
    >>> from decimal import Decimal
    >>> frame = pl.DataFrame({"symbol": ["=SBIN"], "value": [Decimal("20607.3800")]})
    >>> print(hk.export(frame, "csv"), end="")
    symbol,value
    '=SBIN,20607.3800
    >>> hk.export(frame, "json")
    '[{"symbol": "=SBIN", "value": "20607.3800"}]'
    """
    data = collect_frame(frame)
    if str(to) in _TEXTS:
        return _TEXTS[str(to)](data)
    path = Path(to)
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
        known = ", ".join(_SUFFIXES)
        raise ConfigError(f"{str(to)!r}: the path must end in one of {known}")
    if not path.parent.is_dir():
        raise ConfigError(f"no such folder: {str(path.parent)!r}; make it first")
    if suffix == ".parquet":
        data.write_parquet(path)
    elif suffix == ".xlsx":
        _write_excel(data, path)
    else:
        path.write_text(_TEXTS[suffix[1:]](data), encoding="utf-8")
    return path


def collect_frame(frame: object) -> pl.DataFrame:
    """Take a polars frame, eager or lazy, and refuse anything else in words."""
    if isinstance(frame, pl.LazyFrame):
        return frame.collect()
    if isinstance(frame, pl.DataFrame):
        return frame
    hint = "; pass one of its frames" if hasattr(frame, "_fields") else ""
    raise ConfigError(f"a polars frame is needed, not {type(frame).__name__}{hint}")


def _drop_time_zones(frame: pl.DataFrame) -> pl.DataFrame:
    zoned = [
        pl.col(name).dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        for name, dtype in frame.schema.items()
        if isinstance(dtype, pl.Datetime) and dtype.time_zone
    ]
    return frame.with_columns(zoned)


def _flatten(frame: pl.DataFrame) -> pl.DataFrame:
    """Write a list in one cell, its items one after the other; the rest as JSON."""
    flat = [pl.col(pl.Binary()).bin.encode("base64")]
    for name, dtype in frame.schema.items():
        if isinstance(dtype, pl.List) and not dtype.inner.is_nested():
            flat.append(pl.col(name).cast(pl.List(pl.String())).list.join("; "))
        elif dtype.is_nested():
            texts = [None if it is None else _dump(it) for it in frame[name].to_list()]
            flat.append(pl.lit(pl.Series(name, texts, dtype=pl.String())))
    return frame.with_columns(flat)


def guard_formulas(frame: pl.DataFrame) -> pl.DataFrame:
    """Put an apostrophe before each text, and each name, that could run as a formula.

    Every writer of text that a spreadsheet opens or pastes goes through here.
    """
    texts = {
        name: pl.col(name).cast(pl.String())
        for name, dtype in frame.schema.items()
        if isinstance(dtype, pl.String | pl.Categorical | pl.Enum)
    }
    safe = frame.with_columns(
        pl.when(text.str.contains(_FORMULA))
        .then(pl.concat_str(pl.lit("'"), text))
        .otherwise(text)
        .alias(name)
        for name, text in texts.items()
    )
    names = pl.Series(frame.columns, dtype=pl.String())
    found = names.filter(names.str.contains(_FORMULA)).to_list()
    return safe.rename({name: f"'{name}" for name in found})


def _write_csv(frame: pl.DataFrame) -> str:
    return guard_formulas(_flatten(frame)).write_csv()


def _as_json_value(value: object) -> object:
    """Say a value in JSON without a float for money."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime | date):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes):
        return b64encode(value).decode()
    raise ConfigError(f"{type(value).__name__} cannot be written as JSON")


def _dump(value: object) -> str:
    return dumps(value, default=_as_json_value, ensure_ascii=False)


def _write_json(frame: pl.DataFrame) -> str:
    return _dump(_list_json_rows(frame))


def _write_ndjson(frame: pl.DataFrame) -> str:
    return "".join(_dump(row) + "\n" for row in _list_json_rows(frame))


def _list_json_rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Give the rows; what JSON has no number for (NaN, infinity) is unknown."""
    floats = pl.col(pl.Float64(), pl.Float32())
    known = pl.when(floats.is_finite()).then(floats)
    return frame.with_columns(known.name.keep()).to_dicts()


def _write_excel(frame: pl.DataFrame, path: Path) -> None:
    options = {"strings_to_formulas": False, "strings_to_urls": False}
    flat = _flatten(_drop_time_zones(frame)).with_columns(
        pl.col(name).cast(pl.Float64())
        for name, dtype in frame.schema.items()
        if dtype.is_decimal()
    )
    with xlsxwriter.Workbook(path, options) as book:
        flat.write_excel(book, autofit=True)


_TEXTS: Final = {"csv": _write_csv, "json": _write_json, "ndjson": _write_ndjson}
_SUFFIXES: Final = (".parquet", ".csv", ".json", ".ndjson", ".xlsx")
