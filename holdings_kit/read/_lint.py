"""Whether a payload says what its documentation says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from holdings_kit.errors import WireError
from holdings_kit.read._lint_checks import (
    CHECKED,
    against_earlier,
    against_fields,
    within_rows,
)
from holdings_kit.read._lint_documents import against_page, sample_of
from holdings_kit.read._lint_leaves import leaves, parse, payload_format
from holdings_kit.wire import read_bytes
from holdings_kit.wire._published import PUBLISHED

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FINDINGS", "lint"]

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
    name, text = _text(source)
    page = None if text.lstrip()[:1] in {"{", "["} else text
    form, found = _read(text, name)
    fields = PUBLISHED.filter(pl.col("format") == form).drop("format")
    checked = [*against_fields(found, fields), *within_rows(found, form)]
    if page is not None:
        checked += against_page(page, found)
    if earlier is not None:
        before, past = _read(*reversed(_text(earlier)))
        if before != form:
            raise WireError(name, "", f"is {form}, the earlier payload is {before}")
        checked += against_earlier(found, past)
    frames = [frame.select(CHECKED.names()).cast(CHECKED) for frame in checked]
    return (
        pl.concat([pl.DataFrame(schema=CHECKED), *frames])
        .select(pl.lit(form).alias("format"), *CHECKED.names())
        .sort(pl.col("severity").cast(_ORDER), maintain_order=True)
    )


def _text(source: bytes | str | Path) -> tuple[str, str]:
    if isinstance(source, bytes):
        body, name = source, "payload"
    else:
        body, name = read_bytes(source, door="lint")
    try:
        return name, body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise WireError(name, "", f"not UTF-8: {error}") from error


def _read(text: str, name: str) -> tuple[str, pl.DataFrame]:
    """Read a payload, or the sample of a page, into its values."""
    json = text
    if text.lstrip()[:1] not in {"{", "["}:
        sample = sample_of(text)
        if sample is None:
            raise WireError(name, "", "neither JSON nor a page with a JSON sample")
        json = sample
    form, document = payload_format(parse(json, name), name)
    return form, leaves(document)
