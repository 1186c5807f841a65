"""Which snapshot counts: current, superseded or quarantined, and why.

The status is not stored. It is worked out whenever the store is read, from the set of
stored snapshots in the order of `snapshot_at`; the order of arrival plays no part. So
any permutation, repetition or delay of the same deliveries ends in the same answer, and
a snapshot that comes late takes its place in the past: it is superseded, not an error.

Along an account, each snapshot is measured against the last one that was *accepted*:
after one failed fetch, a second one just as thin is not plausible either. A promotion
accepts a snapshot for good, and what follows is measured against it.

Securities and funds are asked for apart (`scope`). A snapshot speaks for the parts that
were asked for, is measured against the last accepted one of each of them, and replaces
it there alone: an account is then current in two snapshots, each with its own date.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterable

_ACCOUNT: Final = ("source", "account_id")
_ORDER: Final = (*_ACCOUNT, "snapshot_at", "format", "fetched_at", "snapshot_id")
PARTS: Final = {"securities": "securities", "funds": "mutual funds"}
"""What of an account is asked for apart, and how `kinds` calls it."""
BOTH: Final = "+".join(PARTS)
_NO_FUNDS: Final = {"securities": PARTS["securities"]}
_TRUST: Final = (
    pl.when(pl.col("checksum_ok")).then(0).when(~pl.col("checksum_ok")).then(2)
).otherwise(1)


class Rule(NamedTuple):
    """A ground for quarantine: where `holds` is true, `reason` says why."""

    holds: pl.Expr
    reason: pl.Expr
    promotable: bool = True


# Grounds found in the snapshot itself.
ALONE: Final = (
    Rule(
        pl.col("account_id").is_null(),
        pl.lit("no account: the payload does not say whose it is"),
        promotable=False,
    ),
    Rule(
        pl.col("snapshot_at").is_null(),
        pl.lit("undated: without snapshot_at it has no place among the others"),
        promotable=False,
    ),
    Rule(
        pl.col("snapshot_at") > pl.col("fetched_at") + pl.duration(days=1),
        pl.lit("from the future: snapshot_at is over a day after it was fetched"),
    ),
    Rule(~pl.col("checksum_ok"), pl.lit("checksum wrong: anyone may have sent it")),
    # What the store found when it was read (`StoreView`); a new append mends it.
    Rule(pl.col("missing").is_not_null(), pl.col("missing"), promotable=False),
    # What the door that read it found: unreadable rows, no list of holdings.
    Rule(pl.col("doubt").is_not_null(), pl.col("doubt")),
)

# Ground found beside another snapshot of the same account, instant and extent: what was
# true at an instant is one thing. Which of them is false cannot be told from here.
RIVALS: Final = Rule(
    pl.col("rivals") > 1,
    pl.lit("two contents for one account and instant: promote the true one"),
)

# Grounds found beside the snapshot accepted before it, for one part of the account at a
# time: its securities, or its funds (`part_rows`, `part_rows_before`, …).
AMONG: Final = (
    Rule(
        (pl.col("rows_count") == 0) & pl.col("is_there_before"),
        pl.format(
            "empty: the snapshot before has {} {}",
            "rows_count_before",
            pl.when(pl.col("rows_count_before") == 1)
            .then(pl.lit("row"))
            .otherwise(pl.lit("rows")),
        ),
    ),
    Rule(
        (pl.col("brokers").list.len() > 0) & (pl.col("brokers_lost").list.len() > 0),
        pl.format("lost a broker: {}", pl.col("brokers_lost").list.join(", ")),
    ),
    Rule(
        (pl.col("rows_count") > 0) & pl.col("is_there_before") & ~pl.col("is_there"),
        pl.format("lost all {}", "kind"),
    ),
    Rule(
        # a quotient, for 100 × 0.55 is more than 55 in floating point
        pl.col("part_rows") / pl.col("part_rows_before") < pl.col("few_rows"),
        pl.format(
            "far fewer rows: {}, the snapshot before has {}",
            "part_rows",
            "part_rows_before",
        ),
    ),
)


def _take_first_reason(rules: Iterable[Rule]) -> pl.Expr:
    """Give the reason of the first rule that holds and is not overruled, or null."""
    open_to = pl.col("promoted").is_null()
    return pl.coalesce(
        pl.when(rule.holds & (open_to if rule.promotable else True)).then(rule.reason)
        for rule in rules
    )


def one_per_snapshot(stored: pl.DataFrame) -> pl.DataFrame:
    """Keep one row per snapshot_id, whatever the order and number of its deliveries.

    A delivery whose rows are all there speaks before one with `missing` rows. Then one
    whose checksum fits before one without, and that before one whose checksum is wrong;
    then the one that was asked for most, for an empty list and none are one content;
    then the earliest `fetched_at`. The `batch_id`
    of the row that is kept names the one append whose rows are read.
    """
    if stored["snapshot_id"].is_unique().all():
        return stored
    rest = ("transaction_id", "notes", "file", "line_no", "notices", "batch_id")
    return (
        stored.with_columns(
            _TRUST.alias("_"),
            pl.col("missing").is_not_null().alias("_missing"),
            -pl.col("scope").str.len_bytes().cast(pl.Int64()).alias("_asked"),
        )
        .sort(
            *("snapshot_id", "_missing", "_", "_asked", "fetched_at"),
            *rest,
            nulls_last=True,
        )
        .unique("snapshot_id", keep="first", maintain_order=True)
        .drop("_", "_missing", "_asked")
    )


def judge(
    stored: pl.DataFrame, decisions: pl.DataFrame, *, few_rows: float
) -> pl.DataFrame:
    """Give every stored snapshot its `status` and `status_reason`.

    Parameters
    ----------
    stored
        Rows of the snapshots table; several deliveries of one snapshot are one. A
        column `missing` says which of its rows are not there, where some are not.
    decisions
        Rows of the log of promotions.
    few_rows
        A snapshot with fewer than this fraction of the rows before it is quarantined.

    Returns
    -------
    pl.DataFrame
        One row per snapshot, by account and instant. Per account and part at most one
        is `current`: the newest that was accepted; `current_scope` names the parts.
        What older formats did not say of `scope` is read from the rows.
    """
    if "missing" not in stored.columns:  # all rows are there
        stored = stored.with_columns(missing=pl.lit(None, pl.String()))
    promoted = (
        decisions.sort("decided_at", "reason")
        .unique("snapshot_id", keep="last", maintain_order=True)
        .select("snapshot_id", promoted="reason")
    )
    snapshots = (
        one_per_snapshot(stored)
        .with_columns(scope=_fill_scope())
        .sort(_ORDER, nulls_last=True)
        .join(promoted, on="snapshot_id", how="left", maintain_order="left")
    )
    grounds = _with_rivals(snapshots).filter(pl.col("reason").is_not_null())
    chain = snapshots.join(
        grounds, on="snapshot_id", how="anti", maintain_order="left"
    ).with_columns(few_rows=pl.lit(few_rows))
    found = _find_implausible(_split_by_part(chain.with_row_index("place")))
    return _with_status(snapshots, pl.concat([grounds, *found]))


def _fill_scope() -> pl.Expr:
    """Give `scope`; for rows of a format that had none, the kinds that are there."""
    kinds = pl.col("kinds").list
    both = kinds.len() > 1
    seen = (
        pl.when(both)
        .then(pl.lit(BOTH))
        .when(kinds.contains(PARTS["funds"]))
        .then(pl.lit("funds"))
        .otherwise(pl.lit("securities"))
    )
    return pl.coalesce("scope", pl.when(pl.col("funds_count").is_null()).then(seen))


def covers(part: str) -> pl.Expr:
    """Tell whether a part was asked for, or is there; what is unknown may have been."""
    asked = pl.col("scope").is_in([part, BOTH]).fill_null(value=True)
    return asked | pl.col("kinds").list.contains(PARTS[part])


def speaks_for(part: str) -> pl.Expr:
    """Tell whether a part surely was asked for, or is there: it can be current."""
    there = pl.col("kinds").list.contains(PARTS[part])
    return covers(part) & (pl.col("scope").is_not_null() | there)


def _split_by_part(chain: pl.DataFrame) -> pl.DataFrame:
    """Give one row per snapshot and part it covers, with the rows of that part."""
    rows, kinds = pl.col("rows_count"), pl.col("kinds").list
    # where nothing speaks for funds, their chain is that of the securities once more
    spoken = speaks_for("funds") | (pl.col("funds_count") > 0)
    parts = PARTS if chain.select(spoken.any()).item() else _NO_FUNDS
    funds = pl.coalesce(
        "funds_count",  # older formats counted none: their kinds tell, where one alone
        pl.when(~kinds.contains(PARTS["funds"])).then(0),
        pl.when(kinds.len() == 1).then(rows),
    )
    count = {"securities": rows - funds, "funds": funds}
    return pl.concat(
        chain.filter(covers(part)).with_columns(
            part=pl.lit(part),
            kind=pl.lit(kind),
            part_rows=count[part],
            is_there=pl.col("kinds").list.contains(kind)
            | (count[part] > 0).fill_null(value=False),
        )
        for part, kind in parts.items()
    )


def _with_rivals(snapshots: pl.DataFrame) -> pl.DataFrame:
    """Give each snapshot the reason found in itself, else beside a rival, or null.

    Rivals are of one account, instant, format and scope; of unknown scope, of one kind,
    and one without rows is a rival of any with securities. One that is quarantined for
    itself is no rival, or a stranger without a checksum could stop what is true.
    """
    kinds = pl.when(pl.col("kinds").list.len() == 0).then(pl.lit(["securities"]))
    same = (*_ACCOUNT, "snapshot_at", "format", "_extent")
    return (
        snapshots.with_columns(
            _extent=pl.coalesce("scope", kinds.otherwise("kinds").list.join("+")),
            reason=_take_first_reason(ALONE),
        )
        .with_columns(rivals=pl.col("reason").is_null().sum().over(same))
        .select(
            "snapshot_id",
            reason=pl.coalesce("reason", _take_first_reason([RIVALS])),
        )
    )


def _find_implausible(chain: pl.DataFrame) -> list[pl.DataFrame]:
    """Take out the first implausible snapshot of each account until none is left.

    All before the first are accepted, so the shift sees the last accepted one. The
    number of rounds is that of the quarantined snapshots of one account, plus one.
    """
    found: list[pl.DataFrame] = []
    while not (first := _find_first_implausible(chain)).is_empty():
        found.append(first.select("snapshot_id", "reason"))
        chain = chain.join(first, on=_ACCOUNT, how="semi", maintain_order="left").join(
            first, on="snapshot_id", how="anti", maintain_order="left"
        )
    return found


def _find_first_implausible(chain: pl.DataFrame) -> pl.DataFrame:
    def before(column: str) -> pl.Expr:
        return pl.when(_is_same_part(1)).then(pl.col(column).shift(1))

    lost = pl.col("brokers_before").list.set_difference("brokers").list.sort()
    rows, rows_before = pl.col("part_rows"), pl.col("part_rows_before")
    suspect = (
        (rows < rows_before)
        | (rows / rows_before < pl.col("few_rows"))
        | (pl.col("is_there_before") & ~pl.col("is_there"))
        | pl.col("brokers").ne_missing(pl.col("brokers_before"))
    )
    columns = ("part_rows", "rows_count", "is_there", "brokers")
    return (
        chain.with_columns(
            before(column).alias(f"{column}_before") for column in columns
        )
        .filter(suspect)  # by no rule can another be implausible
        .with_columns(brokers_lost=lost)
        .select(*_ACCOUNT, "place", "snapshot_id", reason=_take_first_reason(AMONG))
        .filter(pl.col("reason").is_not_null())
        .sort("place", maintain_order=True)
        .unique(_ACCOUNT, keep="first", maintain_order=True)
    )


def _is_same_part(steps: int) -> pl.Expr:
    """Tell whether the row so many before is of the same account and part.

    The rows are sorted: one part after the other, and each by account.
    """
    return pl.all_horizontal(
        pl.col(column).eq_missing(pl.col(column).shift(steps))
        for column in ("part", *_ACCOUNT)
    )


def _with_status(snapshots: pl.DataFrame, grounds: pl.DataFrame) -> pl.DataFrame:
    judged = snapshots.join(
        grounds, on="snapshot_id", how="left", maintain_order="left"
    )
    accepted = judged.filter(pl.col("reason").is_null()).with_row_index("place")
    newer = pl.when(_is_same_part(-1)).then(pl.col("snapshot_id").shift(-1))
    chain = _split_by_part(accepted).select("snapshot_id", "part", newer=newer)
    for part in PARTS:
        mine = chain.filter(part=part).select(
            "snapshot_id",
            pl.lit(value=True).alias(f"_{part}"),
            pl.col("newer").alias(f"_newer_{part}"),
        )
        judged = judged.join(mine, on="snapshot_id", how="left", maintain_order="left")
    first, second = (pl.col(f"_newer_{part}") for part in PARTS)
    by = pl.when(first != second).then(pl.format("{}, {}", first, second))
    superseded = pl.format("superseded by {}", by.otherwise(pl.coalesce(first, second)))
    is_newest = {
        part: pl.col(f"_{part}").fill_null(value=False)
        & pl.col(f"_newer_{part}").is_null()
        for part in PARTS
    }
    is_newest["funds"] &= speaks_for("funds")
    part_of = {
        part: pl.when(pl.col("reason").is_null() & newest).then(pl.lit(part))
        for part, newest in is_newest.items()
    }
    scope = pl.concat_str(*part_of.values(), separator="+", ignore_nulls=True)
    status = (
        pl.when(pl.col("reason").is_not_null())
        .then(pl.lit("quarantined"))
        .when(pl.col("current_scope") != "")
        .then(pl.lit("current"))
        .otherwise(pl.lit("superseded"))
    )
    some = pl.concat_str(
        *(
            pl.when(pl.col(f"_newer_{part}").is_not_null()).then(
                pl.format(f"{part} superseded by {{}}", f"_newer_{part}")
            )
            for part in PARTS
        ),
        ignore_nulls=True,
    )
    why = (
        pl.when(pl.col("reason").is_not_null())
        .then("reason")
        .when(pl.col("promoted").is_not_null())
        .then(pl.format("promoted: {}", "promoted"))
        .when(pl.col("current_scope") == "")
        .then(superseded)
        .when(some != "")
        .then(some)
    )
    spare = [f"{kind}{part}" for part in PARTS for kind in ("_", "_newer_")]
    return (
        judged.with_columns(current_scope=scope)
        .with_columns(status=status, status_reason=why)
        .drop("reason", "promoted", *spare)
    )
