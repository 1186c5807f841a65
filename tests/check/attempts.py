"""Attempts at the course: right ones in many styles, and the mistakes people make.

An attempt is the learner's functions of one lesson. Of a wrong one stand the words of
the rules that it has to break.
"""

import asyncio
import base64
import functools
import hashlib
import hmac
import itertools
import json
import logging
import operator
import random
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from hmac import compare_digest as equal_bytes
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import jwt

import holdings_kit as hk
from holdings_kit.market import freshness
from holdings_kit.wire import webhook_checksum_ok

Code = Callable[..., Any]


class Attempt(NamedTuple):
    """The functions of one lesson; the rules they break, none where they are right."""

    lesson: int
    name: str
    code: tuple[Code, ...]
    breaks: tuple[str, ...] = ()
    limit: float | None = None


ATTEMPTS: list[Attempt] = []


def right(lesson: int, name: str, *code: Code) -> None:
    ATTEMPTS.append(Attempt(lesson, name, code))


def wrong(
    lesson: int, name: str, *code: Code, breaks: str, limit: float | None = None
) -> None:
    ATTEMPTS.append(Attempt(lesson, name, code, tuple(breaks.split("; ")), limit))


def endless(*_: object) -> None:
    while True:
        pass


def deaf(*_: object) -> None:
    while True:
        try:
            time.sleep(0.001)
        except:  # noqa: E722
            continue


async def hanging(*_: object) -> None:
    await asyncio.sleep(1000)


# 1. Tokens


def sign(shared_secret: str, auth_id: str | None, now: datetime) -> str:
    payload = {"guest": True} if auth_id is None else {"smallcaseAuthId": auth_id}
    return jwt.encode(payload, shared_secret, algorithm="HS256")


def checked(shared_secret: str, token: str, now: datetime) -> dict[str, Any]:
    off: Any = {"verify_exp": False, "verify_iat": False}
    claims = jwt.decode(token, shared_secret, algorithms=["HS256"], options=off)
    if claims["exp"] <= now.timestamp():
        raise ValueError("expired")
    return claims


def read(shared_secret: str, token: str, now: datetime) -> str:
    return checked(shared_secret, token, now)["smallcaseAuthId"]


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def mac(secret: str, text: str) -> bytes:
    return hmac.digest(secret.encode(), text.encode(), "sha256")


