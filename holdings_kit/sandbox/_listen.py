"""A relay: it takes webhooks in, passes them on, and gives the receiver's answer."""

from __future__ import annotations

import asyncio
import json
from http.client import HTTPException
from typing import TYPE_CHECKING, cast

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from holdings_kit.sandbox._webhooks import post_json
from holdings_kit.wire import recognize_event

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request


def make_relay(forward_to: str, show: Callable[[dict[str, object]], None]) -> Starlette:
    """Build the application; `show` is given a line for each webhook.

    A receiver that gives no answer counts as 502, so that the sender tries again.
    """

    async def relay(request: Request) -> Response:
        body = await request.body()
        try:
            status = await asyncio.to_thread(post_json, forward_to, body)
            answer = str(status)
        except (OSError, HTTPException) as error:
            status, answer = 502, type(error).__name__
        show({**_summarize_event(body), "answer": answer})
        return Response(status_code=status)

    return Starlette(routes=[Route("/webhook", relay, methods=["POST"])])


def _summarize_event(body: bytes) -> dict[str, object]:
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        return {"kind": "unreadable", "account": None, "transaction_id": None}
    facts = cast("dict[str, object]", said)
    return {
        "kind": recognize_event(facts) or "holdings-import",
        "account": facts.get("smallcaseAuthId"),
        "transaction_id": facts.get("transactionId"),
        "snapshot_date": facts.get("snapshotDate"),
        "checksum": facts.get("checksum"),
    }
