"""The SDK stand-in and the pages in a real Chromium."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from holdings_kit import sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def sb() -> Iterator[sandbox.Sandbox]:
    with sandbox.serve(seed=7) as made:
        yield made


@pytest.fixture
def page(browser: Any, sb: sandbox.Sandbox) -> Iterator[Any]:
    context = browser.new_context()
    page = context.new_page()
    page.goto(sb.url)
    yield page
    context.close()


def result(page: Any) -> dict[str, Any]:
    page.locator("#result", has_text="{").wait_for(state="attached")
    return json.loads(page.text_content("#result"))


def through_login(place: Any, broker: str, persona: str) -> None:
    place.get_by_role("button", name=broker).click()
    place.get_by_label("Customer").select_option(persona)
    place.get_by_label("PIN").fill("1234")
    place.get_by_role("button", name="Log in").click()


def test_the_user_imports_in_a_window(page: Any, sb: sandbox.Sandbox) -> None:
    with page.expect_popup() as opened:
        page.get_by_role("button", name="Import holdings").click()
    through_login(opened.value, "Zerodha", "asha")
    opened.value.get_by_role("button", name="Allow", exact=True).click()
    said = result(page)
    assert said["broker"] == "kite"
    assert said["transactionId"] == sb.deliveries()[0]["transactionId"]
    assert set(said) == {"smallcaseAuthToken", "broker", "transactionId", "signup"}


AXE = Path(__file__).parent / "vendor" / "axe.min.js"


def violations(page: Any) -> list[str]:
    """Check a whole page with axe-core."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run('html', {resultTypes: ['violations']})")
    assert found["passes"]
    return [
        f"{one['id']}: {node['html'][:200]}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


def fits(page: Any, width: int) -> bool:
    page.set_viewport_size({"width": width, "height": 800})
    return page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_an_import_ends_in_holdings_and_every_page_is_accessible(
    browser: Any, sb: sandbox.Sandbox, theme: Any
) -> None:
    context = browser.new_context(color_scheme=theme, reduced_motion="reduce")
    page = context.new_page()
    page.goto(sb.url)
    with page.expect_popup() as opened:
        page.get_by_role("button", name="Import holdings").click()
    popup = opened.value
    popup.get_by_role("button", name="Groww").wait_for()
    assert violations(popup) == []
    popup.get_by_role("button", name="Groww").click()
    popup.get_by_label("PIN").fill("9")
    popup.get_by_role("button", name="Log in").click()
    popup.get_by_role("alert").wait_for()
    assert violations(popup) == []
    through = popup.get_by_label("Customer")
    through.select_option("bela")
    popup.get_by_label("PIN").fill("1234")
    popup.get_by_role("button", name="Log in").click()
    popup.get_by_role("button", name="Allow", exact=True).wait_for()
    assert violations(popup) == []
    popup.get_by_role("button", name="Allow", exact=True).click()
    page.get_by_role("heading", name="holdings of Bela Example at Groww").wait_for()
    total = page.get_by_role("row", name="Total")
    assert "₹" in total.inner_text()
    assert "7 of 7 priced" in total.inner_text()
    assert "smallcaseAuthToken" not in page.inner_text("main"), "below, when opened"
    page.get_by_text("What the page got from the browser SDK").click()
    page.get_by_text("What the Gateway answered").click()
    assert "smallcaseAuthToken" in page.inner_text("#result")
    assert "averagePrice" in page.inner_text("#answer")
    assert violations(page) == []
    assert fits(page, 600)
    assert total.is_visible()
    page.emulate_media(media="print", color_scheme=theme)
    ink = page.evaluate("getComputedStyle(document.body).color")
    assert ink == "rgb(23, 32, 43)", "paper is white whatever the screen is"
    page.emulate_media(media="screen", color_scheme=theme)
    for path in ("/_sandbox/", "/docs", "/app/login?appID=sandboxapp", "/app/done"):
        page.goto(f"{sb.url}{path}")
        page.get_by_role("heading", level=1).wait_for()
        assert violations(page) == [], path
        assert fits(page, 600), path
    context.close()


def test_a_refused_import_says_why_and_leaves_the_one_before(page: Any) -> None:
    for broker, persona, answer in (
        ("Zerodha", "asha", "Allow"),
        ("Groww", "bela", "Do not allow"),
    ):
        with page.expect_popup() as opened:
            page.get_by_role("button", name="Import holdings").click()
        through_login(opened.value, broker, persona)
        opened.value.get_by_role("button", name=answer, exact=True).click()
        page.locator("#import:enabled").wait_for()
    assert page.inner_text("#said") == (
        "You did not allow the import. Nothing was shared."
    )
    page.get_by_role("heading", name="of Asha Example at Zerodha").wait_for()


def test_where_windows_are_blocked_a_dialog_opens(page: Any) -> None:
    page.evaluate("window.open = () => null")
    page.get_by_role("button", name="Import holdings").click()
    frame = page.frame_locator("dialog iframe")
    through_login(frame, "Groww", "bela")
    frame.get_by_role("button", name="Do not allow").click()
    assert result(page) == {"message": "consent_denied", "code": 1003}


@pytest.mark.parametrize(
    ("steps", "error"),
    [
        (0, {"message": "user_cancelled", "code": 1010}),
        (1, {"message": "user_cancelled", "code": 1011}),
        (2, {"message": "user_cancelled", "code": 1012}),
    ],
)
def test_closing_the_window_cancels(
    page: Any, steps: int, error: dict[str, object]
) -> None:
    with page.expect_popup() as opened:
        page.get_by_role("button", name="Import holdings").click()
    popup = opened.value
    popup.wait_for_load_state()
    popup.get_by_role("heading", name="Choose your broker").wait_for()
    if steps == 1:
        popup.get_by_role("button", name="Upstox").click()
        popup.get_by_label("PIN").wait_for()
    if steps == 2:
        through_login(popup, "Upstox", "chirag")
        popup.get_by_role("button", name="Allow", exact=True).wait_for()
    popup.close()
    assert result(page) == error


def test_a_wrong_pin_is_said_where_a_screen_reader_hears_it(page: Any) -> None:
    with page.expect_popup() as opened:
        page.get_by_role("button", name="Import holdings").click()
    popup = opened.value
    popup.get_by_role("button", name="Zerodha").click()
    popup.get_by_label("PIN").fill("9")
    popup.get_by_role("button", name="Log in").click()
    popup.get_by_role("alert").wait_for()
    assert "wrong" in popup.get_by_role("alert").inner_text()
    assert popup.get_by_label("PIN").get_attribute("aria-invalid") == "true"


def test_a_processing_import_times_out_by_the_rule(
    page: Any, sb: sandbox.Sandbox
) -> None:
    sb.set_faults("import: processing 1h")
    page.evaluate("""() => {
        window.waits = [];
        const real = window.setTimeout;
        window.setTimeout = (f, ms) => { window.waits.push(ms); return real(f, 1); };
    }""")
    with page.expect_popup() as opened:
        page.get_by_role("button", name="Import holdings").click()
    through_login(opened.value, "Zerodha", "asha")
    opened.value.get_by_role("button", name="Allow", exact=True).click()
    assert result(page) == {"message": "timed_out", "code": 4003}
    assert page.evaluate("window.waits.filter((ms) => ms === 2000).length") == 15


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"gateway": "nobody"}, {"message": "invalid_gateway", "code": 100}),
        ({"smallcaseAuthToken": "x.y.z"}, {"message": "invalid_jwt", "code": 90}),
        ({"gateway": ""}, {"message": "init_sdk", "code": 3004}),
        (
            {"transactionId": "TRX_0"},
            {"message": "invalid_transactionId", "code": 3002},
        ),
    ],
)
def test_the_sdk_refuses_with_message_and_code(
    page: Any, asked: dict[str, str], error: dict[str, object]
) -> None:
    said = page.evaluate(
        """async (asked) => {
            const start = await fetch("/_sandbox/try", {method: "POST"});
            const good = {...(await start.json()), ...asked};
            const sdk = new scDK({...good, config: {amo: true}});
            return sdk.triggerTransaction(good).catch((error) => error);
        }""",
        asked,
    )
    assert said == error