async def sign_by_hand(shared_secret: str, auth_id: str | None, now: datetime) -> str:
    claims: dict[str, Any] = (
        {"smallcaseAuthId": auth_id} if auth_id else {"guest": True}
    )
    claims["iat"] = int(now.timestamp())
    head = b64(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    text = f"{head}.{b64(json.dumps(claims).encode())}"
    return f"{text}.{b64(mac(shared_secret, text))}"


async def read_by_hand(shared_secret: str, token: str, now: datetime) -> str:
    text, _, given = token.rpartition(".")
    head, claims = (json.loads(unb64(part)) for part in text.split("."))
    assert head["alg"] == "HS256"
    assert hmac.compare_digest(unb64(given), mac(shared_secret, text))
    assert claims.get("exp", 0) > now.timestamp()
    return claims["smallcaseAuthId"]


class Tokens:
    """The package's own, as methods of an object."""

    def sign(self, shared_secret: str, auth_id: str | None, now: datetime) -> object:
        client = hk.GatewayClient(
            gateway="g", api_secret="a", shared_secret=shared_secret, clock=lambda: now
        )
        with client:
            return client.token(auth_id)

    def read(self, shared_secret: str, token: str, now: datetime) -> str:
        client = hk.GatewayClient(
            gateway="g", api_secret="a", shared_secret=shared_secret, clock=lambda: now
        )
        with client:
            return client.auth_id(token)


right(1, "without times", sign, read)
right(1, "by hand and async", sign_by_hand, read_by_hand)
right(1, "methods around the package", Tokens().sign, Tokens().read)
wrong(
    *(1, "a guest is read as None", sign),
    lambda secret, token, now: checked(secret, token, now).get("smallcaseAuthId"),
    breaks="names nobody",
)
wrong(
    *(1, "the signature is not looked at", sign),
    lambda secret, token, now: jwt.decode(token, options={"verify_signature": False})[
        "smallcaseAuthId"
    ],
    breaks="another secret; none; expired",
)
wrong(
    *(1, "the machine's clock", sign),
    lambda secret, token, now: jwt.decode(token, secret, algorithms=["HS256"])[
        "smallcaseAuthId"
    ],
    breaks="the user is read",
)
wrong(
    *(1, "time is not looked at", sign),
    lambda secret, token, now: jwt.decode(
        token, secret, algorithms=["HS256"], options={"verify_exp": False}
    )["smallcaseAuthId"],
    breaks="expired",
)
wrong(
    *(
        1,
        "a token for a year",
    ),
    lambda secret, who, now: jwt.encode(
        ({"smallcaseAuthId": who} if who else {"guest": True})
        | {"exp": now + timedelta(days=365)},
        secret,
    ),
    *(read,),
    breaks="ends in a day",
)
wrong(
    *(
        1,
        "more claims than are acceptable",
    ),
    lambda secret, who, now: jwt.encode(
        {"guest": who is None, "smallcaseAuthId": who}, secret
    ),
    *(read,),
    breaks="is a guest; nothing else",
)


# 2. Requests and statuses


def build(gateway: str, api_secret: str, token: str, notes: str | None) -> Any:
    if notes and len(notes) > 256:
        raise ValueError("too long")
    body = {"intent": "HOLDINGS_IMPORT", "version": "v2", "notes": notes or ""}
    headers = {"X-Gateway-Secret": api_secret, "X-Gateway-AuthToken": token}
    return f"/gateway/{gateway}/transaction", headers, body


class Next(StrEnum):
    WAIT = "wait"
    FETCH = "fetch"
    NEW_TRANSACTION = "new transaction"
    GIVE_UP = "give up"


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    body: str


async def build_object(gateway: str, secret: str, token: str, notes: str | None) -> Any:
    path, headers, body = build(gateway, secret, token, notes)
    return Request(path, headers, json.dumps(body))


async def follow_match(details: dict[str, Any]) -> Next:
    match details:
        case {"status": "INITIALIZED" | "USED" | "PROCESSING"}:
            return Next.WAIT
        case {"status": "COMPLETED"}:
            return Next.FETCH
        case {"status": "EXPIRED" | "CANCELLED"}:
            return Next.NEW_TRANSACTION
        case {"error": {"message": "timed_out"}}:
            return Next.WAIT
        case {"error": {"code": 1005 | 3001 | 1010 | 1011 | 1012 | 2000}}:
            return Next.NEW_TRANSACTION
    return Next.GIVE_UP


TABLE = {
    "INITIALIZED": "wait",
    "USED": "wait",
    "PROCESSING": "wait",
    "COMPLETED": "fetch",
    "EXPIRED": "new_transaction",
    "transaction_expired": "new_transaction",
    "user_cancelled": "new_transaction",
    "internal_error": "new_transaction",
}


def follow_table(details: dict[str, Any]) -> str:
    failed = details["status"] == "ERRORED"
    seen = details["error"]["message"] if failed else details["status"]
    return TABLE.get(seen, "give_up")


def follow_but(**answers: str) -> Code:
    """The table, with a few answers of one's own."""

    def follow(details: dict[str, Any]) -> str:
        message = details.get("error", {}).get("message", details["status"])
        return answers.get(message) or follow_table(details)

    return follow


def strict(details: dict[str, Any]) -> str:
    known = {"consent_denied", "user_mismatch", "no_broker", "timed_out"}
    known |= {"intent_not_enabled_for_broker", *TABLE}
    message = details.get("error", {}).get("message")
    if message is not None and message not in known:
        raise KeyError(message)
    return follow_table(details)


def build_with(**changes: object) -> Code:
    def changed(gateway: str, secret: str, token: str, notes: str | None) -> Any:
        path, headers, body = build(gateway, secret, token, notes)
        body |= changes
        return path, headers, {k: v for k, v in body.items() if v is not None}

    return changed


def build_swapped(gateway: str, secret: str, token: str, notes: str | None) -> Any:
    return build(gateway, token, secret, notes)


def build_in_path(gateway: str, secret: str, token: str, notes: str | None) -> Any:
    path, headers, body = build(gateway, secret, token, notes)
    return f"{path}?secret={secret.replace(' ', '%20')}", headers, body


def build_cut(gateway: str, secret: str, token: str, notes: str | None) -> Any:
    return build(gateway, secret, token, notes and notes[:256])


right(2, "a table", build, follow_table)
right(2, "match and objects, async", build_object, follow_match)
wrong(
    *(2, "timed_out begins anew", build, follow_but(timed_out="new transaction")),
    breaks="timed_out is answered by a look",
)
wrong(
    *(2, "refused consent is retried", build),
    follow_but(consent_denied="new transaction"),
    breaks="refuses consent",
)
wrong(
    *(2, "another account is retried", build),
    follow_but(user_mismatch="new transaction"),
    breaks="cannot mend",
)
wrong(
    *(2, "used is taken for ended", build, follow_but(USED="new transaction")),
    breaks="running transaction is waited for",
)
wrong(2, "a strict list of errors", build, strict, breaks="nobody has published")
wrong(2, "no version", build_with(version=None), follow_table, breaks="the version")
wrong(
    *(2, "the intent of funds", build_with(intent="MF_HOLDINGS_IMPORT"), follow_table),
    breaks="the intent",
)
wrong(2, "swapped headers", build_swapped, follow_table, breaks="sandbox accepts")
wrong(2, "a secret in the path", build_in_path, follow_table, breaks="headers only")
wrong(2, "notes cut short", build_cut, follow_table, breaks="at most 256")


# 3. Checksums


def subjects(body: bytes) -> tuple[list[str], str] | int:
    try:
        got = json.loads(body, parse_int=str, parse_float=str)
        stamp, given = got["timestamp"], got.get("checksum", "")
    except (ValueError, TypeError, KeyError):
        return 400
    found = [got.get(name) for name in ("smallcaseAuthId", "transactionId")]
    return [stamp + subject for subject in found if subject], given


def hexmac(secret: str, text: str) -> str:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def handler(body: bytes, api_secret: str) -> int:
    got = subjects(body)
    if isinstance(got, int):
        return got
    texts, given = got
    fits = [hmac.compare_digest(hexmac(api_secret, text), given) for text in texts]
    return HTTPStatus.OK if any(fits) else HTTPStatus.UNAUTHORIZED


async def handler_async(body: bytes, api_secret: str) -> tuple[int, str]:
    status = await asyncio.to_thread(handler, body, api_secret)
    return status, "done" if status == 200 else "no"


class Refused(Exception):  # noqa: N818
    def __init__(self, status_code: int) -> None:
        self.status_code = status_code


class Receiver:
    """Raises, as a web framework does; the comparison has another name here."""

    def __call__(self, body: bytes, api_secret: str) -> Any:
        got = subjects(body)
        if isinstance(got, int):
            raise Refused(422)
        texts, given = got
        raw = given.encode()
        if not any(equal_bytes(hexmac(api_secret, t).encode(), raw) for t in texts):
            raise Refused(401)
        return Refused(202)  # any object with a status


def handler_package(body: bytes, api_secret: str) -> int:
    try:
        return 200 if webhook_checksum_ok(json.loads(body), api_secret) else 401
    except (ValueError, AttributeError):
        return 400


def handler_bits(body: bytes, api_secret: str) -> int:
    """Compares bit by bit, in time that depends on nothing."""
    got = subjects(body)
    if isinstance(got, int):
        return got
    for text in got[0]:
        pairs = itertools.zip_longest(hexmac(api_secret, text), got[1], fillvalue="?")
        if functools.reduce(operator.or_, (ord(a) ^ ord(b) for a, b in pairs)) == 0:
            return 204
    return 401


def handler_equals(body: bytes, api_secret: str) -> int:
    got = subjects(body)
    if isinstance(got, int):
        return got
    return 200 if any(hexmac(api_secret, text) == got[1] for text in got[0]) else 401


def handler_user_only(body: bytes, api_secret: str) -> int:
    try:
        got = json.loads(body)
        wanted = hexmac(api_secret, str(got["timestamp"]) + got["smallcaseAuthId"])
        return 200 if hmac.compare_digest(wanted, got["checksum"]) else 401
    except (ValueError, KeyError, TypeError):
        return 400


def handler_reparsed(body: bytes, api_secret: str) -> int:
    try:
        got = json.loads(body)
        at = datetime.fromisoformat(got["timestamp"]).astimezone(UTC)
        stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, KeyError, TypeError):
        return 400
    again = json.dumps(got | {"timestamp": stamp}).encode()
    return handler(again, api_secret)


def handler_crashes(body: bytes, api_secret: str) -> int:
    got = json.loads(body)
    return handler(json.dumps(got).encode(), api_secret) if got["checksum"] else 401


def handler_missing_is_fine(body: bytes, api_secret: str) -> int:
    status = handler(body, api_secret)
    return 200 if status == 401 and b'"checksum"' not in body else status


