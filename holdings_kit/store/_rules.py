"""Which snapshot counts: current, superseded or quarantined, and why.

The status is not stored. It is worked out whenever the store is read, from the set of
stored snapshots in the order of `snapshot_at`; the order of arrival plays no part. So
any permutation, repetition or delay of the same deliveries ends in the same answer, and
a snapshot that comes late takes its place in the past: it is superseded, not an error.

Along an account, each snapshot is measured against the last one that was *accepted*:
after one failed fetch, a second one just as thin is not plausible either. A promotion
accepts a snapshot for good, and what follows is measured against it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ALONE", "AMONG", "RIVALS", "judge", "one_per_snapshot"]

_ACCOUNT: Final = ("source", "account_id")
_ORDER: Final = (*_ACCOUNT, "snapshot_at", "format", "fetched_at", "snapshot_id")
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

# Grounds found beside the snapshot accepted before it (`rows_before`, …).
AMONG: Final = (
    Rule(
        (pl.col("rows_count") == 0) & (pl.col("rows_before") > 0),
        pl.format(
            "empty: the snapshot before has {} {}",
            "rows_before",
            pl.when(pl.col("rows_before") == 1)
            .then(pl.lit("row"))
            .otherwise(pl.lit("rows")),
        ),
    ),
    Rule(
        (pl.col("brokers").list.len() > 0) & (pl.col("brokers_lost").list.len() > 0),
        pl.format("lost a broker: {}", pl.col("brokers_lost").list.join(", ")),
    ),
    # An import of funds alone must not replace shares, nor one without funds the funds.
    Rule(
        (pl.col("rows_count") > 0) & (pl.col("kinds_lost").list.len() > 0),
        pl.format("lost all {}", pl.col("kinds_lost").list.join(", ")),
    ),
    Rule(
        # a quotient, for 100 × 0.55 is more than 55 in floating point
        pl.col("rows_count") / pl.col("rows_before") < pl.col("few_rows"),
        pl.format(
            "far fewer rows: {}, the snapshot before has {}",
            "rows_count",
            "rows_before",
        ),
    ),
)


def _first_reason(rules: Iterable[Rule]) -> pl.Expr:
    """Give the reason of the first rule that holds and is not overruled, or null."""
    open_to = pl.col("promoted").is_null()
    return pl.coalesce(
        pl.when(rule.holds & (open_to if rule.promotable else True)).then(rule.reason)
        for rule in rules
    )


def one_per_snapshot(stored: pl.DataFrame) -> pl.DataFrame:
    """Keep one row per snapshot_id, whatever the order and number of its deliveries.

    A delivery whose rows are all there speaks before one with `missing` rows. Then one
    whose checksum fits before one without, and that before
    one whose checksum is wrong; then the earliest `fetched_at`. The `batch_id`
    of the row that is kept names the one append whose rows are read.
    """
    rest = ("transaction_id", "notes", "file", "line_no", "notices", "batch_id")
    return (
        stored.with_columns(
            _TRUST.alias("_"), pl.col("missing").is_not_null().alias("_missing")
        )
        .sort("snapshot_id", "_missing", "_", "fetched_at", *rest, nulls_last=True)
        .unique("snapshot_id", keep="first", maintain_order=True)
        .drop("_", "_missing")
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
        One row per snapshot, by account and instant. Per account at most one is
        `current`: the newest that was accepted.
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
        .sort(_ORDER, nulls_last=True)
        .join(promoted, on="snapshot_id", how="left", maintain_order="left")
    )
    grounds = _with_rivals(snapshots).filter(pl.col("reason").is_not_null())
    chain = snapshots.join(
        grounds, on="snapshot_id", how="anti", maintain_order="left"
    ).with_columns(few_rows=pl.lit(few_rows))
    return _with_status(snapshots, pl.concat([grounds, *_implausible(chain)]))


def _with_rivals(snapshots: pl.DataFrame) -> pl.DataFrame:
    """Give each snapshot the reason found in itself, else beside a rival, or null.

    Rivals are of one account, instant, format and kind; one without rows is a rival of
    any with securities. One that is quarantined for itself is no rival, or a stranger
    without a checksum could stop what is true.
    """
    kinds = pl.when(pl.col("kinds").list.len() == 0).then(pl.lit(["securities"]))
    same = (*_ACCOUNT, "snapshot_at", "format", "_kinds")
    return (
        snapshots.with_columns(
            _kinds=kinds.otherwise("kinds").list.join("+"), reason=_first_reason(ALONE)
        )
        .with_columns(rivals=pl.col("reason").is_null().sum().over(same))
        .select(
            "snapshot_id",
            reason=pl.coalesce("reason", _first_reason([RIVALS])),
        )
    )


def _implausible(chain: pl.DataFrame) -> list[pl.DataFrame]:
    """Take out the first implausible snapshot of each account until none is left.

    All before the first are accepted, so the shift sees the last accepted one. The
    number of rounds is that of the quarantined snapshots of one account, plus one.
    """
    found: list[pl.DataFrame] = []
    while not (first := _first_implausible(chain)).is_empty():
        found.append(first.select("snapshot_id", "reason"))
        chain = chain.join(first, on=_ACCOUNT, how="semi", maintain_order="left").join(
            first, on="snapshot_id", how="anti", maintain_order="left"
        )
    return found


def _first_implausible(chain: pl.DataFrame) -> pl.DataFrame:
    def before(column: str) -> pl.Expr:
        return pl.when(_same_account(1)).then(pl.col(column).shift(1))

    def lost(column: str) -> pl.Expr:
        return pl.col(f"{column}_before").list.set_difference(column).list.sort()

    rows, rows_before = pl.col("rows_count"), pl.col("rows_before")
    suspect = (
        (rows < rows_before)
        | (rows / rows_before < pl.col("few_rows"))
        | pl.col("brokers").ne_missing(pl.col("brokers_before"))
        | pl.col("kinds").ne_missing(pl.col("kinds_before"))
    )
    return (
        chain.with_columns(
            rows_before=before("rows_count"),
            brokers_before=before("brokers"),
            kinds_before=before("kinds"),
        )
        .filter(suspect)  # by no rule can another be implausible
        .with_columns(brokers_lost=lost("brokers"), kinds_lost=lost("kinds"))
        .select(*_ACCOUNT, "snapshot_id", reason=_first_reason(AMONG))
        .filter(pl.col("reason").is_not_null())
        .unique(_ACCOUNT, keep="first", maintain_order=True)
    )


def _same_account(steps: int) -> pl.Expr:
    """Tell whether the row so many before is of the same account; rows are sorted."""
    return pl.all_horizontal(
        pl.col(column).eq_missing(pl.col(column).shift(steps)) for column in _ACCOUNT
    )


def _with_status(snapshots: pl.DataFrame, grounds: pl.DataFrame) -> pl.DataFrame:
    judged = (
        snapshots.with_row_index("place")
        .join(grounds, on="snapshot_id", how="left", maintain_order="left")
        .with_columns(accepted=pl.col("reason").is_null())
    )
    accepted = pl.col("accepted")
    after = pl.when(_same_account(-1)).then(pl.col("snapshot_id").shift(-1))
    chain = judged.filter(accepted).with_columns(newer=after)
    rest = judged.filter(~accepted).with_columns(newer=pl.lit(None, pl.String()))
    judged = pl.concat([chain, rest]).sort("place").drop("place")
    newer = pl.col("newer")
    status = (
        pl.when(~pl.col("accepted"))
        .then(pl.lit("quarantined"))
        .when(newer.is_not_null())
        .then(pl.lit("superseded"))
        .otherwise(pl.lit("current"))
    )
    why = (
        pl.when(~pl.col("accepted"))
        .then("reason")
        .when(pl.col("promoted").is_not_null())
        .then(pl.format("promoted: {}", "promoted"))
        .when(newer.is_not_null())
        .then(pl.format("superseded by {}", newer))
    )
    return judged.with_columns(status=status, status_reason=why).drop(
        "accepted", "reason", "promoted", "newer"
    )
