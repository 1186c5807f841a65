"""Whether a payload says what its documentation says."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final, cast

import polars as pl

from holdings_kit.errors import WireError
from holdings_kit.read._lint_checks import (
    CHECKED,
    check_earlier,
    check_fields,
    check_rows,
)
from holdings_kit.read._packed import read_bytes
from holdings_kit.wire._published import PUBLISHED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FINDINGS: Final = pl.Schema({"format": pl.String(), **CHECKED})
_ORDER: Final = pl.Enum(["error", "warning", "info"])


def lint(
    source: bytes | str | Path, *, earlier: bytes | str | Path | None = None
) -> pl.DataFrame:
    """Report where a holdings payload and its documentation disagree.

    Reads an Arrow reply, a Gateway fetch body or webhook (v1 or v2), or a page of
    documentation that holds a sample: of a page, its own field tables and its
    sentences about the sample are checked as well. Nothing is mended or refused.

    Parameters
    ----------
    source
        The bytes, or a path to them.
    earlier
        An earlier payload of the same format: fields, types and units that moved
        since are reported too.

    Returns
    -------
    pl.DataFrame
        `FINDINGS`, worst first: severity, kind, field (``[]`` for any place in a
        list), pointer to the first place (RFC 6901), in how many of how many places,
        and a sentence. Empty: nothing to report.

    Raises
    ------
    WireError
        Not JSON and no page with a sample, or of neither vendor's shape; or `earlier`
        is of another format.

    Examples
    --------
    >>> body = b'{"data": [{"qty": "2", "t1Qty": "", "new": "1"}], "status": "success"}'
    >>> found = lint(body).filter(pl.col("kind") != "missing_field")
    >>> found.select(
    ...     "severity", "kind", "field"
    ... ).rows()  # doctest: +NORMALIZE_WHITESPACE
    [('error', 'empty_number', 'data[].t1Qty'),
     ('warning', 'undeclared_field', 'data[].new')]
    """
    name, text = _read_payload_text(source)
    page = None if text.lstrip()[:1] in {"{", "["} else text
    form, found = _read_values(text, name)
    fields = PUBLISHED.filter(pl.col("format") == form).drop("format")
    checked = [*check_fields(found, fields), *check_rows(found, form)]
    if page is not None:
        checked += check_page(page, found)
    if earlier is not None:
        before, past = _read_values(*reversed(_read_payload_text(earlier)))
        if before != form:
            raise WireError(name, "", f"is {form}, the earlier payload is {before}")
        checked += check_earlier(found, past)
    frames = [frame.select(CHECKED.names()).cast(CHECKED) for frame in checked]
    return (
        pl.concat([pl.DataFrame(schema=CHECKED), *frames])
        .select(pl.lit(form).alias("format"), *CHECKED.names())
        .sort(pl.col("severity").cast(_ORDER), maintain_order=True)
    )


def _read_payload_text(source: bytes | str | Path) -> tuple[str, str]:
    if isinstance(source, bytes):
        body, name = source, "payload"
    else:
        body, name = read_bytes(source, door="lint")
    try:
        return name, body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise WireError(name, "", f"not UTF-8: {error}") from error


def _read_values(text: str, name: str) -> tuple[str, pl.DataFrame]:
    """Read a payload, or the sample of a page, into its values."""
    json = text
    if text.lstrip()[:1] not in {"{", "["}:
        sample = cut_sample(text)
        if sample is None:
            raise WireError(name, "", "neither JSON nor a page with a JSON sample")
        json = sample
    form, document = find_format(parse_json(json, name), name)
    try:
        return form, list_values(document)
    except RecursionError:
        raise WireError(name, "", "nested too deeply") from None
    except UnicodeEncodeError:
        raise WireError(name, "", "a text holds half a surrogate pair") from None


_FIELD: Final = re.compile(
    r"^\|?[ \t]*`?(\w+)`?\s*\|\s*(?:string|number|integer|array|object|boolean)\s*\|",
    re.MULTILINE,
)
_TOTAL: Final = re.compile(r"Total Holdings:\s*(\d+)")
_LISTED: Final = re.compile(r"Exchanges:\s*\w+\s*\(([\w&-]+)\)")
_CLAIMS: Final = (
    ("qty", re.compile(r"Total Quantity:\s*([\d,.]+)")),
    ("avgPrice", re.compile(r"Avg Price:\s*(?:₹|Rs\.?|INR)?\s*([\d,.]+)")),
    ("haircut", re.compile(r"Haircut:\s*([\d.]+)\s*%")),
)


def cut_sample(text: str) -> str | None:
    """Cut the first JSON object that closes out of a page; null where none does."""
    for start in (
        found.start() for found in re.finditer(r"^\s*\{", text, re.MULTILINE)
    ):
        depth = 0
        for place, letter in enumerate(text[start:], start):
            depth += {"{": 1, "}": -1}.get(letter, 0)
            if letter == "}" and depth == 0:
                return text[start : place + 1]
    return None


def list_declared_names(text: str) -> set[str]:
    """Names in the first column of the page's field tables."""
    page = re.sub(r"(?m)^(\w+)\s*\|[ \t]*\n", r"\1 | ", text)
    return set(_FIELD.findall(page))