right(3, "compare_digest, HTTPStatus", handler)
right(3, "async, a pair", handler_async)
right(3, "an object that raises", Receiver())
right(3, "the package's", handler_package)
right(3, "bit by bit", handler_bits)
wrong(3, "== on checksums", handler_equals, breaks="constant time")
wrong(3, "the user's message only", handler_user_only, breaks="funds only")
wrong(3, "a time that is written anew", handler_reparsed, breaks="as received")
wrong(3, "no look at all", lambda body, secret: 200, breaks="wrong checksum; no JSON")
wrong(3, "an exception is a 500", handler_crashes, breaks="no JSON")
wrong(3, "no checksum is none", handler_missing_is_fine, breaks="missing checksum")
wrong(3, "an endless loop", endless, breaks="genuine; no JSON", limit=0.3)


# 4. Freshness

IST = timezone(timedelta(hours=5, minutes=30))


def minutes_open(start: datetime, end: datetime) -> float:
    """The minutes of trading between two instants, by hand: weekdays only."""
    total, day = 0.0, start.astimezone(IST).date()
    while day <= end.astimezone(IST).date():
        opens = datetime(day.year, day.month, day.day, 9, 15, tzinfo=IST)
        closes = opens + timedelta(hours=6, minutes=15)
        if day.weekday() < 5:
            overlap = min(end, closes) - max(start, opens)
            total += max(0.0, overlap.total_seconds() / 60)
        day += timedelta(days=1)
    return total


def decide(at: datetime | None, now: datetime, broker: str) -> str:
    if at is not None and minutes_open(at, now) <= 60:
        return "use"
    return "fetch" if broker.partition("-")[0] == "kite" else "import"


async def decide_async(at: datetime | None, now: datetime, broker: str) -> str:
    state = freshness(at, now=now, max_age=timedelta(hours=1))
    long = broker.removesuffix("-leprechaun") == "kite"
    return "USE" if state.fresh else "FETCH" if long else "IMPORT"


def decide_within(minutes: int) -> Code:
    def judged(at: datetime | None, now: datetime, broker: str) -> str:
        long = broker.partition("-")[0] == "kite"
        fresh = at is not None and minutes_open(at, now) <= minutes
        return "use" if fresh else "fetch" if long else "import"

    return judged


def wall_clock(at: datetime | None, now: datetime, broker: str) -> str:
    if at is not None and now - at <= timedelta(hours=1):
        return "use"
    return decide(None, now, broker)


def seconds_of_the_day(at: datetime | None, now: datetime, broker: str) -> str:
    old = at is None or (minutes_open(at, now) > 60 and (now - at).seconds > 3600)
    return decide(None, now, broker) if old else "use"


class Known(StrEnum):
    KITE = "kite"
    GROWW = "groww"
    UPSTOX = "upstox"


def strict_brokers(at: datetime | None, now: datetime, broker: str) -> str:
    key = Known(broker.removesuffix("-leprechaun"))
    return decide(at, now, key.value)


def unknown_is_now(at: datetime | None, now: datetime, broker: str) -> str:
    return decide(at or now, now, broker)


def exact_names(at: datetime | None, now: datetime, broker: str) -> str:
    answer = decide(at, now, "groww")
    return "fetch" if answer == "import" and broker == "kite" else answer


right(4, "by hand", decide)
right(4, "the package's, async", decide_async)
wrong(4, "an hour is 1", decide_within(1), breaks="within the hour")
wrong(4, "an hour is 45 minutes", decide_within(45), breaks="within the hour")
wrong(4, "an hour is 3600 minutes", decide_within(3600), breaks="after an hour")
wrong(4, "time of the wall", wall_clock, breaks="Friday evening; the night")
wrong(4, "seconds without days", seconds_of_the_day, breaks="sessions needs an import")
wrong(4, "a strict enum of brokers", strict_brokers, breaks="nobody knows")
wrong(4, "unknown is now", unknown_is_now, breaks="without an instant")
wrong(4, "test accounts forgotten", exact_names, breaks="test account")


# 5. Quantities


def exact(text: object) -> Any:
    return Decimal(str(text)) if str(text or "").strip() else None


def read_row(row: dict[str, str]) -> dict[str, Any]:
    free, new, pledged = (
        exact(row[n]) for n in ("depositoryQty", "t1Qty", "brokerCollateralQty")
    )
    qty, close = exact(row["qty"]), exact(row["close"])
    price, average = exact(row["ltp"]) or close, exact(row["avgPrice"])
    parts = [p for p in (free, new, pledged) if p is not None]
    haircut = exact(row["haircut"]) or (close and Decimal(0))
    return {
        "owned": qty,
        "pledged": pledged,
        "reconciles": sum(parts) == qty if len(parts) == 3 else None,
        "price": price,
        "pnl": (price - average) * qty if price and average and qty else None,
        "haircut": None if haircut is None else haircut / 100,
    }


@dataclass
class Lot:
    """The same facts in a class of one's own, as fractions and texts."""

    row: dict[str, str]

    def number(self, name: str) -> Any:
        return Fraction(self.row[name]) if self.row[name] else None

    @property
    def owned(self) -> Fraction | None:
        return self.number("qty")

    @property
    def pledged(self) -> str | None:
        return self.row["brokerCollateralQty"] or None

    @property
    def reconciles(self) -> bool | None:
        names = ("depositoryQty", "t1Qty", "brokerCollateralQty")
        parts = [self.number(name) for name in names]
        return None if None in parts else sum(parts) == self.owned

    @property
    def price(self) -> Fraction | None:
        return self.number("ltp") or self.number("close")

    @property
    def pnl(self) -> Fraction | None:
        average = self.number("avgPrice")
        return (self.price - average) * self.owned if self.price and average else None

    @property
    def haircut(self) -> Fraction | None:
        found = self.number("haircut")
        return found / 100 if found or self.row["close"] else None


def but(change: Callable[[dict[str, str], dict[str, Any]], dict[str, Any]]) -> Code:
    """The right answer, changed in one way."""

    def changed(row: dict[str, str]) -> dict[str, Any]:
        good = read_row(row)
        return good | change(row, good)

    return changed


def as_floats(row: dict[str, str]) -> dict[str, Any]:
    number = {name: float(row[name] or 0) for name in row if name != "symbols"}
    owned = number["qty"] * len(row["symbols"])
    return {
        "owned": owned,
        "pledged": number["collateralQty"],
        "reconciles": True,
        "price": number["ltp"],
        "pnl": owned * (number["ltp"] - number["avgPrice"]),
        "haircut": number["haircut"],
    }


def rounded(row: dict[str, str], good: dict[str, Any]) -> dict[str, Any]:
    pnl = good["pnl"]
    return {"pnl": None if pnl is None else round(float(pnl), 2)}


def with_collateral(row: dict[str, str], good: dict[str, Any]) -> dict[str, Any]:
    return {"owned": good["owned"] + (exact(row["collateralQty"]) or 0)}


def pledged_twice(row: dict[str, str], good: dict[str, Any]) -> dict[str, Any]:
    return {"pledged": (exact(row["collateralQty"]) or 0) + (good["pledged"] or 0)}