def test_a_used_transaction_is_refused_as_expired(
    page: Any, sb: sandbox.Sandbox
) -> None:
    started = page.evaluate(
        "fetch('/_sandbox/try', {method: 'POST'}).then((reply) => reply.json())"
    )
    sb.play(started["transactionId"], persona="asha")
    said = page.evaluate(
        "(g) => new scDK(g).triggerTransaction(g).catch((error) => error)", started
    )
    assert said == {"message": "transaction_expired", "code": 3001}


def test_a_page_of_another_local_port_may_use_the_sdk(
    browser: Any, sb: sandbox.Sandbox
) -> None:
    with sandbox.serve() as other:
        context = browser.new_context(bypass_csp=True)
        page = context.new_page()
        page.goto(other.url)
        page.add_script_tag(url=f"{sb.url}/scdk/2.0.0/scdk.js")
        said = page.evaluate(
            """() => new scDK({gateway: "nobody", smallcaseAuthToken: "x"})
                .triggerTransaction({transactionId: "TRX_0"}).catch((e) => e)"""
        )
        context.close()
    assert said == {"message": "invalid_gateway", "code": 100}


SINGLETON = """async () => {
    const start = async () =>
        (await fetch("/_sandbox/try", {method: "POST"})).json();
    const [one, two] = [await start(), await start()];
    const first = new scDK({...one, smallcaseAuthToken: "x.y.z"});
    const second = new scDK(two);
    const trigger = () => first.triggerTransaction(two).catch((error) => error);
    const before = await trigger();
    await second.init({smallcaseAuthToken: two.smallcaseAuthToken});
    window.waiting = trigger();
    const busy = await trigger();
    return {same: first === second, amo: second.config.amo, before, busy};
}"""


