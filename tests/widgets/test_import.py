"""The import trigger: steps, errors, cancel, webhook, secrets."""

from __future__ import annotations

import asyncio
import re
from html import escape
from typing import TYPE_CHECKING, Any

import pytest

import holdings_kit as hk
from holdings_kit.errors import ConfigError
from widgets import ImportTrigger
from widgets.importing.page import name_import, write_status
from widgets.importing.steps import FAILURES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from holdings_kit.sandbox import Sandbox


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(15):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def someone(sb: Sandbox) -> Any:
    return next(iter(sb.personas.values()))


def test_an_import_goes_through_all_steps_and_leaves_holdings(
    sb: Sandbox, tmp_path: Path, page: Any
) -> None:
    store = hk.Store(tmp_path / "store")
    trigger = ImportTrigger.sandbox(sb, inbox=tmp_path / "inbox", store=store)
    person = someone(sb)

    async def run() -> None:
        page(trigger.panel, type="press", name="start")
        await until(lambda: trigger.model.transaction_id)
        assert trigger.model.seconds_left is None or trigger.model.seconds_left > 290
        sb.play(trigger.model.transaction_id, persona=person.key)
        await trigger.model.done()

    asyncio.run(run())
    assert trigger.model.error == ""
    assert set(trigger.model.states.values()) == {"done"}
    assert trigger.model.auth_id == person.auth_id
    assert trigger.loaded.holdings.height == store.current().holdings.height > 0
    assert trigger.table is not None
    assert trigger.table.total == trigger.loaded.holdings.height
    assert trigger.model.freshness.startswith("Current")
    assert "checksum right" in trigger.steps.markup


@pytest.mark.parametrize(
    ("step", "message", "retryable"),
    [("deny", "consent_denied", False), ("cancel", "user_cancelled", True)],
)
def test_a_refusal_is_said_in_words_with_what_to_do(
    sb: Sandbox, step: str, message: str, retryable: bool
) -> None:
    trigger = ImportTrigger.sandbox(sb)
    person = someone(sb)

    async def run() -> None:
        trigger.model.start()
        await until(lambda: trigger.model.transaction_id)
        started = trigger.model.transaction_id
        sb.play(started, "choose", broker=person.broker)
        sb.play(started, "login", persona=person.key)
        sb.play(started, step)
        await trigger.model.done()

    asyncio.run(run())
    assert trigger.model.failure["code"].startswith(f"{message} · ")
    said = FAILURES[message]
    assert trigger.model.error == f"{said.what} {said.now}"
    assert escape(said.title) in trigger.steps.markup
    assert message not in said.what + said.now
    assert trigger.panel.error == ""  # it is said once, where it happened
    assert trigger.model.retryable is retryable
    assert "failed" in trigger.steps.markup
    with pytest.raises(ConfigError, match="nothing is imported yet"):
        _ = trigger.loaded


def test_an_expired_import_can_be_tried_again(sb: Sandbox, page: Any) -> None:
    trigger = ImportTrigger.sandbox(sb)

    async def run() -> None:
        trigger.model.start()
        await until(lambda: trigger.model.transaction_id)
        sb.advance(minutes=6)
        await trigger.model.done()
        assert "transaction_expired" in trigger.model.failure["code"]
        first = trigger.model.transaction_id
        page(trigger.panel, type="press", name="start")
        await until(lambda: trigger.model.transaction_id)
        assert trigger.model.transaction_id != first
        page(trigger.panel, type="press", name="cancel")
        await trigger.model.done()

    asyncio.run(run())
    assert trigger.model.busy == ""
    assert "cancelled" in trigger.steps.markup
    assert "broker" not in trigger.model.failure["now"]  # no page was opened


def test_cancel_says_what_is_still_open_elsewhere(sb: Sandbox, page: Any) -> None:
    trigger = ImportTrigger.sandbox(sb)

    async def run() -> None:
        trigger.model.start(hand=lambda _: None)
        await until(lambda: trigger.model.transaction_id)
        page(trigger.sdk, type="opened", transactionId=trigger.model.transaction_id)
        await until(lambda: trigger.model.seconds_left)
        assert re.search(
            r"--p:1\.0000.*expires in <b>(5:00|4:5\d)<", trigger.clock.value
        )
        page(trigger.panel, type="press", name="cancel")
        await trigger.model.done()

    asyncio.run(run())
    assert "close it" in trigger.model.failure["now"]
    assert "is not fetched. The import itself runs out by" in trigger.steps.markup
    assert trigger.clock.value == ""