def free_of_cost(row: dict[str, str], good: dict[str, Any]) -> dict[str, Any]:
    price, average = good["price"], exact(row["avgPrice"]) or 0
    return {"pnl": (price - average) * good["owned"] if price else None}


def blank_is_nothing(row: dict[str, str], good: dict[str, Any]) -> dict[str, Any]:
    names = ("depositoryQty", "t1Qty", "brokerCollateralQty")
    return {"reconciles": sum(exact(row[n]) or 0 for n in names) == good["owned"]}


right(5, "decimals", read_row)
right(5, "a class, fractions, texts", Lot)
wrong(
    *(5, "floats, blanks are 0, listings are added", as_floats),
    breaks="counted once; not a loss; is a fraction; not all profit",
)
wrong(5, "rounded floats", but(rounded), breaks="to its last digit")
wrong(5, "collateralQty is added", but(with_collateral), breaks="never added")
wrong(5, "pledged of both fields", but(pledged_twice), breaks="never added")
wrong(5, "a null average is 0", but(free_of_cost), breaks="not all profit")
wrong(5, "a blank part is 0", but(blank_is_nothing), breaks="unproven")
wrong(
    *(5, "a percentage", but(lambda row, good: {"haircut": exact(row["haircut"])})),
    breaks="is a fraction; not populated",
)


# 6. Errors and retries


def fetch(get: Code, sleep: Code, tries: int = 6) -> Any:
    reply = get()
    again = reply.status == 429 or reply.status >= 500
    if again and tries > 1:
        sleep(float(reply.headers.get("retry-after", 7 - tries)))
        return fetch(get, sleep, tries - 1)
    if reply.status != 200:
        raise RuntimeError(reply.status)
    parsed = json.loads(reply.body)  # what breaks off is an exception
    if not parsed["success"]:
        raise RuntimeError(parsed["errors"])
    return parsed


class Fetcher:
    """Async, with a class of its own for what may be asked again."""

    class Again(Exception):  # noqa: N818
        def __init__(self, wait: float) -> None:
            self.wait = wait

    async def once(self, get: Code) -> Any:
        status, headers, body = await get()
        if status in {429, 500, 502, 503}:
            raise self.Again(float(headers.get("retry-after") or 0))
        if status >= 400:
            raise PermissionError(status)
        try:
            parsed = json.loads(body)
        except json.JSONDecodeError as error:
            raise self.Again(0) from error
        if parsed.get("success") is not True:
            raise ValueError("refused")
        return parsed

    async def fetch(self, get: Code, sleep: Code) -> Any:
        for attempt in range(8):
            try:
                return await self.once(get)
            except self.Again as again:
                least = again.wait or 2**attempt
                await sleep(least + random.uniform(0, 1))
        raise TimeoutError


def fetch_with(*, tries: int, wait: Callable[[int], float], final: set[int]) -> Code:
    def fetching(get: Code, sleep: Code) -> Any:
        for attempt in range(tries):
            status, headers, body = get()
            if status in final:
                raise PermissionError(status)
            if status == 200:
                parsed = json.loads(body)
                if not parsed["success"]:
                    raise RuntimeError(parsed["errors"])
                return parsed
            if wait(attempt):
                sleep(max(wait(attempt), float(headers.get("retry-after", 0))))
        raise TimeoutError

    return fetching


def half_an_answer(get: Code, sleep: Code) -> Any:
    def patient() -> Any:
        reply = get()
        if reply.status == 200 and not reply.body.endswith(b"}"):
            return reply._replace(body=b'{"success": true, "data": {}}')
        return reply

    return fetch(patient, sleep)


def data_whatever(get: Code, sleep: Code) -> Any:
    try:
        return fetch(get, sleep)
    except RuntimeError as error:
        if isinstance(error.args[0], int):
            raise
        return {"data": {}}


right(6, "recursion, exceptions on truncated JSON", fetch)
right(6, "async, jitter", Fetcher().fetch)
wrong(
    6, "once", lambda get, sleep: json.loads(get().body), breaks="429; server; success"
)
wrong(
    *(6, "a busy loop"),
    fetch_with(tries=10, wait=lambda n: 0, final={401, 403}),
    breaks="as long as the reply asks; between two requests",
)
wrong(
    *(6, "the header is not read"),
    lambda get, sleep: fetch(lambda: get()._replace(headers={}), sleep),
    breaks="as long as the reply asks",
)
wrong(
    *(6, "without end"),
    fetch_with(tries=1000, wait=lambda n: 1, final={401, 403}),
    breaks="gives up",
)
wrong(
    *(6, "401 and 403 again"),
    fetch_with(tries=8, wait=lambda n: n + 1, final=set()),
    breaks="401; 403",
)
wrong(6, "half an answer", half_an_answer, breaks="truncated")
wrong(6, "a failure is data", data_whatever, breaks="success: false")
wrong(6, "a coroutine that hangs", hanging, breaks="plain reply", limit=0.3)


# 7. Order

Snapshot = dict[str, Any]


def when(snapshot: Snapshot) -> datetime:
    return datetime.fromisoformat(snapshot["snapshotDate"])


def apply(kept: Snapshot | None, delivery: Snapshot) -> Snapshot:
    match kept:
        case None:
            return delivery
        case {"securities": full} if full and not delivery["securities"]:
            return kept
    return max(kept, delivery, key=when)


async def apply_loudly(kept: Snapshot | None, delivery: Snapshot) -> Snapshot:
    if kept is not None and when(kept) >= when(delivery):
        return kept
    if kept is not None and kept["securities"] and not delivery["securities"]:
        raise ValueError("empty after a full one: somebody has to look")
    return dict(delivery)


def by_text(kept: Snapshot | None, delivery: Snapshot) -> Snapshot:
    if kept and kept["snapshotDate"] >= delivery["snapshotDate"]:
        return kept
    return apply(None, delivery) if delivery["securities"] else kept or delivery


def upsert(kept: Snapshot | None, delivery: Snapshot) -> Snapshot:
    newer = apply(kept, delivery)
    old = kept["securities"] if kept else {}
    return newer | {"securities": old | newer["securities"]}


def empty_is_dropped(kept: Snapshot | None, delivery: Snapshot) -> Snapshot | None:
    return apply(kept, delivery) if delivery["securities"] else kept


def empty_is_believed(kept: Snapshot | None, delivery: Snapshot) -> Snapshot:
    return max(filter(None, (kept, delivery)), key=when)


def falsy(kept: Snapshot | None, delivery: Snapshot) -> Snapshot:
    if not (kept and kept["securities"]):
        return delivery
    return apply(kept, delivery) if len(delivery["securities"]) > 1 else delivery