def test_the_sdk_is_one_for_the_page_and_does_one_thing_at_a_time(page: Any) -> None:
    said = page.evaluate(SINGLETON)
    assert said == {
        "same": True,
        "amo": False,
        "before": {"message": "invalid_jwt", "code": 90},
        "busy": {"message": "transaction_in_process", "code": 3003},
    }
    page.context.pages[-1].close()
    assert page.evaluate("window.waiting")["message"] == "user_cancelled"


LIMITED = """async () => {
    const start = await (await fetch("/_sandbox/try", {method: "POST"})).json();
    const sdk = new scDK({...start, brokers: ["dhan", "kite", "nobody"]});
    window.waiting = sdk.triggerTransaction(start);
}"""


def test_brokers_limit_the_chooser_and_a_result_may_be_nested(browser: Any) -> None:
    with sandbox.serve(seed=7, nested_result=True) as sb:
        context = browser.new_context()
        page = context.new_page()
        page.goto(sb.url)
        with page.expect_popup() as opened:
            page.evaluate(LIMITED)
        popup = opened.value
        popup.get_by_role("button", name="Zerodha").wait_for()
        offered = popup.locator("button.broker").all_inner_texts()
        assert [text.split("\n")[-1] for text in offered] == ["Dhan", "Zerodha"]
        through_login(popup, "Dhan", "asha2")
        popup.get_by_role("button", name="Allow", exact=True).click()
        said = page.evaluate("window.waiting")
        context.close()
    assert (said["success"], said["transaction"]) == (True, "HOLDINGS_IMPORT")
    assert set(said["data"]) == {
        "smallcaseAuthToken",
        "broker",
        "transactionId",
        "signup",
    }


def test_a_browser_that_cannot_show_the_flow_is_told_so(
    page: Any, sb: sandbox.Sandbox
) -> None:
    error = {"message": "no_compatible_browser", "code": 2001}
    trigger = """async () => {
        const start = await (await fetch("/_sandbox/try", {method: "POST"})).json();
        const sdk = new scDK(start);
        return sdk.triggerTransaction(start).catch((error) => error);
    }"""
    sb.set_faults("sdk: no_compatible_browser")
    assert page.evaluate(trigger) == error
    page.evaluate(
        "window.open = () => null; delete HTMLDialogElement.prototype.showModal"
    )
    assert page.evaluate(trigger) == error


def test_the_inspector_is_used_by_keyboard_and_shows_text_as_text(
    page: Any, sb: sandbox.Sandbox
) -> None:
    hook = "http://127.0.0.1:9/hook"
    evil = "<img src=x onerror='window.hurt=1'>"
    page.evaluate(
        """(evil) => fetch("/user/holdings?" + encodeURIComponent(evil),
        {headers: {token: evil}})""",
        evil,
    )
    page.goto(f"{sb.url}/_sandbox/")
    field = page.get_by_label("Webhook URL")
    field.fill(str(field.get_attribute("placeholder")))
    assert field.evaluate("el => el.scrollWidth <= el.clientWidth"), "all in sight"
    field.fill(hook)
    page.get_by_label("Event").select_option("order")
    page.get_by_label("of", exact=True).select_option("bela")
    page.get_by_label("forged").check()
    page.get_by_role("button", name="Fire").press("Enter")
    row = page.locator("#list button")
    row.wait_for()
    row.focus()
    row.press("Enter")
    page.get_by_text("It does not fit").wait_for()
    page.get_by_role("button", name="Send again").press("Enter")
    page.get_by_text("dlv_0001 sent again").wait_for()
    (sent,) = sb.deliveries()
    answers: Any = sent["answers"]
    assert (len(answers), sent["forged"], sent["url"]) == (2, True, hook)
    assert sent["kind"] == "order"
    page.get_by_role("button", name="+1 day").press("Enter")
    page.get_by_text("6 Jan 2026, 10:15:00 IST").wait_for()
    page.get_by_role("button", name="Requests").press("Enter")
    page.locator("#list button", has_text="GET /user/holdings").press("Enter")
    page.get_by_text("Request headers").wait_for()
    assert evil in page.locator("#details").inner_text()
    assert page.evaluate("window.hurt") is None
