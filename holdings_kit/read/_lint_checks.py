"""The comparisons: a payload with a field table, and with an earlier payload."""

from __future__ import annotations

from typing import Final

import polars as pl

from holdings_kit.wire._published import IDENTITIES, VALUES

CHECKED: Final = pl.Schema(
    {
        "severity": pl.String(),  # error | warning | info
        "kind": pl.String(),
        "field": pl.String(),
        "pointer": pl.String(),  # the first place
        "count": pl.Int64(),
        "of": pl.Int64(),
        "message": pl.String(),
    }
)
_EMPTY: Final = (pl.col("type") == "null") | (pl.col("value").str.strip_chars() == "")
_NUMBER: Final = pl.col("value").str.contains(
    r"^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$"
)


def _count_places(
    leaves: pl.DataFrame,
    when: pl.Expr,
    severity: pl.Expr | str,
    kind: str,
    message: str,
) -> pl.DataFrame:
    """Count the places of each field where `when` holds."""
    level = pl.lit(severity) if isinstance(severity, str) else severity
    shown = pl.col("value").filter(when).drop_nulls().unique(maintain_order=True)
    return (
        leaves.with_columns(_when=when.fill_null(value=False), _level=level)
        .group_by("path", maintain_order=True)
        .agg(
            severity=pl.col("_level").filter("_when").first(),
            pointer=pl.col("pointer").filter("_when").first(),
            count=pl.col("_when").sum(),
            of=pl.len(),
            _said=shown.head(3).str.join(", "),
        )
        .filter(pl.col("count") > 0)
        .select(
            "severity",
            pl.lit(kind).alias("kind"),
            pl.col("path").alias("field"),
            "pointer",
            pl.col("count").cast(pl.Int64()),
            pl.col("of").cast(pl.Int64()),
            message=pl.format(message, "_said"),
        )
    )


def check_fields(leaves: pl.DataFrame, fields: pl.DataFrame) -> list[pl.DataFrame]:
    """Undeclared and missing fields, empty numbers, other types, new words."""
    known = leaves.join(
        fields.rename({"type": "declared"}),
        on="path",
        how="left",
        maintain_order="left",
    )
    declared = pl.col("declared").is_not_null()
    numeric = pl.col("declared") == "number"
    words = pl.lit(value=False)
    for path, values in VALUES.items():
        words |= (pl.col("path") == path) & ~pl.col("value").is_in(values)
    return [
        _count_places(
            known, ~declared, "warning", "undeclared_field", "not documented, says {}"
        ),
        _count_places(
            known,
            declared & _EMPTY & numeric,
            pl.when("empty").then(pl.lit("info")).otherwise(pl.lit("error")),
            "empty_number",
            "a number is empty: it is unknown, not 0{}",
        ),
        _count_places(
            known,
            numeric & ~_EMPTY & ~_NUMBER,
            "error",
            "not_a_number",
            "documented as a number, says {}",
        ),
        _count_places(
            known,
            declared
            & ~_EMPTY
            & (
                (numeric & (pl.col("type") == "number") & pl.col("quoted"))
                | (numeric & (pl.col("type") == "text") & ~pl.col("quoted") & _NUMBER)
                | ((pl.col("declared") == "text") & (pl.col("type") != "text"))
                | ((pl.col("declared") == "flag") & (pl.col("type") != "flag"))
            ),
            "warning",
            "other_type",
            "documented as another JSON type, says {}",
        ),
        _count_places(
            known, words, "warning", "enum_drift", "not one of the known words: {}"
        ),
        *_find_missing(leaves, fields),
    ]


def _find_missing(leaves: pl.DataFrame, fields: pl.DataFrame) -> list[pl.DataFrame]:
    """Find required fields that are nowhere, and those that are not in every row."""
    seen = set(leaves["path"])
    missing = fields.filter(pl.col("required") & ~pl.col("path").is_in(seen))
    rows = leaves["row"].n_unique() - (1 if (leaves["row"] == "").any() else 0)
    partial = (
        leaves.filter(pl.col("row") != "")
        .group_by("path", "field", maintain_order=True)
        .agg(pl.col("row").n_unique(), pl.col("pointer").first())
        .join(fields.filter("required"), on="path")
        .filter(pl.col("row") < rows)
    )
    return [
        missing.select(
            pl.lit("warning").alias("severity"),
            pl.lit("missing_field").alias("kind"),
            pl.col("path").alias("field"),
            pl.lit("").alias("pointer"),
            pl.lit(rows, pl.Int64()).alias("count"),
            pl.lit(rows, pl.Int64()).alias("of"),
            message=pl.lit("documented, and nowhere in the payload"),
        ).filter(pl.lit(rows > 0)),
        partial.select(
            pl.lit("warning").alias("severity"),
            pl.lit("missing_field").alias("kind"),
            pl.col("path").alias("field"),
            "pointer",
            (rows - pl.col("row")).cast(pl.Int64()).alias("count"),
            pl.lit(rows, pl.Int64()).alias("of"),
            message=pl.lit("documented, and not in every row"),
        ),
    ]


