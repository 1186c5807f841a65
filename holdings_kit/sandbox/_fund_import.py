"""The mutual-fund import: PAN and OTP at the registrars, no broker.

It has a flow, a webhook and an error table of its own. The OTP is the same for
everybody here; each persona has an invented PAN.
"""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from starlette.routing import Route

from holdings_kit.sandbox._clock import IST
from holdings_kit.sandbox._gateway import check_headers
from holdings_kit.sandbox._imports import MF_INTENT, StepRefusedError, Transaction
from holdings_kit.sandbox._market import FUNDS
from holdings_kit.sandbox._replies import (
    RefusedError,
    gateway_reply,
    object_of,
    with_faults,
    world_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from starlette.requests import Request
    from starlette.responses import Response

    from holdings_kit.sandbox._personas import Persona
    from holdings_kit.sandbox._world import World

OTP: Final = "123456"
_PAN: Final = re.compile(r"[A-Z]{5}[0-9]{4}[A-Z]")
_MOST_TRIES: Final = 5
_MOST_OTPS: Final = 3


def routes() -> list[Route]:
    """List the two calls, open to the fault plan."""
    return [
        Route("/gateway/mf/getOtp", with_faults(_get_otp, "mf"), methods=["POST"]),
        Route(
            "/gateway/mf/verifyOtp", with_faults(_verify_otp, "mf"), methods=["POST"]
        ),
    ]


def pan_of(persona: Persona) -> str:
    """Give a persona's invented PAN."""
    return f"ZZZP{persona.name[0].upper()}{int(persona.account_id[-4:]):04d}Z"


def ask_for_otp(
    world: World, transaction_id: str, *, pan: str, contact: str
) -> Transaction:
    """Name the investor; an OTP goes to their phone or e-mail.

    Raises
    ------
    RefusedError
        400, 422 or 429, as the published error table has it.
    """
    found = _find_fund_transaction(world, transaction_id, "INITIALIZED", "USED")
    if not _PAN.fullmatch(pan):
        raise RefusedError(422, "pan is not of the form ABCDE1234F")
    if not contact:
        raise RefusedError(422, "phone or email is missing")
    persona = next((one for one in world.personas.values() if pan_of(one) == pan), None)
    if persona is None:
        raise RefusedError(422, "No investor with this PAN")
    if found.otps >= _MOST_OTPS:
        raise RefusedError(429)
    found.otps += 1
    found.persona, found.status = persona, "USED"
    return found


def verify_otp(world: World, transaction_id: str, otp: str) -> Transaction:
    """Give the OTP; the right one completes the import, the fifth wrong one ends it.

    Raises
    ------
    RefusedError
        400 or 406, as the published error table has it.
    """
    found = _find_fund_transaction(world, transaction_id, "USED")
    if otp != OTP:
        found.wrong_otps += 1
        if found.wrong_otps >= _MOST_TRIES:
            world.imports.end(found, "wrong_attempts_exceeded")
            raise RefusedError(400, "wrong_attempts_exceeded")
        raise RefusedError(406, "wrong OTP")
    return world.imports.consent(transaction_id)


def write_fund_import(done: Transaction, at: datetime) -> dict[str, object]:
    """Write what the import's webhook says: a summary, and the transactions.

    ``responseConfig`` of the transaction decides which of the two is in it.
    """
    persona = done.persona
    held = persona is not None and persona.mutual_funds
    today = at.astimezone(IST).date()
    summary: list[dict[str, object]] = []
    moves: list[dict[str, object]] = []
    for number, fund in enumerate(FUNDS if held else (), 1):
        nav = Decimal(fund.nav)
        common = {"folio": f"INV{number:05d}", "isin": fund.isin}
        common["schemeName"] = fund.name
        units, bought = Decimal("12.3450") * number, nav * Decimal("0.95")
        price = bought.quantize(Decimal("0.0001"))
        summary.append(
            {
                **common,
                "closingBalance": units,
                "nav": nav,
                "lastNavDate": f"{today - timedelta(days=1):%d-%b-%Y}".upper(),
                "costValue": _round_amount(units * price),
                "marketValue": _round_amount(units * nav),
            }
        )
        moves.append(
            {
                **common,
                "trxnDate": f"{today - timedelta(days=400):%d-%b-%Y}".upper(),
                "trxnDesc": "Purchase",
                "trxnUnits": units,
                "purchasePrice": price,
                "trxnAmount": _round_amount(units * price),
            }
        )
    wanted = done.response_config
    facts: dict[str, object] = {}
    if wanted.get("casSummary", True):
        facts["summary"] = {"dtSummary": summary}
    if wanted.get("casDetail", True):
        facts["transactions"] = moves
    return facts


def _find_fund_transaction(
    world: World, transaction_id: str, *statuses: str
) -> Transaction:
    try:
        found = world.imports.get(transaction_id)
    except StepRefusedError:
        raise RefusedError(400, "TransactionIdNotFound") from None
    if found.intent != MF_INTENT:
        raise RefusedError(400, "InvalidIntent")
    if found.error is not None and found.error[0] == "wrong_attempts_exceeded":
        raise RefusedError(400, "wrong_attempts_exceeded")
    if found.status not in statuses:
        raise RefusedError(400, "TransactionIdExpired")
    return found


async def _get_otp(request: Request) -> Response:
    world, asked = await _read_call(request)
    contact = asked.get("phone") or asked.get("email") or ""
    with world.lock:
        found = ask_for_otp(
            world,
            str(asked.get("transactionId", "")),
            pan=str(asked.get("pan", "")),
            contact=str(contact),
        )
    return gateway_reply({"transactionId": found.id, "message": "OTP sent"})


async def _verify_otp(request: Request) -> Response:
    world, asked = await _read_call(request)
    with world.lock:
        found = verify_otp(
            world, str(asked.get("transactionId", "")), str(asked.get("otp", ""))
        )
    await asyncio.to_thread(world.pump)
    return gateway_reply({"transactionId": found.id, "status": found.status})


async def _read_call(request: Request) -> tuple[World, Mapping[str, object]]:
    check_headers(request, world_of(request).credentials.gateway)
    return world_of(request), await object_of(request)


def _round_amount(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.01"))
