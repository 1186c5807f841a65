"""The steps of an import, how the gateway's words move them, what a failure means."""

from __future__ import annotations

from typing import Final, NamedTuple

GATEWAY_STEPS: Final = {
    "created": "Import created",
    "triggered": "page opened",
    "login": "logged in",
    "consented": "consent given",
    "completed": "import completed",
    "webhook": "webhook",
    "fetched": "Holdings fetched",
}
ARROW_STEPS: Final = {"token": "Token taken", "fetched": "Holdings fetched"}
PHASES: Final = {
    "gateway": {
        "Created": ("created",),
        "Consented": ("triggered", "login", "consented", "completed"),
        "Fetched": ("fetched", "webhook"),
    },
    "arrow": {"Token taken": ("token",), "Fetched": ("fetched",)},
}
"""Source → what is shown as one step, and the steps that it stands for."""
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


class Failure(NamedTuple):
    """What happened, in one line; more of it; and what to do now."""

    title: str
    what: str
    now: str


FAILURES: Final = {
    "consent_denied": Failure(
        "The user said no",
        "Consent was refused on the broker's page.",
        "Only the user can change that: ask them, then start again.",
    ),
    "user_cancelled": Failure(
        "The broker's page was closed",
        "The user closed it before giving consent.",
        "They can start again.",
    ),
    "user_mismatch": Failure(
        "Somebody else logged in",
        "The broker's login belongs to another user than the one chosen here.",
        "Choose that user here, or log in at the broker as the user chosen.",
    ),
    "no_broker": Failure(
        "The broker is not on offer",
        "The user's broker is none that the Gateway can import from.",
        "Holdings at that broker cannot be imported this way.",
    ),
    "transaction_expired": Failure(
        "Nobody finished in time",
        "The import ran out before consent was given.",
        "Start again.",
    ),
    "timed_out": Failure(
        "Nobody finished in time",
        "The broker's page gave up waiting.",
        "Start again.",
    ),
    "init_sdk": Failure(
        "The broker's page did not load",
        "The browser could not load the Gateway's script.",
        "See that the network and the browser's blockers allow it, then start again.",
    ),
    "invalid_jwt": Failure(
        "The Gateway did not accept this server",
        "It refused the token that this server signed.",
        "Check the gateway's secrets.",
    ),
    "invalid_gateway": Failure(
        "The Gateway does not know this name",
        "There is no gateway with the name given.",
        "Check the gateway's name.",
    ),
}
"""The SDK's word for a failure → what happened and what to do, for people."""
