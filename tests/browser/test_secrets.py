"""No secret stays behind: not in the saved notebook, a log, or the page."""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import expect

SET_UP = """
import holdings_kit as hk
from holdings_kit.sandbox import Clock
from widgets import ImportTrigger
sb = hk.sandbox.serve(seed=11, clock=Clock(speed=1))
person = next(p for p in sb.personas.values() if p.broker == 'upstox')
trigger = ImportTrigger.sandbox(sb)
trigger.model.account_id = person.account_id
"""


def test_planted_secrets_are_in_no_notebook_log_or_page(lab: Any) -> None:
    from holdings_kit import sandbox
    from holdings_kit.sandbox import Clock

    # same seed, same secrets: this one tells them, the notebook's never does
    with sandbox.serve(seed=11, clock=Clock()) as twin:
        person = next(p for p in twin.personas.values() if p.broker == "upstox")
        token = twin.arrow_token(person.key)
        planted = [twin.api_secret, twin.shared_secret, twin.app_secret, token]

    name = lab.notebook("secrets.ipynb", SET_UP, "trigger")
    page = lab.open(name)
    tool = page.locator(".hk-tool")
    tool.get_by_label("Source").select_option("arrow")
    tool.get_by_label("Token").fill(token)
    tool.get_by_role("button", name="Fetch holdings").click()
    expect(tool.locator("caption")).to_have_text("Largest holdings", timeout=20_000)
    expect(tool.get_by_label("Token")).to_have_value("")

    tool.get_by_label("Source").select_option("gateway")
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    with page.expect_popup() as opened:
        tool.get_by_role("button", name="Import holdings").click()
    popup = opened.value
    popup.get_by_role("button", name="Upstox").click()
    popup.get_by_label("PIN").fill("1234")
    popup.get_by_role("button", name="Log in").click()
    popup.get_by_role("button", name="Allow", exact=True).click()
    expect(tool.locator(".hk-steps3")).to_contain_text("rows", timeout=20_000)

    page.evaluate("async () => window.jupyterapp.shell.currentWidget.context.save()")
    saved = (lab.folder / name).read_text()
    state = json.loads(saved)["metadata"].get("widgets")
    assert state, "the widget state was not saved: the test would prove nothing"
    places = {
        "notebook": saved,
        "log": lab.log.read_text(),
        "page": page.content(),
        "console": "\n".join(said),
    }
    for place, text in places.items():
        for number, secret in enumerate(planted):
            assert secret not in text, f"secret {number} is in the {place}"
        assert "eyJ" not in text, f"a token is in the {place}"
