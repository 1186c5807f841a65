"""The import on the page: controls, the browser SDK, the steps, the holdings."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anywidget
from ipywidgets import HTML, VBox
from traitlets import Unicode

from holdings_kit.clients import BROKERS, broker_profile
from holdings_kit.display._numbers import format_value
from holdings_kit.errors import ConfigError
from widgets.board import Board
from widgets.importing.door import Arrow, Gateway
from widgets.importing.model import ImportModel
from widgets.importing.page import write_clock, write_result, write_status
from widgets.panel import Panel, Results, controls as c
from widgets.static import StaticFallback
from widgets.table import HoldingsTable

if TYPE_CHECKING:
    import holdings_kit as hk
    from holdings_kit.sandbox import Sandbox
    from holdings_kit.schema import Loaded

_HERE: Final = Path(__file__).parent
_LOST: Final = (
    "Nobody waits for this import: close the broker's window. What stands below is of "
    "before. Run the cell again to import."
)
_SHOWN: Final = [
    *("symbol", "name", "asset_class", "owned_quantity", "settled_quantity"),
    *("t1_quantity", "pledged_quantity", "average_price", "last_price"),
    *("close_price", "haircut", "isin"),
]
_GATEWAY: Final = {"source": "gateway"}
_ARROW: Final = {"source": "arrow"}


class _Sdk(anywidget.AnyWidget):
    """The part that lives in the browser: it loads the SDK and triggers."""

    _esm = _HERE / "sdk.js"
    url = Unicode().tag(sync=True)
    waiting = Unicode().tag(sync=True)  # the import that is under way


class ImportTrigger(StaticFallback, VBox):
    """Import holdings by clicking, and go on with them in code: `trigger.loaded`.

    Parameters
    ----------
    gateway
        How to reach the Gateway: client, browser SDK, inbox.
    arrow
        How to reach Arrow; ``None`` leaves it out.
    store
        Keeps what is imported, and knows who is connected.
    max_age
        Open exchange time up to which a snapshot counts as current.

    Examples
    --------
    >>> from holdings_kit import sandbox
    >>> with sandbox.serve() as sb:
    ...     trigger = ImportTrigger.sandbox(sb)
    ...     trigger.model.source
    'gateway'
    """

    static_title = "Import holdings"

    def __init__(
        self,
        gateway: Gateway,
        *,
        arrow: Arrow | None = None,
        store: hk.Store | None = None,
        max_age: timedelta = timedelta(minutes=15),
    ) -> None:
        self.model = ImportModel(gateway, arrow=arrow, store=store, max_age=max_age)
        self.sdk = _Sdk(url=gateway.sdk_url)
        self.sdk.on_msg(self._receive_message)
        self.panel = Panel(
            self.model,
            _list_import_controls(self.model, arrow=arrow is not None),
            title="Import holdings",
            lost=_LOST,
            press={
                "start": lambda: self.model.start(hand=self._send_session),
                "fetch": self.model.fetch,
                "cancel": self.model.cancel,
            },
        )
        self.steps, self.clock = Board({}), HTML()
        self.board = Board({"all": self._toggle_table})
        self.table: HoldingsTable | None = None
        self._opened = False
        self.results = Results(self.model, "loaded", [self.panel], press="the button")
        super().__init__([self.panel, self.sdk, self.steps, self.clock, self.results])
        self.add_class("hk-tool")
        steps = ["source", "states", "remarks", "failure", "transaction_id"]
        self.model.observe(self._show_steps, steps)
        self.model.observe(self._show_clock, "seconds_left")
        self.model.observe(self._show_buttons, ["busy", "failure", "user"])
        self.model.observe(self._say_it_once, "error")
        self.model.observe(self._show_users, "users")
        self.model.observe(self._show_loaded, "loaded")
        self.model.observe(self._show_summary, ["freshness", "superseded", "mismatch"])
        self.model.observe(self._tell_browser, ["busy", "transaction_id"])

    @classmethod
    def sandbox(
        cls,
        sandbox: Sandbox,
        *,
        inbox: str | Path | None = None,
        store: hk.Store | None = None,
    ) -> ImportTrigger:
        """Import from a running sandbox; with `inbox` its webhooks arrive there."""
        return cls(
            Gateway.sandbox(sandbox, inbox=inbox),
            arrow=Arrow.sandbox(sandbox),
            store=store,
        )

    @property
    def loaded(self) -> Loaded:
        """What the last import brought.

        Raises
        ------
        ConfigError
            Nothing has been imported yet.
        """
        if self.model.loaded is None:
            raise ConfigError("nothing is imported yet; start an import")
        return self.model.loaded

    def _send_session(self, session: dict[str, str]) -> None:
        self.sdk.send({"type": "trigger", "session": session})

    def _receive_message(
        self, _widget: object, content: dict[str, Any], _buffers: object
    ) -> None:
        if content.get("transactionId") != self.model.transaction_id:
            return  # an import that nobody waits for any more
        if content.get("type") == "opened":
            self.model.opened()
        elif content.get("type") == "result":
            self.model.heard(content.get("result"))

    def _show_steps(self, _change: object) -> None:
        model = self.model
        told = (model.states, model.remarks, model.failure, model.transaction_id)
        self.steps.markup = write_status(model.source, *told) if model.states else ""

    def _show_clock(self, _change: object) -> None:
        self.clock.value = write_clock(
            self.model.seconds_left, self.model.seconds_whole
        )

    def _say_it_once(self, _change: object) -> None:
        """Leave a failed import to the steps, which say it where it happened."""
        if self.model.states:
            self.panel.error = ""

    def _show_buttons(self, _change: object) -> None:
        model, busy = self.model, bool(self.model.busy)
        self.panel.change("cancel", disabled=not busy, hidden=not busy)
        label = "Start again" if model.failure else "Import holdings"
        label = "Refresh" if model.user else label
        self.panel.change("start", disabled=busy, label=label)
        self.panel.change("fetch", disabled=busy)

    def _show_users(self, _change: object) -> None:
        self.panel.change("user", options=_list_users(self.model))

    def _show_loaded(self, _change: object) -> None:
        loaded = self.model.loaded
        columns = [name for name in _SHOWN if loaded.holdings[name].count()]
        self.table = HoldingsTable(
            loaded.holdings, caption="Holdings imported", columns=columns, page_size=10
        )
        self._show_summary(None)

    def _toggle_table(self, _value: str) -> None:
        self._opened = not self._opened
        self._show_summary(None)

    def _show_summary(self, _change: object) -> None:
        model = self.model
        if model.loaded is None or self.table is None:
            return
        at = format_value(model.loaded.snapshots["snapshot_at"].max(), "instant")
        old = f"From an import before, as of {at}; the one started since brought none."
        remarks = {
            "old": old if model.superseded else "",
            "fresh": model.freshness,
            "mismatch": model.mismatch,
            "kept": f"kept in the store as snapshot {at}" if model.keeps else "",
        }
        self.board.markup = write_result(model.loaded, remarks, opened=self._opened)
        self.results.show(self.board, *([self.table] * self._opened))

    def _tell_browser(self, _change: object) -> None:
        """Let the browser know which import is waited for."""
        self.sdk.waiting = self.model.transaction_id if self.model.busy else ""


def _list_users(model: ImportModel) -> list[tuple[str, str]]:
    known = [
        (key, f"{broker_profile(broker).name} · {key}" if broker else key)
        for key, broker in model.users.items()
    ]
    return [("", "somebody new"), *known]


def _list_import_controls(model: ImportModel, *, arrow: bool) -> list[c.Control]:
    sources = [("gateway", "smallcase Gateway"), *([("arrow", "Arrow")] * arrow)]
    named = sorted(BROKERS.values(), key=lambda broker: broker.name.casefold())
    brokers = [("", "any, the user chooses"), *((b.key, b.name) for b in named)]
    formats = [("v2", "v2, with smallcases"), ("v1", "v1")]
    return [
        c.select("source", "Source", sources),
        c.select("user", "User", _list_users(model), when=_GATEWAY),
        c.select("broker", "Broker expected", brokers, when=_GATEWAY),
        c.select("version", "Format", formats, when=_GATEWAY),
        c.field("notes", "Notes", maxlength=256, when=_GATEWAY),
        c.check("mutual_funds", "Mutual funds", when=_GATEWAY),
        c.field("app_id", "App id", when=_ARROW),
        c.field("account_id", "User id", when=_ARROW),
        c.field("token", "Token", kind="secret", when=_ARROW),
        c.button("start", "Import holdings", primary=True, when=_GATEWAY),
        c.button("fetch", "Fetch holdings", primary=True, sends=["token"], when=_ARROW),
        c.button("cancel", "Cancel", disabled=True, hidden=True),
    ]