def test_a_refused_second_import_keeps_the_first_ones_holdings(
    sb: Sandbox, page: Any
) -> None:
    trigger = ImportTrigger.sandbox(sb)
    person = someone(sb)

    async def go(*steps: str) -> None:
        trigger.model.start()
        await until(lambda: trigger.model.transaction_id)
        started = trigger.model.transaction_id
        if not steps:
            sb.play(started, persona=person.key)
        for step in steps:
            sb.play(started, step, persona=person.key, broker=person.broker)
        await trigger.model.done()

    asyncio.run(go())
    first, rows = trigger.loaded, trigger.loaded.holdings.height
    assert f"{rows} holdings from " in trigger.board.markup
    assert f"{rows} without a price, so not in the value" in trigger.board.markup
    asyncio.run(go("choose", "login", "deny"))
    assert trigger.loaded is first
    assert "What was imported before is untouched." in trigger.steps.markup
    assert name_import(first) in trigger.steps.markup
    assert "From an import before" in trigger.board.markup
    assert trigger.results.children == (trigger.board,)
    page(trigger.board, act="all")
    assert trigger.results.children == (trigger.board, trigger.table)


def test_what_the_reply_says_is_never_markup(sb: Sandbox) -> None:
    evil = '<img src=x onerror="alert(1)">'
    failure = {"title": evil, "what": evil, "now": evil, "code": evil, "kept": evil}
    html = write_status(
        "gateway", {"created": "done"}, {"created": evil}, failure, evil
    )
    assert "<img" not in html


def test_somebody_connected_is_refreshed(sb: Sandbox) -> None:
    trigger = ImportTrigger.sandbox(sb)
    person = next(p for p in sb.personas.values() if p.broker != "kite")

    async def run() -> None:
        trigger.model.start()
        await until(lambda: trigger.model.transaction_id)
        sb.play(trigger.model.transaction_id, persona=person.key)
        await trigger.model.done()
        trigger.model.user = trigger.model.auth_id
        trigger.model.start()
        await until(lambda: trigger.model.transaction_id)
        sb.play(trigger.model.transaction_id, persona=person.key)
        await trigger.model.done()

    asyncio.run(run())
    assert trigger.model.error == ""
    assert trigger.loaded.snapshots["account_id"].to_list() == [person.auth_id]


def test_what_the_browser_hands_back_is_taken(sb: Sandbox, page: Any) -> None:
    trigger = ImportTrigger.sandbox(sb)

    async def run() -> None:
        trigger.model.start()
        await until(lambda: trigger.model.transaction_id)
        now = trigger.model.transaction_id
        page(trigger.sdk, type="opened", transactionId=now)
        assert trigger.model.states["triggered"] == "done"
        refusal = {"error": {"message": "no_broker", "code": 1006}}
        page(trigger.sdk, type="result", transactionId="another", result=refusal)
        page(trigger.sdk, type="result", transactionId=now, result=refusal)
        await trigger.model.done()

    asyncio.run(run())
    assert "no_broker" in trigger.model.failure["code"]
    assert trigger.model.retryable is False


def test_arrow_takes_a_token_once_and_forgets_it(sb: Sandbox, page: Any) -> None:
    trigger = ImportTrigger.sandbox(sb)
    person = someone(sb)
    token = sb.arrow_token(person.key)
    trigger.model.source = "arrow"
    trigger.model.account_id = person.account_id
    page(trigger.panel, type="press", name="fetch", secrets={"token": token})
    assert trigger.model.error == ""
    assert trigger.loaded.holdings["source"].unique().to_list() == ["arrow"]
    state = [widget.get_state() for widget in (trigger.panel, trigger.sdk)]
    assert token not in repr(state)
    assert token not in repr(vars(trigger.model))

    page(trigger.panel, type="press", name="fetch", secrets={"token": "wrong"})
    assert "401" in trigger.model.error
    page(trigger.panel, type="press", name="fetch", secrets={"token": ""})
    assert "token is empty" in trigger.panel.error


def test_an_error_nobody_foresaw_is_not_lost(sb: Sandbox) -> None:
    trigger = ImportTrigger.sandbox(sb)
    trigger.model._gateway = None  # pyright: ignore[reportAttributeAccessIssue]

    async def run() -> None:
        trigger.model.start()
        with pytest.raises(AttributeError):
            await trigger.model.done()

    asyncio.run(run())
    assert "should not have happened" in trigger.model.error
