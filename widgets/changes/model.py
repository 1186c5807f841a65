"""The comparison as a view-model: two instants in, causes and bridges out."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Final

import polars as pl
from traitlets import Int, List, Unicode, observe

import holdings_kit as hk
from holdings_kit.display._numbers import INDIA, format_value
from holdings_kit.errors import ConfigError
from holdings_kit.market._freshness import Clock, utc_now
from widgets.changes.evidence import Source, sources
from widgets.changes.page import QUIET, list_effects
from widgets.job import Job, Result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdings_kit.schema import Loaded

_MOST_INSTANTS: Final = 200
_MOST_ACCOUNTS: Final = 200


class ComparisonModel(Job):
    """Compare what a store held at two instants.

    Attributes
    ----------
    before, after, account, causes
        Choices: instants as ISO text, an account or all, causes to show or all.
    changes, value_bridge, collateral_bridge
        CHANGES of everything, and the two bridges in total; ``None`` before `compare`.
    lines
        `changes` with `effect`, what each cause moved in rupees, the largest first.
    shown
        The lines with the causes chosen; every line where none is.
    quarantined, reason
        A snapshot to promote, and why.
    """

    inputs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "changes": ("before", "after", "account")
    }

    before = Unicode()
    after = Unicode()
    account = Unicode()
    causes = List(Unicode())
    quarantined = Unicode()
    reason = Unicode()
    promoted = Int(0)

    changes = Result()
    lines = Result()
    shown = Result()
    value_bridge = Result()
    collateral_bridge = Result()

    def __init__(
        self,
        store: hk.Store,
        *,
        actions: pl.DataFrame | None = None,
        moves: pl.DataFrame | None = None,
        prices: pl.DataFrame | None = None,
        clock: Clock = utc_now,
    ) -> None:
        super().__init__()
        self._store, self._clock = store, clock
        self._actions, self._moves, self._prices = actions, moves, prices
        self._sides: tuple[Loaded, Loaded] | None = None
        self.look()

    def look(self) -> None:
        """Look into the store again: instants, accounts, what is quarantined."""
        snapshots = self._store.snapshots()
        at = pl.col("snapshot_at")
        usable = snapshots.filter(
            at.is_not_null() & (pl.col("status") != "quarantined")
        )
        self.instants = _instants(usable)
        accounts = usable["account_id"].drop_nulls().unique().sort()
        self.accounts: list[str] = accounts.head(_MOST_ACCOUNTS).to_list()
        self.quarantine = snapshots.filter(status="quarantined")
        if self.instants:
            known = [key for key, _ in self.instants]
            if self.after not in known:
                self.after = known[-1]
            if self.before not in known:
                self.before = known[-2] if len(known) > 1 else known[-1]

    def compare(self) -> None:
        """Compare, in a thread; the frames appear when it is done."""
        self.begin(self._compare(), what="Comparing", makes=["changes"])

    def swap(self) -> None:
        """Take the instant before for the one after, and the other way round."""
        self.before, self.after = self.after, self.before

    def promote(self) -> None:
        """Accept the quarantined snapshot chosen, with the reason given."""
        if not self.quarantined:
            raise ConfigError("choose a quarantined snapshot first")
        self._store.promote(self.quarantined, reason=self.reason, at=self._clock())
        self.quarantined = self.reason = ""
        self.look()
        self.promoted += 1

    def evidence(self, row: dict[str, object]) -> list[Source]:
        """Find what was reported behind a row of `changes`."""
        if self._sides is None:
            return []
        return sources(row, *self._sides)

    async def _compare(self) -> None:
        used = self.capture_inputs("changes")
        if not self.before or not self.after:
            raise ConfigError("the store has no snapshot yet; import or load one")
        if self.before > self.after:
            raise ConfigError("'before' lies after 'after'; swap them")
        first, second = (datetime.fromisoformat(at) for at in (self.before, self.after))
        only = [self.account] if self.account else None
        self.progress = 0.0
        old = await self.run_in_thread(self._store.as_of, first, account_ids=only)
        self.progress = 0.3
        new = await self.run_in_thread(self._store.as_of, second, account_ids=only)
        self.progress = 0.6
        changes = await self.run_in_thread(
            hk.compare,
            old.holdings,
            new.holdings,
            snapshots=pl.concat([old.snapshots, new.snapshots]),
            actions=self._actions,
            moves=self._moves,
            prices=self._prices,
        )
        self.progress = 0.9
        value = await self.run_in_thread(hk.bridge, changes, by=())
        collateral = await self.run_in_thread(
            hk.bridge, changes, by=(), of="collateral"
        )
        lines = await self.run_in_thread(list_effects, changes)
        self._sides = (old, new)
        self.value_bridge, self.collateral_bridge = value, collateral
        self.lines = None
        told = changes.filter(~pl.col("cause").is_in(QUIET))
        self.causes = told["cause"].unique().sort().to_list()
        self.lines = lines.with_row_index("row")
        self.set_result("changes", changes, used)
        self._pick(None)

    def failed(self, error: Exception) -> None:
        """Take the rows away too: they belong to the pair compared before."""
        super().failed(error)
        self._sides = None
        self.drop_results("lines", "value_bridge", "collateral_bridge")
        self.causes = []
        self._pick(None)

    @observe("causes")
    def _pick(self, _change: object) -> None:
        if self.lines is None:
            self.drop_results("shown")
            return
        wanted = pl.col("cause").is_in(self.causes)
        self.shown = self.lines.filter(wanted) if self.causes else self.lines


def _instants(snapshots: pl.DataFrame) -> list[tuple[str, str]]:
    """List the instants to choose from; of very many, the last of each day."""
    at = snapshots["snapshot_at"].unique().sort()
    if at.len() > _MOST_INSTANTS:
        day = pl.col("snapshot_at").dt.convert_time_zone(INDIA.key).dt.date()
        at = at.to_frame().group_by(day.alias("day")).agg(pl.col("snapshot_at").max())
        at = at["snapshot_at"].sort()
    newest = at.tail(_MOST_INSTANTS).to_list()
    return [(one.isoformat(), format_value(one, "instant")) for one in newest]