def check_page(text: str, leaves: pl.DataFrame) -> list[pl.DataFrame]:
    """Undeclared names of the sample, and sentences that the sample contradicts."""
    names = list_declared_names(text)
    last = pl.col("path").str.extract(r"(\w+)(?:\[\])?$", 1)
    own = (
        leaves.filter(~last.is_in(names))
        .group_by("path", maintain_order=True)
        .agg(pl.col("pointer").first(), pl.len().cast(pl.Int64()).alias("count"))
        .select(
            pl.lit("warning").alias("severity"),
            pl.lit("undeclared_field").alias("kind"),
            pl.col("path").alias("field"),
            "pointer",
            "count",
            pl.col("count").alias("of"),
            message=pl.lit("in the page's sample, not in its field tables"),
        )
    )
    return [own.filter(pl.lit(bool(names))), _check_claims(text, leaves)]


def _check_claims(text: str, leaves: pl.DataFrame) -> pl.DataFrame:
    """Compare the page's sentences about its sample with the sample."""
    rows = leaves.filter(pl.col("row") != "")
    count = rows["row"].n_unique()
    said: list[tuple[str, str, str, str, int, int, str]] = []
    total = _TOTAL.search(text)
    if total and int(total[1]) != count:
        said.append(
            _report_places(
                "",
                "/data",
                f"the page says {total[1]} holdings, the sample has {count}",
            )
        )
    blocks = _LISTED.split(text)
    for listed, block in zip(blocks[1::2], blocks[2::2], strict=True):
        row = rows.filter(
            pl.col("field") == "symbols[].tradingSymbol", pl.col("value") == listed
        )["row"]
        if row.is_empty():
            said.append(
                _report_places(
                    "", "", f"the page speaks of {listed}, the sample does not"
                )
            )
            continue
        own = dict(rows.filter(pl.col("row") == row[0]).select("field", "value").rows())
        for field, pattern in _CLAIMS:
            claim = pattern.search(block)
            if claim and float(claim[1].replace(",", "")) != float(
                own.get(field) or "nan"
            ):
                words = f"{listed}: the page says {field} {claim[1]}, "
                words += f"the sample {own.get(field)}"
                said.append(
                    _report_places(f"data[].{field}", f"{row[0]}/{field}", words)
                )
    filled = rows.filter(
        (pl.col("field") == "close") & (pl.col("value").fill_null("") != "")
    ).height
    if "Market data pending" in text and filled:
        words = "the page says market data is pending, "
        words += f"close is filled in {filled} of {count}"
        said.append(_report_places("data[].close", "/data/0/close", words))
    return pl.DataFrame(said, schema=CHECKED, orient="row")


def _report_places(
    field: str, pointer: str, words: str
) -> tuple[str, str, str, str, int, int, str]:
    return ("error", "contradiction", field, pointer, 1, 1, words)


LEAVES: Final = pl.Schema(
    {
        "pointer": pl.String(),  # RFC 6901
        "path": pl.String(),  # the same, [] for any place in a list
        "row": pl.String(),  # pointer of the nearest object of a top list
        "field": pl.String(),  # the path inside that object
        "type": pl.String(),  # text | number | flag | null | group
        "value": pl.String(),
    }
)
_LISTS: Final = ("data[]", "securities[]", "securities.holdings[]")


def find_format(document: object, source: str) -> tuple[str, object]:
    """Name the format and unwrap the envelope.

    Raises
    ------
    WireError
        The document is of neither vendor's published shape.
    """
    if isinstance(document, dict):
        body = cast("dict[str, object]", document)
        if isinstance(body.get("data"), list):
            return "arrow", body
        inner = body.get("data", body)
        if isinstance(inner, dict):
            data = cast("dict[str, object]", inner)
            if isinstance(data.get("securities"), list):
                return "gateway-v2", data
            if isinstance(data.get("securities"), dict):
                return "gateway-v1", data
    raise WireError(source, "", "neither an Arrow holdings reply nor a Gateway payload")


def list_values(document: object) -> pl.DataFrame:
    """List every value of a JSON document; numbers keep their text."""
    return pl.DataFrame(
        list(_walk_values(document, "", "", "", "")), schema=LEAVES, orient="row"
    )


def parse_json(text: str, source: str) -> object:
    """Read JSON; numbers and text stay distinct.

    Raises
    ------
    WireError
        It is not JSON.
    """
    try:
        return cast("object", json.loads(text, parse_float=_Number, parse_int=_Number))
    except json.JSONDecodeError as error:
        raise WireError(source, "", f"not JSON: {error}") from error
    except RecursionError:
        raise WireError(source, "", "not JSON: nested too deeply") from None


class _Number(str):
    """A JSON number, as it was written."""

    __slots__ = ()


def _walk_values(
    node: object, pointer: str, path: str, row: str, field: str
) -> Iterator[tuple[str, str, str, str, str, str | None]]:
    if isinstance(node, dict):
        for key, value in cast("dict[str, object]", node).items():
            step = key.replace("~", "~0").replace("/", "~1")
            yield from _walk_values(
                value,
                f"{pointer}/{step}",
                f"{path}.{key}" if path else key,
                row,
                f"{field}.{key}" if field else key,
            )
        return
    if isinstance(node, list):
        place = f"{path}[]"
        for number, value in enumerate(cast("list[object]", node)):
            here = f"{pointer}/{number}"
            top = place in _LISTS
            yield from _walk_values(
                value, here, place, here if top else row, "" if top else f"{field}[]"
            )
        return
    yield (pointer, path, row, field, *_describe_value(node))


def _describe_value(node: object) -> tuple[str, str | None]:
    if node is None:
        return "null", None
    if isinstance(node, bool):
        return "flag", str(node).lower()
    if isinstance(node, _Number):
        return "number", str(node)
    return "text", str(node)
