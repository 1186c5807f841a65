"""The import on the page: controls, the browser SDK, the steps, the holdings."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anywidget
from ipywidgets import HTML, VBox
from traitlets import Unicode

import holdings_kit as hk
from holdings_kit.clients import BROKERS
from holdings_kit.display._numbers import format_value, rupees
from holdings_kit.errors import ConfigError
from widgets.importing.door import Arrow, Gateway
from widgets.importing.model import ImportModel
from widgets.importing.steps import steps_html
from widgets.page import notice, tiles
from widgets.panel import Panel, Results, controls as c
from widgets.static import StaticFallback
from widgets.table import HoldingsTable

if TYPE_CHECKING:
    from holdings_kit.sandbox import Sandbox
    from holdings_kit.schema import Loaded

__all__ = ["ImportTrigger"]

_HERE: Final = Path(__file__).parent
_SHOWN: Final = [
    "symbol",
    "name",
    "asset_class",
    "owned_quantity",
    "settled_quantity",
    "t1_quantity",
    "pledged_quantity",
    "average_price",
    "last_price",
    "close_price",
    "haircut",
    "isin",
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
            press={
                "start": lambda: self.model.start(hand=self._send_session),
                "fetch": self.model.fetch,
                "cancel": self.model.cancel,
                "retry": lambda: self.model.start(hand=self._send_session),
            },
        )
        self.steps, self.summary = HTML(), HTML()
        self.table: HoldingsTable | None = None
        self.results = Results(self.model, "loaded", [self.panel], press="the button")
        super().__init__([self.panel, self.sdk, self.steps, self.results])
        self.add_class("hk-tool")
        steps = ["source", "states", "remarks", "seconds_left"]
        self.model.observe(self._show_steps, steps)
        self.model.observe(self._show_buttons, ["busy", "retryable", "user"])
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
        if content.get("type") == "ping":
            self.sdk.send({"type": "pong"})
            return
        if content.get("transactionId") != self.model.transaction_id:
            return  # an import that nobody waits for any more
        if content.get("type") == "opened":
            self.model.opened()
        elif content.get("type") == "result":
            self.model.heard(content.get("result"))

    def _show_steps(self, _change: object) -> None:
        model = self.model
        if not model.states:
            self.steps.value = ""
            return
        clock = ""
        if model.seconds_left is not None:
            minutes, seconds = divmod(model.seconds_left, 60)
            left = f"This import expires in {minutes}:{seconds:02d}."
            clock = f'<div class="hk-clock">{notice(left)}</div>'
        self.steps.value = steps_html(model.names, model.states, model.remarks) + clock

    def _show_buttons(self, _change: object) -> None:
        busy = bool(self.model.busy)
        self.panel.change("cancel", disabled=not busy)
        self.panel.change("retry", disabled=busy or not self.model.retryable)
        label = "Refresh" if self.model.user else "Import holdings"
        self.panel.change("start", disabled=busy, label=label)

    def _show_users(self, _change: object) -> None:
        self.panel.change("user", options=_list_users(self.model))

    def _show_loaded(self, _change: object) -> None:
        loaded = self.model.loaded
        self._show_summary(None)
        columns = [name for name in _SHOWN if loaded.holdings[name].count()]
        self.table = HoldingsTable(
            loaded.holdings, caption="Holdings imported", columns=columns, page_size=10
        )
        self.results.show(self.summary, self.table)

    def _show_summary(self, _change: object) -> None:
        model = self.model
        if model.loaded is None:
            return
        at = format_value(model.loaded.snapshots["snapshot_at"].max(), "instant")
        old = f"From an import before, as of {at}; the one started since brought none."
        fresh = "good" if model.freshness.startswith("Current") else "warn"
        self.summary.value = (
            notice(old if model.superseded else "", "stale")
            + _summarize_import(model.loaded)
            + notice(model.freshness, fresh)
            + notice(model.mismatch, "warn")
        )

    def _tell_browser(self, _change: object) -> None:
        """Let the browser watch for a lost kernel, and know what it waits for."""
        self.sdk.waiting = self.model.transaction_id if self.model.busy else ""


def _list_users(model: ImportModel) -> list[tuple[str, str]]:
    known = [(key, f"{key} ({broker})") for key, broker in model.users.items()]
    return [("", "somebody new"), *known]


def _list_import_controls(model: ImportModel, *, arrow: bool) -> list[c.Control]:
    sources = [("gateway", "smallcase Gateway"), *([("arrow", "Arrow")] * arrow)]
    named = sorted(BROKERS.values(), key=lambda broker: broker.name.casefold())
    brokers = [("", "any broker"), *((b.key, b.name) for b in named)]
    formats = [("v2", "v2, with smallcases"), ("v1", "v1")]
    return [
        c.select("source", "Source", sources),
        c.select("user", "User", _list_users(model), when=_GATEWAY),
        c.select(
            "broker",
            "Broker expected",
            brokers,
            help="You are told when another answers",
            when=_GATEWAY,
        ),
        c.select("version", "Format", formats, when=_GATEWAY),
        c.field("notes", "Notes", maxlength=256, when=_GATEWAY),
        c.check("mutual_funds", "Mutual funds", when=_GATEWAY),
        c.field("app_id", "App id", when=_ARROW),
        c.field("account_id", "User id", when=_ARROW),
        c.field("token", "Token", kind="secret", when=_ARROW),
        c.button("start", "Import holdings", primary=True, when=_GATEWAY),
        c.button("fetch", "Fetch holdings", primary=True, sends=["token"], when=_ARROW),
        c.button("cancel", "Cancel", disabled=True),
        c.button("retry", "Try again", disabled=True, when=_GATEWAY),
    ]


def _summarize_import(loaded: Loaded) -> str:
    snapshot = loaded.snapshots.row(0, named=True)
    totals = hk.summarize(hk.consolidate(loaded.holdings)).row(0, named=True)
    unpriced = totals["unpriced_count"]
    return tiles(
        [
            (
                "Snapshot",
                format_value(snapshot["snapshot_at"], "instant"),
                "Indian time",
            ),
            ("Broker", str(snapshot["broker"] or "–"), str(snapshot["format"])),
            ("Holdings", str(loaded.holdings.height), f"{unpriced} without a price"),
            ("Value", rupees(totals["market_value"]), "where priced"),
            ("Set aside", str(loaded.rejects.height), "could not be read"),
        ]
    )
