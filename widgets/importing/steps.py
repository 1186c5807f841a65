"""The steps of an import, and how the gateway's words move them."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "ARROW_STEPS",
    "FAILED_AT",
    "FAILURES",
    "GATEWAY_STEPS",
    "REACHED",
    "steps_html",
]

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
FAILURES: Final = {
    "consent_denied": "The user did not allow the import; only they can",
    "user_cancelled": "The user closed the broker's page; they can start again",
    "user_mismatch": "Somebody else logged in than was expected; log in as the user",
    "no_broker": "The user's broker is not on offer; it cannot be imported from",
    "transaction_expired": "Nobody finished the import in time; start it again",
    "timed_out": "Nobody finished the import in time; start it again",
    "init_sdk": "The broker's page could not be loaded; see that the network allows it",
    "invalid_jwt": "The gateway did not accept this server; check its secrets",
    "invalid_gateway": "The gateway does not know this name; check the gateway's name",
}
"""The SDK's word for a failure → what happened and what to do, for people."""
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
