"""The steps of an import, and how the gateway's words move them."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["ARROW_STEPS", "FAILED_AT", "GATEWAY_STEPS", "REACHED", "steps_html"]

GATEWAY_STEPS: Final = {
    "created": "Import created",
    "triggered": "Broker's page opened",
    "login": "Logged in",
    "consented": "Consent given",
    "completed": "Import completed",
    "webhook": "Webhook arrived",
    "fetched": "Holdings fetched",
}
ARROW_STEPS: Final = {"token": "Token taken", "fetched": "Holdings fetched"}
REACHED: Final = {
    "INITIALIZED": "created",
    "USED": "login",
    "ACTION_REQUIRED": "login",
    "PROCESSING": "consented",
    "COMPLETED": "completed",
}
"""The gateway's status → the last step that has certainly been taken."""
FAILED_AT: Final = {
    "user_mismatch": "login",
    "consent_denied": "consented",
    "no_broker": "login",
    "init_sdk": "triggered",
    "invalid_jwt": "triggered",
    "invalid_gateway": "triggered",
}
"""An error of the browser SDK → the step that it broke, whatever was seen before."""
_WORDS: Final = {
    "todo": "not yet",
    "now": "waiting",
    "done": "done",
    "failed": "failed",
    "none": "not expected",
}


def steps_html(
    names: Mapping[str, str],
    states: Mapping[str, str],
    notes: Mapping[str, str],
) -> str:
    """Write the steps as a list; each says its state in words, not by colour alone."""
    items: Sequence[str] = [
        f'<li class="hk-{states.get(key, "todo")}"><b>{escape(label)}</b>'
        f"{escape(notes.get(key) or _WORDS[states.get(key, 'todo')])}</li>"
        for key, label in names.items()
    ]
    return f'<ol class="hk-steps">{"".join(items)}</ol>'
