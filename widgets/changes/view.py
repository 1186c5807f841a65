"""The comparison on the page: causes as chips, bridges, rows, and their evidence."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final

import polars as pl
from ipywidgets import HTML, VBox

from holdings_kit.changes import EFFECTS
from holdings_kit.display import number_of
from holdings_kit.display._numbers import (
    format_value,
    kind_of_column,
    label_of_column,
    rupees,
)
from holdings_kit.market._freshness import Clock, utc_now
from widgets.changes.model import ComparisonModel
from widgets.page import listing, notice, tiles, waterfall
from widgets.panel import Panel, Results, controls as c
from widgets.static import StaticFallback
from widgets.table import HoldingsTable

if TYPE_CHECKING:
    import holdings_kit as hk
    from widgets.changes.evidence import Source

__all__ = ["SnapshotComparison"]

_COLUMNS: Final = [
    "symbol",
    "cause",
    "confidence",
    "evidence",
    "owned_quantity_before",
    "owned_quantity_after",
    "pledged_quantity_before",
    "pledged_quantity_after",
    "price_before",
    "price_after",
    "average_price_before",
    "average_price_after",
    "haircut_before",
    "haircut_after",
    "account_id",
]
_QUARANTINE: Final = ["snapshot_at", "account_id", "broker", "status_reason"]
_DOUBTFUL: Final = ("unexplained", "suspect_fetch")
_MOST_SOURCES: Final = 3
_NOTHING: Final = "nothing is compared yet; press Compare"


class SnapshotComparison(StaticFallback, VBox):
    """Compare two instants of a store by clicking; read back `compare.changes`.

    Parameters
    ----------
    store
        Where the snapshots are; quarantined ones can be promoted here.
    actions, moves, prices
        Corporate actions, who owns which account, and prices for lines without one, as
        `hk.compare` takes them.
    clock
        Gives the instant of a promotion.
    """

    static_title = "What changed, and why?"

    def __init__(
        self,
        store: hk.Store,
        *,
        actions: pl.DataFrame | None = None,
        moves: pl.DataFrame | None = None,
        prices: pl.DataFrame | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self.model = model = ComparisonModel(
            store, actions=actions, moves=moves, prices=prices, clock=clock
        )
        self.panel = Panel(
            model,
            _controls(model),
            title="What changed, and why?",
            press={"compare": model.compare, "cancel": model.cancel},
        )
        self.summary, self.bridges, self.evidence = HTML(), HTML(), HTML()
        self.table: HoldingsTable | None = None
        self.doubts: HoldingsTable | None = None
        self.promotion = Panel(
            model,
            [
                c.select("quarantined", "Snapshot", _doubtful(model)),
                c.field("reason", "Why it can be trusted"),
                c.button("promote", "Promote"),
            ],
            title="Quarantined snapshots",
            press={"promote": model.promote},
        )
        self.results = Results(model, "changes", [self.panel], press="Compare")
        super().__init__()
        self.add_class("hk-tool")
        model.observe(self._show_changes, "changes")
        model.observe(self._show_rows, "shown")
        model.observe(self._show_quarantine, "promoted")
        model.observe(self._show_busy, "busy")
        self._show_quarantine(None)

    @property
    def changes(self) -> pl.DataFrame:
        """Every change between the two instants (CHANGES).

        Raises
        ------
        ConfigError
            Nothing has been compared yet, or another pair than the one chosen now.
        """
        return self.model.require_current("changes", nothing=_NOTHING)

    @property
    def bridge(self) -> pl.DataFrame:
        """The change of value, split exactly (BRIDGE, one row).

        Raises
        ------
        ConfigError
            Nothing has been compared yet, or another pair than the one chosen now.
        """
        self.model.require_current("changes", nothing=_NOTHING)
        return self.model.value_bridge

    def _arrange(self) -> None:
        below = [self.promotion, self.doubts] if self.doubts else []
        rows = [self.table, self.evidence] if self.table else []
        if self.model.changes is None:
            self.results.show()
        else:
            self.results.show(self.summary, self.bridges, *rows)
        self.children = [self.panel, self.results, *below]

    def _show_busy(self, _change: object) -> None:
        self.panel.change("compare", disabled=bool(self.model.busy))
        self.panel.change("cancel", disabled=not self.model.busy)

    def _show_changes(self, _change: object) -> None:
        changes = self.model.changes
        if changes is None:
            self.panel.change("causes", options=[], hidden=True)
            self.summary.value = self.bridges.value = self.evidence.value = ""
            self._arrange()
            return
        counts = changes["cause"].value_counts(sort=True, name="count")
        found = [
            (cause, f"{cause.replace('_', ' ')} {count}")
            for cause, count in counts.iter_rows()
        ]
        self.panel.change("causes", options=found, hidden=False)
        self.summary.value = _summary(changes, self.model.value_bridge)
        self.bridges.value = (
            '<div class="hk-pair">'
            + _bridge("Value, ₹", self.model.value_bridge, "value")
            + _bridge("Collateral, ₹", self.model.collateral_bridge, "collateral")
            + "</div>"
        )

    def _show_rows(self, _change: object) -> None:
        frame = self.model.shown
        if frame is None:
            self.table = None
            self._arrange()
            return
        columns = [name for name in _COLUMNS if frame[name].count() or name == "symbol"]
        if self.table is None:
            self.table = HoldingsTable(
                frame, caption="Changes; tick a row for its evidence", columns=columns
            )
            self.table.page_size = 10
            self.table.observe(self._show_evidence, "selected")
        else:
            self.table.show(frame, columns=columns)
        self._show_evidence(None)
        self._arrange()

    def _show_evidence(self, _change: object) -> None:
        if self.table is None or not self.table.selected:
            self.evidence.value = ""
            return
        rows = self.table.selection.head(_MOST_SOURCES).iter_rows(named=True)
        self.evidence.value = "".join(
            _behind(row, self.model.evidence(row)) for row in rows
        )

    def _show_quarantine(self, _change: object) -> None:
        frame = self.model.quarantine
        self.promotion.change("quarantined", options=_doubtful(self.model))
        self.panel.change("before", options=self.model.instants)
        self.panel.change("after", options=self.model.instants)
        if frame.is_empty():
            self.doubts = None
        else:
            self.doubts = HoldingsTable(
                frame, caption="Set aside, not counted", columns=_QUARANTINE
            )
        self._arrange()


def _controls(model: ComparisonModel) -> list[c.Control]:
    accounts = [("", "all accounts"), *((key, key) for key in model.accounts)]
    return [
        c.select("before", "Before", model.instants),
        c.select("after", "After", model.instants),
        c.select("account", "Account", accounts),
        c.button("compare", "Compare", primary=True),
        c.button("cancel", "Cancel", disabled=True),
        c.chips("causes", "Causes", [], hidden=True, group="Show"),
    ]


def _doubtful(model: ComparisonModel) -> list[tuple[str, str]]:
    rows = model.quarantine.select("snapshot_id", "snapshot_at", "account_id")
    return [
        ("", "choose one"),
        *(
            (key, f"{format_value(at, 'instant')} · {account}")
            for key, at, account in rows.iter_rows()
        ),
    ]


def _summary(changes: pl.DataFrame, bridge: pl.DataFrame) -> str:
    row = bridge.row(0, named=True)
    doubtful = changes.filter(changes["cause"].is_in(_DOUBTFUL)).height
    moved = changes.filter(~changes["cause"].is_in(["unchanged", "price_only"])).height
    said = (
        f"{number_of(doubtful, 'change')} without an explanation or from a suspect "
        "fetch: look there first."
    )
    figures = tiles(
        [
            ("Lines", str(changes.height), f"{moved} changed in more than price"),
            ("Value before", rupees(row["value_before"]), "of what was priced"),
            ("Value after", rupees(row["value_after"]), "of what is priced"),
            ("Residual", rupees(row["residual"]), "what the bridge leaves over"),
        ]
    )
    return figures + (notice(said, "warn") if doubtful else "")


def _bridge(caption: str, bridge: pl.DataFrame, of: str) -> str:
    row = bridge.row(0, named=True)
    steps = [
        (label_of_column(name.removesuffix("_effect")), row[name])
        for name in EFFECTS[of]
        if row[name]
    ]
    return waterfall(caption, row["value_before"], steps, row["value_after"])


def _behind(change: dict[str, Any], found: list[Source]) -> str:
    """Write what was reported for one change, and the payload's own words."""
    name = change["symbol"] or change["instrument_id"]
    cause = change["cause"].replace("_", " ")
    told = notice(f"{name}: {change['evidence'] or cause}")
    return told + "".join(_reported(source) for source in found)


def _reported(source: Source) -> str:
    wanted = [n for n in source.row if n.endswith(("_quantity", "_price", "haircut"))]
    pairs = [(label_of_column(name), _value(source.row[name], name)) for name in wanted]
    where = escape(f"{source.side}: {source.origin}")
    words = notice("The payload itself is not kept; these are its stored fields.")
    if source.payload:
        keys = 'tabindex="0" data-lm-suppress-shortcuts="true"'
        label = f'{keys} aria-label="Payload {escape(source.side)}"'
        words = f"<pre {label}>{escape(source.payload)}</pre>"
    return (
        f'<details><summary data-lm-suppress-shortcuts="true">{where}</summary>'
        f"{listing(pairs)}{words}</details>"
    )


def _value(value: object, name: str) -> str:
    return format_value(value, kind_of_column(name, pl.Float64()))