def check_rows(leaves: pl.DataFrame, form: str) -> list[pl.DataFrame]:
    """Statements about one row that the row itself breaks, and rows given twice."""
    rows = leaves.filter(
        pl.col("row") != "", ~pl.col("field").str.contains("[]", literal=True)
    )
    if rows.is_empty():
        return []
    wide = rows.pivot("field", index="row", values="value", maintain_order=True)
    found: list[pl.DataFrame] = []
    for name, statement, broken, severity in IDENTITIES:
        if name != form:
            continue
        names = broken.meta.root_names()
        texts = {"nseTicker"}
        cast = [
            (pl.col(c) if c in wide.columns else pl.lit(None, pl.String())).alias(c)
            for c in names
        ]
        numbers = wide.select("row", *cast).with_columns(
            pl.col(c).str.strip_chars().cast(pl.Decimal(28, 6), strict=False)
            for c in names
            if c not in texts
        )
        bad = numbers.filter(broken.fill_null(value=False))
        found.append(
            _report_statement(
                bad["row"], severity, "contradiction", statement, wide.height
            )
        )
    listing = (
        leaves.filter(
            pl.col("field").is_in(["symbols[].exchange", "symbols[].token", "isin"])
        )
        .with_columns(at=pl.col("pointer").str.replace(r"/[^/]*$", ""))
        .group_by("at", "row", maintain_order=True)
        .agg(pl.col("value").str.join(" "))
    )
    twice = listing.filter(pl.col("value").is_duplicated() & (pl.col("value") != ""))
    found.append(
        _report_statement(
            twice["row"], "error", "told_twice", "one line per security", wide.height
        )
    )
    return found


def _report_statement(
    rows: pl.Series, severity: str, kind: str, statement: str, of: int
) -> pl.DataFrame:
    if rows.is_empty():
        return pl.DataFrame(schema=CHECKED)
    row = (
        severity,
        kind,
        "",
        rows[0],
        rows.n_unique(),
        of,
        f"does not hold: {statement}",
    )
    return pl.DataFrame([row], schema=CHECKED, orient="row")


def _count_fields(leaves: pl.DataFrame) -> pl.DataFrame:
    number = pl.col("value").cast(pl.Float64(), strict=False).abs().median()
    return leaves.group_by("path").agg(
        pl.col("pointer").first(),
        types=pl.col("type").unique().sort().str.join("|"),
        empty=_EMPTY.fill_null(value=True).mean(),
        middle=number,
        count=pl.len().cast(pl.Int64()),
    )


def check_earlier(leaves: pl.DataFrame, earlier: pl.DataFrame) -> list[pl.DataFrame]:
    """Say what changed in shape since an earlier payload: fields, types, units."""
    both = _count_fields(leaves).join(
        _count_fields(earlier), on="path", how="full", coalesce=True, suffix="_before"
    )
    gone, new = pl.col("types").is_null(), pl.col("types_before").is_null()
    step = pl.col("middle") / pl.col("middle_before")
    rules = (
        (gone, "field_gone", "in the earlier payload, not in this one"),
        (new, "field_new", "not in the earlier payload"),
        (
            pl.col("types") != pl.col("types_before"),
            "type_drift",
            "{} before, now {}",
        ),
        (
            (pl.col("empty") == 1) & (pl.col("empty_before") < 1),
            "emptied",
            "filled before, empty everywhere now",
        ),
        (
            (pl.col("empty") < 1) & (pl.col("empty_before") == 1),
            "filled",
            "empty everywhere before, filled now",
        ),
        (
            ~step.is_between(1 / 50, 50) & (pl.col("middle_before") > 0),
            "unit_drift",
            "the middle figure moved by a factor of 50 or more: another unit?",
        ),
    )
    return [
        both.filter(when.fill_null(value=False))
        .sort("path")
        .select(
            pl.lit("info" if kind == "filled" else "warning").alias("severity"),
            pl.lit(kind).alias("kind"),
            pl.col("path").alias("field"),
            pl.coalesce("pointer", "pointer_before").alias("pointer"),
            pl.coalesce("count", "count_before").alias("count"),
            pl.coalesce("count", "count_before").alias("of"),
            message=pl.format(message, "types_before", "types")
            if "{}" in message
            else pl.lit(message),
        )
        for when, kind, message in rules
    ]