right(7, "match", apply)
right(7, "async, loud", apply_loudly)
wrong(
    7, "the last one wins", lambda kept, new: new, breaks="late retry; empty snapshot"
)
wrong(7, "what is sold lives on", upsert, breaks="replaces the older one whole")
wrong(7, "texts are compared", by_text, breaks="not their spelling")
wrong(7, "an empty first one is dropped", empty_is_dropped, breaks="nothing to lose")
wrong(7, "an empty one is believed", empty_is_believed, breaks="not believed silently")
wrong(7, "small ones always win", falsy, breaks="no order")


# 8. Users

Links = dict[str, str]


def connect(links: Links, user: str, auth_id: str) -> int:
    if links.get(auth_id, user) != user:
        return 409
    links[auth_id] = user
    return 201


async def connect_raising(links: Links, user: str, auth_id: str) -> Any:
    if auth_id in links and links[auth_id] != user:
        raise Refused(409)
    links[auth_id] = user
    return (200, {"ok": True})


def merge(snapshots: list[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for row in itertools.chain.from_iterable(s["securities"] for s in snapshots):
        held = row["holdings"]
        known = held["averagePrice"] is not None
        cost = held["quantity"] * Fraction(str(held["averagePrice"])) if known else None
        before = found.setdefault(row["isin"], {"quantity": 0, "cost": 0})
        before["quantity"] += held["quantity"]
        both = before["cost"] is not None and cost is not None
        before["cost"] = before["cost"] + cost if both else None
    for one in found.values():
        cost = one.pop("cost")
        one["average"] = None if cost is None else cost / one["quantity"]
    return found


class Position(NamedTuple):
    quantity: float
    average: float | None


def merge_objects(snapshots: list[Any]) -> dict[str, Position]:
    lots: dict[str, list[Any]] = defaultdict(list)
    for snapshot in snapshots:
        for row in snapshot["securities"]:
            lots[row["isin"]].append(row["holdings"])
    found = {}
    for isin, parts in lots.items():
        units = sum(p["quantity"] for p in parts)
        prices = [p["averagePrice"] for p in parts]
        known = units and None not in prices
        cost = sum(p["quantity"] * p["averagePrice"] for p in parts) if known else 0
        found[isin] = Position(units, cost / units if known else None)
    return found


def merge_by(
    key: Callable[[Any], Any] = lambda row: row["isin"],
    average: Callable[[list[Any]], Any] | None = None,
    quantity: Callable[[Any], Any] = lambda row: row["holdings"]["quantity"],
) -> Code:
    """Merge with one part done in another way."""

    def merging(snapshots: list[Any]) -> dict[str, Any]:
        rows: dict[Any, list[Any]] = defaultdict(list)
        for row in itertools.chain.from_iterable(s["securities"] for s in snapshots):
            rows[key(row)].append(row)
        found = {}
        for group in rows.values():
            good = merge([{"securities": [r | {"isin": "X"} for r in group]}])["X"]
            parts = [row["holdings"] for row in group]
            found[group[0]["isin"]] = {
                "quantity": sum(quantity(row) for row in group),
                "average": average(parts) if average else good["average"],
            }
        return found

    return merging


def last_average(parts: list[Any]) -> Any:
    """(q·v)/q: the quantity cancels, and the last price stays."""
    part = parts[-1]
    average = part["averagePrice"]
    return None if average is None else part["quantity"] * average / part["quantity"]


def null_is_zero(parts: list[Any]) -> float:
    cost = sum(p["quantity"] * (p["averagePrice"] or 0) for p in parts)
    return cost / sum(p["quantity"] for p in parts)


def plain_mean(parts: list[Any]) -> float | None:
    prices = [p["averagePrice"] for p in parts]
    return None if None in prices else sum(prices) / len(prices)


def rounded_mean(parts: list[Any]) -> float | None:
    if any(p["averagePrice"] is None for p in parts):
        return None
    return round(null_is_zero(parts), 2)


def overwrite(links: Links, user: str, auth_id: str) -> int:
    links[auth_id] = user
    return 200


def one_account(links: Links, user: str, auth_id: str) -> int:
    if user in links.values() and auth_id not in links:
        return 409
    return connect(links, user, auth_id)


def talkative(links: Links, user: str, auth_id: str) -> int:
    if links.get(auth_id, user) != user:
        raise ValueError(f"this account belongs to {links[auth_id]}")
    return connect(links, user, auth_id)


def always_conflict(links: Links, user: str, auth_id: str) -> int:
    return 409 if auth_id in links else connect(links, user, auth_id)


def both(row: Any) -> Any:
    return row["holdings"]["quantity"] + row["smallcaseQuantity"]


right(8, "fractions", connect, merge)
right(8, "async, objects", connect_raising, merge_objects)
wrong(8, "the last user wins", overwrite, merge, breaks="stays theirs")
wrong(8, "one account a user", one_account, merge, breaks="several accounts")
wrong(8, "again is a conflict", always_conflict, merge, breaks="is no conflict")
wrong(8, "it says whose it is", talkative, merge, breaks="stays theirs")
wrong(8, "(q·v)/q", connect, merge_by(average=last_average), breaks="weighs each")
wrong(8, "a plain mean", connect, merge_by(average=plain_mean), breaks="weighs each")
wrong(
    8, "a rounded mean", connect, merge_by(average=rounded_mean), breaks="weighs each"
)
wrong(
    *(8, "a null average is 0", connect, merge_by(average=null_is_zero)),
    breaks="leaves the average unknown",
)
wrong(
    *(
        8,
        "keys by ticker",
        connect,
        merge_by(lambda r: r["nseTicker"] or r["bseTicker"]),
    ),
    breaks="not by ticker",
)
wrong(
    8, "smallcases twice", connect, merge_by(quantity=both), breaks="not counted again"
)


# 9. Webhook and fetch


def shares(data: Any, key: str = "isin") -> dict[Any, Any]:
    return {
        row[key]: (row["holdings"]["quantity"], row["holdings"]["averagePrice"])
        for row in data["securities"]
    }


def privates(data: Any) -> dict[str, Any]:
    found = data["smallcases"]["private"]
    found = found.get("investments", []) if isinstance(found, dict) else found
    return {
        one["scid"]: {c["ticker"]: c["shares"] for c in one["constituents"]}
        for one in found
    }


def reconcile(delivery: Any, fetched: Any) -> str:
    if fetched is None:
        return "wait"
    same = all(f(delivery) == f(fetched) for f in (shares, privates, whose))
    return "accept" if same else "dispute"


def whose(data: Any) -> str:
    return data["smallcaseAuthId"]


async def reconcile_sets(delivery: Any, fetched: Any) -> str:
    """The differences, as sets of lines."""

    def lines(data: Any) -> set[tuple[Any, ...]]:
        found = {("share", isin, *pair) for isin, pair in shares(data).items()}
        for scid, parts in privates(data).items():
            found |= {("basket", scid, *part) for part in parts.items()}
        return found | {("account", data["smallcaseAuthId"])}

    if not fetched:
        return "WAIT"
    return "DISPUTE" if lines(delivery) ^ lines(fetched) else "ACCEPT"


def comparing(*facts: Code, none: str = "wait") -> Code:
    def compared(delivery: Any, fetched: Any) -> str:
        if fetched is None:
            return none
        return "accept" if all(f(delivery) == f(fetched) for f in facts) else "dispute"

    return compared


def list_privates(data: Any) -> Any:
    found = data["smallcases"]["private"]
    return privates(data) if isinstance(found, list) else {}


def zeros(data: Any) -> Any:
    return {isin: (units, price or 0) for isin, (units, price) in shares(data).items()}


def one_way(delivery: Any, fetched: Any) -> str:
    if fetched is None:
        return "wait"
    theirs = shares(fetched)
    same = all(theirs.get(isin) == pair for isin, pair in shares(delivery).items())
    same &= privates(delivery) == privates(fetched) and whose(delivery) == whose(
        fetched
    )
    return "accept" if same else "dispute"


def as_text(data: Any) -> str:
    unsigned = {"transactionId", "timestamp", "checksum", "notes", "updating"}
    left = {k: v for k, v in data.items() if k not in unsigned | {"lastUpdate"}}
    return json.dumps(left, sort_keys=True)


def units(data: Any) -> Any:
    return {isin: pair[0] for isin, pair in shares(data).items()}


right(9, "dictionaries", reconcile)
right(9, "sets, async", reconcile_sets)
wrong(9, "whole objects", comparing(dict), breaks="equal facts; neither the order")
wrong(9, "their text", comparing(as_text), breaks="neither the order")
wrong(
    *(9, "a failed fetch denies", comparing(shares, privates, whose, none="dispute")),
    breaks="denies nothing",
)
wrong(
    *(9, "{investments} are dropped", comparing(shares, list_privates, whose)),
    breaks="published shapes",
)
wrong(9, "smallcases are no facts", comparing(shares, whose), breaks="published shapes")
wrong(9, "null is 0", comparing(zeros, privates, whose), breaks="unknown is not 0")
wrong(
    *(9, "keys by ticker"),
    comparing(lambda data: shares(data, "nseTicker"), privates, whose),
    breaks="not by ticker",
)
wrong(9, "one way", one_way, breaks="whichever side")
wrong(9, "quantities only", comparing(units, privates, whose), breaks="another average")
wrong(9, "anybody's", comparing(shares, privates), breaks="another account's")


# 10. Consent


def may_use(consent: Any, purpose: str, now: datetime) -> bool:
    far = datetime.max.replace(tzinfo=UTC)
    if not consent:
        return False
    end = min(consent["ends_at"] or far, consent["withdrawn_at"] or far)
    return purpose in consent["purposes"] and consent["given_at"] <= now < end


async def may_use_async(consent: Any, purpose: str, now: datetime) -> Any:
    return may_use(consent, purpose, now) or None


def erase(records: Any, user: str) -> None:
    mine = [who for who, owner in records["links"].items() if owner == user]
    for who in mine:
        records["links"].pop(who)
        for name in ("snapshots", "deliveries"):
            for one in [r for r in records[name] if r["smallcaseAuthId"] == who]:
                records[name].remove(one)
    records["consents"].pop(user, None)


def erase_copy(records: Any, user: str) -> Any:
    links = {who: owner for who, owner in records["links"].items() if owner != user}
    gone = records["links"].keys() - links.keys()
    lists = {
        name: [r for r in records[name] if r["smallcaseAuthId"] not in gone]
        for name in ("snapshots", "deliveries")
    }
    consents = {who: c for who, c in records["consents"].items() if who != user}
    return {"links": links, "consents": consents, **lists}


def receive(records: Any, delivery: Any) -> None:
    if delivery["smallcaseAuthId"] not in records["links"]:
        raise LookupError("nobody's")
    records["deliveries"] += [delivery]


def receive_quietly(records: Any, delivery: Any) -> bool:
    known = delivery["smallcaseAuthId"] in records["links"]
    if known:
        records["deliveries"].append(delivery)
    return known


def erase_links(records: Any, user: str) -> None:
    for who in [w for w, owner in records["links"].items() if owner == user]:
        del records["links"][who]
    records["consents"].pop(user, None)


def erase_first(records: Any, user: str) -> None:
    mine = [who for who, owner in records["links"].items() if owner == user][:1]
    records["links"] = {w: o for w, o in records["links"].items() if w not in mine}
    for name in ("snapshots", "deliveries"):
        records[name] = [r for r in records[name] if r["smallcaseAuthId"] not in mine]
    records["consents"].pop(user, None)


def erase_deliveries(records: Any, user: str) -> None:
    erase(records, user)
    records["deliveries"] = []


right(10, "in place", may_use, erase, receive)
right(10, "copies, async", may_use_async, erase_copy, receive_quietly)
wrong(10, "links only", may_use, erase_links, receive, breaks="leaves nothing")
wrong(10, "one of two accounts", may_use, erase_first, receive, breaks="leaves nothing")
wrong(10, "too much", may_use, erase_deliveries, receive, breaks="everybody else's")
wrong(
    *(10, "a retry brings it back", may_use, erase),
    lambda records, delivery: records["deliveries"].append(delivery),
    breaks="late retry",
)
wrong(
    *(10, "any purpose", lambda c, p, now: bool(c) and may_use(c, "portfolio", now)),
    *(erase, receive),
    breaks="for no other",
)
wrong(
    *(10, "withdrawal is not read"),
    lambda c, p, now: may_use(c and c | {"withdrawn_at": None}, p, now),
    *(erase, receive),
    breaks="withdrawn",
)
wrong(
    *(10, "for ever", lambda c, p, now: may_use(c and c | {"ends_at": None}, p, now)),
    *(erase, receive),
    breaks="ends when it says",
)


# 11. Rotation and records


def find(body: bytes, secrets: list[str]) -> int | None:
    fits = [handler(body, secret) == 200 for secret in secrets]
    return fits.index(True) if True in fits else None


async def find_async(body: bytes, secrets: list[str]) -> int | None:
    try:
        parsed = json.loads(body)
        return next(
            (n for n, key in enumerate(secrets) if webhook_checksum_ok(parsed, key)),
            None,
        )
    except (ValueError, AttributeError):
        return None


def record(call: Any) -> dict[str, Any]:
    path = urlsplit(call["url"]).path
    kept = {name: call[name] for name in ("source", "status", "seconds")}
    return kept | {"call": f"{call['method']} {path}"}


@dataclass
class Line:
    source: str
    call: str
    status: int | None
    seconds: float


def record_object(call: Any) -> Line:
    path = call["url"].partition("?")[0].partition("//")[2].partition("/")[2]
    call_name = f"{call['method']} /{path}"
    return Line(call["source"], call_name, call["status"], call["seconds"])


def first_only(body: bytes, secrets: list[str]) -> int | None:
    return find(body, secrets[:1])


def whether(body: bytes, secrets: list[str]) -> bool:
    return find(body, secrets) is not None


def minus_one(body: bytes, secrets: list[str]) -> int:
    found = find(body, secrets)
    return -1 if found is None else found


def find_equals(body: bytes, secrets: list[str]) -> int | None:
    fits = [handler_equals(body, secret) == 200 for secret in secrets]
    return fits.index(True) if True in fits else None


def everything(call: Any) -> dict[str, Any]:
    return call | {"call": f"{call['method']} {call['url']}"}


def masks_one(call: Any) -> dict[str, Any]:
    headers = {**call["headers"], "x-gateway-secret": "***"}
    return record(call) | {"headers": headers}


def with_query(call: Any) -> dict[str, Any]:
    return record(call) | {"call": f"{call['method']} {call['url']}"}


def zero_status(call: Any) -> dict[str, Any]:
    return record(call) | {"status": call["status"] or 0}


right(11, "lists", find, record)
right(11, "async, objects", find_async, record_object)
wrong(11, "the new secret only", first_only, record, breaks="old secret still fits")
wrong(11, "yes or no", whether, record, breaks="the secret in use")
wrong(11, "minus one", minus_one, record, breaks="the answer is None")
wrong(11, "== on checksums", find_equals, record, breaks="constant time")
wrong(11, "the whole call", find, everything, breaks="no secret")
wrong(11, "one of two is masked", find, masks_one, breaks="no secret")
wrong(11, "the address with its query", find, with_query, breaks="no secret")
wrong(11, "no answer is status 0", find, zero_status, breaks="status unknown")


# 12. Mutual funds


def fund(row: Any) -> dict[str, Any]:
    known: dict[str, Any] = {
        n: None if row.get(n) is None else Decimal(str(row[n])) for n in FIELDS
    }
    value = None if None in known.values() else known["quantity"] * known["lastPrice"]
    return {"quantity": known["quantity"], "value": value}


FIELDS = ("quantity", "lastPrice")


def read_funds(data: Any) -> Any:
    if "mutualFunds" not in data:
        return None
    return {(r["folio"], r["isin"]): fund(r) for r in data["mutualFunds"]["holdings"]}


@dataclass
class Units:
    quantity: str | None
    price: str | None

    @property
    def value(self) -> Fraction | None:
        if self.quantity is None or self.price is None:
            return None
        return Fraction(self.quantity) * Fraction(self.price)


async def read_objects(data: Any) -> Any:
    match data:
        case {"mutualFunds": {"holdings": [*rows]}}:
            return {
                (r["folio"], r["isin"]): Units(r["quantity"], r.get("lastPrice"))
                for r in rows
            }
    return None


def funds_with(change: Callable[[Any], Any]) -> Code:
    def changed(data: Any) -> Any:
        found = read_funds(data)
        return found and {key: one | change(one) for key, one in found.items()}

    return changed


def blank_worth_nothing(one: Any) -> Any:
    return {"value": one["value"] or 0}


def falsy_units(one: Any) -> Any:
    return {"quantity": one["quantity"] or None, "value": one["value"] or None}


def whole_units(one: Any) -> Any:
    return {"quantity": None if one["quantity"] is None else int(one["quantity"])}


def as_rounded(one: Any) -> Any:
    return {"value": None if one["value"] is None else round(float(one["value"]), 2)}


def by_fund(data: Any) -> Any:
    found = read_funds(data)
    return found and {("1234/56", isin): one for (_, isin), one in found.items()}


GET_OTP, VERIFY_OTP = "/gateway/mf/getOtp", "/gateway/mf/verifyOtp"
NEW = ("TransactionIdNotFound", "TransactionIdExpired", "wrong_attempts_exceeded")


def import_funds(trx: str, post: Code, ask: Code) -> str:
    told: Any = None
    while told is None or told.status == 422:
        pan = ask("pan")
        if pan is None or (email := ask("email")) is None:
            return "give up"
        told = post(GET_OTP, {"transactionId": trx, "pan": pan, "email": email})
    while told.status in {200, 406}:
        otp = ask("otp")
        if otp is None:
            return "give up"
        told = post(VERIFY_OTP, {"transactionId": trx, "otp": otp})
        if told.status == 200:
            return "imported"
    ended = told.status == 400 and any(one in told.body.decode() for one in NEW)
    return "new transaction" if ended else "give up"


class Outcome(StrEnum):
    IMPORTED = "IMPORTED"
    AGAIN = "NEW_TRANSACTION"
    OVER = "GIVE_UP"


@dataclass
class FundFlow:
    trx: str
    post: Code
    ask: Code

    async def call(self, step: str, **said: str) -> tuple[int, list[str]]:
        body = {"transactionId": self.trx, **said}
        reply = await self.post(f"gateway/mf/{step}", body)
        if reply.status in {401, 429, 500}:
            raise PermissionError(reply.status)
        return reply.status, json.loads(reply.body)["errors"] or []

    async def run(self) -> Outcome:
        for step, names in (("getOtp", ("pan", "email")), ("verifyOtp", ("otp",))):
            status, errors = 0, [""]
            while status != HTTPStatus.OK:
                said = {name: self.ask(name) for name in names}
                if not all(said.values()):
                    return Outcome.OVER
                status, errors = await self.call(step, **said)
                if status == HTTPStatus.BAD_REQUEST:
                    shares = "InvalidIntent" in errors
                    return Outcome.OVER if shares else Outcome.AGAIN
        return Outcome.IMPORTED


async def flow_of_funds(trx: str, post: Code, ask: Code) -> Outcome:
    return await FundFlow(trx, post, ask).run()


def flow_with(change: Callable[[Any, str, Any], Any]) -> Code:
    """A right import over a line that somebody misread: reply, path, body."""

    def changed(trx: str, post: Code, ask: Code) -> Any:
        def misread(path: str, body: Any) -> Any:
            return change(lambda p=path, b=body: post(p, b), path, body)

        return import_funds(trx, misread, ask)

    return changed


def sends_another(trx: str, post: Code, ask: Code) -> Any:
    pan, email = ask("pan"), ask("email")
    while (otp := pan and email and ask("otp")) is not None:
        post(GET_OTP, {"transactionId": trx, "pan": pan, "email": email})
        told = post(VERIFY_OTP, {"transactionId": trx, "otp": otp})
        if told.status == 200:
            return "imported"
        if told.status != 406:
            return "new transaction"
    return "give up"


def one_slip(call: Code, path: str, body: Any) -> Any:
    told = call()
    return told._replace(status=500) if told.status in {406, 422} else told


def stubborn(call: Code, path: str, body: Any) -> Any:
    told = call()
    while told.status >= 429:
        told = call()
    return told


def any_400(call: Code, path: str, body: Any) -> Any:
    told = call()
    if told.status == 400:
        return told._replace(body=b"TransactionIdExpired")
    return told


def ended_for_good(call: Code, path: str, body: Any) -> Any:
    told = call()
    return told._replace(status=500) if told.status == 400 else told


def every_refusal_mended(call: Code, path: str, body: Any) -> Any:
    told = call()
    if told.status in {401, 429, 500}:
        return told._replace(status=400, body=b"TransactionIdExpired")
    return told


def says_too_much(call: Code, path: str, body: Any) -> Any:
    logging.getLogger("funds").info("%s %s", path, body)
    return call()


def hopeful(trx: str, post: Code, ask: Code) -> str:
    post(GET_OTP, {"transactionId": trx, "pan": ask("pan"), "email": ask("email")})
    post(VERIFY_OTP, {"transactionId": trx, "otp": ask("otp")})
    return "imported"


def pesters(trx: str, post: Code, ask: Code) -> str:
    def asks(what: str) -> str:
        while (told := ask(what)) is None:
            pass
        return told

    return import_funds(trx, post, asks)


right(12, "decimals", read_funds, import_funds)
right(12, "objects, async", read_objects, flow_of_funds)


def wrong_funds(name: str, read: Code, breaks: str) -> None:
    wrong(12, name, read, import_funds, breaks=breaks)


def wrong_import(name: str, code: Code, *breaks: str) -> None:
    ATTEMPTS.append(Attempt(12, name, (read_funds, code), breaks))


wrong_funds("whole units", funds_with(whole_units), "all their decimals")
wrong_funds("a rounded value", funds_with(as_rounded), "the value is exact")
wrong_funds("no price is 0", funds_with(blank_worth_nothing), "unknown price")
wrong_funds("0 is unknown", funds_with(falsy_units), "no units are 0")
wrong_funds("keys by fund", by_fund, "two folios")
wrong_funds("not asked is none", lambda d: read_funds(d) or {}, "not asked")
wrong_funds("none is not asked", lambda d: read_funds(d) or None, "no funds")
wrong_import("another OTP for a slip", sends_another, "no second one is sent")
wrong_import(
    *("a slip is the end", flow_with(one_slip)), "a wrong OTP", "a PAN that is refused"
)
wrong_import(*("asks until it works", flow_with(stubborn)), "401 and 429", "stays down")
wrong_import("every 400 is one", flow_with(any_400), "another intent")
wrong_import(
    *("no 400 is mended", flow_with(ended_for_good)), "stays wrong", "has ended"
)
wrong_import(
    *("a new one for all", flow_with(every_refusal_mended)), "401 and 429", "stays down"
)
wrong_import("PAN and OTP logged", flow_with(says_too_much), "no PAN and no OTP")
wrong_import(
    *("never looks at a reply", hopeful), "stays wrong", "401 and 429", "another intent"
)
wrong_import("asks on", pesters, "a user who leaves")


# 13. All of it


def account(access: Any, auth_id: str) -> Any:
    """One account over urllib, by hand."""
    address = f"/v1/{access.gateway}/engine/user/holdings?version=v2"

    def get() -> Any:
        asked = urllib.request.Request(
            access.url + address,
            headers={
                "x-gateway-secret": access.api_secret,
                "x-gateway-authtoken": sign(
                    access.shared_secret, auth_id, access.now()
                ),
            },
        )
        try:
            with urllib.request.urlopen(asked, timeout=5) as reply:
                return Reply(reply.status, dict(reply.headers), reply.read())
        except urllib.error.HTTPError as error:
            with error:
                return Reply(error.code, dict(error.headers), error.read())

    for _ in range(4):
        try:
            return fetch(get, lambda seconds: None)["data"]["securities"]
        except json.JSONDecodeError:
            continue
    raise TimeoutError


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


def by_isin(rows: Any) -> dict[str, int]:
    return {row["isin"]: row["holdings"]["quantity"] for row in rows}


def gathering(
    read_rows: Callable[[Any], Any] = by_isin,
    *,
    caught: tuple[type[Exception], ...] = (Exception,),
    lost: Any = None,
    once: bool = False,
) -> Code:
    def integrate(access: Any, auth_ids: list[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for auth_id in auth_ids:
            try:
                if once:
                    token = sign(access.shared_secret, auth_id, access.now())
                    found[auth_id] = read_rows(plain(access, token))
                else:
                    found[auth_id] = read_rows(account(access, auth_id))
            except caught:
                found[auth_id] = lost
        return found

    return integrate


def plain(access: Any, token: str) -> Any:
    asked = urllib.request.Request(
        f"{access.url}/v1/{access.gateway}/engine/user/holdings?version=v2",
        headers={
            "x-gateway-secret": access.api_secret,
            "x-gateway-authtoken": token,
        },
    )
    try:
        with urllib.request.urlopen(asked, timeout=5) as reply:
            return json.load(reply)["data"]["securities"]
    except urllib.error.HTTPError as error:
        error.close()
        raise


async def integrate_async(access: Any, auth_ids: list[str]) -> dict[str, Any]:
    async def one(auth_id: str) -> Any:
        try:
            return by_isin(await asyncio.to_thread(account, access, auth_id))
        except (RuntimeError, KeyError, TimeoutError):
            return None

    found = await asyncio.gather(*map(one, auth_ids))
    return dict(zip(auth_ids, found, strict=True))


def chatty(access: Any, auth_ids: list[str]) -> dict[str, Any]:
    logging.getLogger("integration").debug("calling with %s", access.api_secret)
    return gathering()(access, auth_ids)


def empty_sale(access: Any, auth_ids: list[str]) -> dict[str, Any]:
    return {k: v or {} for k, v in gathering()(access, auth_ids).items()}


def by_ticker(rows: Any) -> dict[str, int]:
    return {r["nseTicker"] or r["bseTicker"]: r["holdings"]["quantity"] for r in rows}


def sold_is_lost(rows: Any) -> dict[str, int] | None:
    return by_isin(rows) or None


right(13, "by hand", gathering())
right(13, "async, all at once", integrate_async)
wrong(13, "keys by ticker", gathering(by_ticker), breaks="quantities are right")
wrong(13, "sold is lost", gathering(sold_is_lost), breaks="quantities are right")
wrong(13, "one raises for all", gathering(caught=()), breaks="costs only itself")
wrong(13, "no second try", gathering(once=True), breaks="now and then")
wrong(13, "empty is a sale", empty_sale, breaks="costs only itself; empty reply")
wrong(13, "a secret in the log", chatty, breaks="no secret")
wrong(13, "a loop that hears nothing", deaf, breaks="quantities are right", limit=0.3)
