"""A documentation page: its field tables, its sample, its words about the sample."""

from __future__ import annotations

import re
from typing import Final

import polars as pl

from holdings_kit.read._lint_checks import CHECKED

__all__ = ["against_page", "declared_names", "sample_of"]

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


def sample_of(text: str) -> str | None:
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


def declared_names(text: str) -> set[str]:
    """Names in the first column of the page's field tables."""
    page = re.sub(r"(?m)^(\w+)\s*\|[ \t]*\n", r"\1 | ", text)
    return set(_FIELD.findall(page))


def against_page(text: str, leaves: pl.DataFrame) -> list[pl.DataFrame]:
    """Undeclared names of the sample, and sentences that the sample contradicts."""
    names = declared_names(text)
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
    return [own.filter(pl.lit(bool(names))), _claims(text, leaves)]


def _claims(text: str, leaves: pl.DataFrame) -> pl.DataFrame:
    """Compare the page's sentences about its sample with the sample."""
    rows = leaves.filter(pl.col("row") != "")
    count = rows["row"].n_unique()
    said: list[tuple[str, str, str, str, int, int, str]] = []
    total = _TOTAL.search(text)
    if total and int(total[1]) != count:
        said.append(
            _told(
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
                _told("", "", f"the page speaks of {listed}, the sample does not")
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
                said.append(_told(f"data[].{field}", f"{row[0]}/{field}", words))
    filled = rows.filter(
        (pl.col("field") == "close") & (pl.col("value").fill_null("") != "")
    ).height
    if "Market data pending" in text and filled:
        words = "the page says market data is pending, "
        words += f"close is told in {filled} of {count}"
        said.append(_told("data[].close", "/data/0/close", words))
    return pl.DataFrame(said, schema=CHECKED, orient="row")


def _told(
    field: str, pointer: str, words: str
) -> tuple[str, str, str, str, int, int, str]:
    return ("error", "contradiction", field, pointer, 1, 1, words)
