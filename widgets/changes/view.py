"""The comparison on the page: causes as chips, bridges, rows, and their evidence."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from ipywidgets import VBox

from holdings_kit.display._export import guard_formulas
from holdings_kit.display._numbers import format_value
from holdings_kit.market._freshness import Clock, utc_now
from widgets.board import Board
from widgets.changes.model import ComparisonModel
from widgets.changes.page import (
    describe_span,
    name_file,
    write_chips,
    write_comparison,
    write_evidence,
    write_footer,
    write_rows,
)
from widgets.panel import Panel, Results, controls as c
from widgets.static import StaticFallback
from widgets.table import HoldingsTable

if TYPE_CHECKING:
    import polars as pl

    import holdings_kit as hk

_EXPORTED: Final = [
    *("account_id", "symbol", "instrument_id", "cause", "effect", "confidence"),
    "evidence",
    *(
        f"{name}_{side}"
        for name in (
            *("owned_quantity", "pledged_quantity", "price", "average_price"),
            *("haircut", "snapshot_at"),
        )
        for side in ("before", "after")
    ),
]
_QUARANTINE: Final = ["snapshot_at", "account_id", "broker", "status_reason"]
_FIRST: Final = 8
_MORE: Final = 50
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
            press={
                "compare": model.compare,
                "cancel": model.cancel,
                "swap": model.swap,
            },
        )
        self.board = Board(
            {
                "cause": self._toggle_cause,
                "open": self._toggle_evidence,
                "more": self._show_more,
                "export": self._export,
            }
        )
        self._limit, self._opened = _FIRST, set[int]()
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
        model.observe(self._show_anew, "changes")
        model.observe(self._show, "shown")
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
        self.results.show(*([] if self.model.changes is None else [self.board]))
        below = [self.promotion, self.doubts] if self.doubts else []
        self.children = [self.panel, self.results, *below]

    def _show_busy(self, _change: object) -> None:
        self.panel.change("compare", disabled=bool(self.model.busy))
        idle = not self.model.busy
        self.panel.change("cancel", disabled=idle, hidden=idle)

    def _show_anew(self, _change: object) -> None:
        self._limit, self._opened = _FIRST, set()
        self._arrange()

    def _show(self, _change: object) -> None:
        model = self.model
        lines: pl.DataFrame | None = model.lines
        shown: pl.DataFrame | None = model.shown
        if shown is None or lines is None or model.changes is None:
            self.board.markup = ""
            return
        widest: Any = shown["effect"].abs().max()
        rows = shown.head(self._limit).to_dicts()
        opened = {
            row["row"]: write_evidence(row, model.evidence(row))
            for row in rows
            if row["row"] in self._opened
        }
        self.board.markup = write_comparison(
            lines,
            model.value_bridge.row(0, named=True),
            model.collateral_bridge.row(0, named=True),
            self._describe_pair(),
            [
                write_chips(lines, model.causes),
                write_rows(rows, widest, opened),
                write_footer(len(rows), shown.height, lines.height, _MORE),
            ],
        )

    def _describe_pair(self) -> dict[str, str]:
        used = self.model.made_from["changes"]
        at = [datetime.fromisoformat(used[side]) for side in ("before", "after")]
        return describe_span(at[0], at[1], self.model.changes, used["account"])

    def _toggle_cause(self, cause: str) -> None:
        chosen = self.model.causes
        rest = [one for one in chosen if one != cause]
        self._limit = _FIRST
        self.model.causes = rest if cause in chosen else [*chosen, cause]

    def _toggle_evidence(self, row: str) -> None:
        if row.isdigit():
            self._opened ^= {int(row)}
            self._show(None)

    def _show_more(self, _value: str) -> None:
        self._limit += _MORE
        self._show(None)

    def _export(self, _value: str) -> None:
        shown, used = self.model.shown, self.model.made_from.get("changes")
        if shown is not None and used:
            text = guard_formulas(shown.select(_EXPORTED)).write_csv(
                datetime_format="%Y-%m-%dT%H:%M:%S%.6fZ"
            )
            name = name_file(self._describe_pair(), used["account"])
            self.board.save(name, text.encode())

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
        c.button("swap", "⇄ Swap", group=""),
        c.select("after", "After", model.instants),
        c.select("account", "Account", accounts),
        c.button("compare", "Compare", primary=True, group=""),
        c.button("cancel", "Cancel", disabled=True, hidden=True, group=""),
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
