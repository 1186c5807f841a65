"""Lessons 6 and 8: errors and retries; the whole integration under faults."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple, cast
from urllib import error, request

import polars as pl

from grader.grade import Graded, Rule, grade
from holdings_kit import sandbox
from holdings_kit.sandbox import gateway_client

if TYPE_CHECKING:
    from collections.abc import Generator
    from http.client import HTTPResponse

__all__ = ["Access", "Fetch", "Get", "Integrate", "lesson6", "lesson8"]

_NOW: Final = datetime(2026, 1, 5, 4, 30, tzinfo=UTC)
_MOST: Final = 10  # requests after which a fetch should have given up


class Reply(NamedTuple):
    """One HTTP reply: status, headers (names in lower case), body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Access(NamedTuple):
    """What an integration is given to work with."""

    url: str
    gateway: str
    api_secret: str
    shared_secret: str
    now: Callable[[], datetime]


Get = Callable[[], Reply]
Fetch = Callable[[Get, Callable[[float], None]], Mapping[str, object]]
Integrate = Callable[[Access, Sequence[str]], Mapping[str, "Mapping[str, int] | None"]]


class _Ran(NamedTuple):
    """What an integration gave, what is true, and the secret it showed, if any."""

    got: Mapping[str, object]
    truth: Mapping[str, object]
    leaked: str


class _Line:
    """A connection to one account of the sandbox; it counts what goes over it."""

    def __init__(self, sb: sandbox.Sandbox) -> None:
        (self._auth_id,) = _imported(sb, ["asha"]).values()
        self._sb = sb
        self.calls = 0
        self.slept: list[float] = []

    def get(self) -> Reply:
        self.calls += 1
        asked = request.Request(  # a loopback address of the sandbox
            f"{self._sb.url}/v1/{self._sb.gateway}/engine/user/holdings?version=v2",
            headers={
                "x-gateway-secret": self._sb.api_secret,
                "x-gateway-authtoken": self._sb.token_for(self._auth_id),
            },
        )
        try:
            reply = cast("HTTPResponse", request.urlopen(asked, timeout=10))
        except error.HTTPError as refused:
            reply = cast("HTTPResponse", refused)
        with reply:
            headers = {name.lower(): value for name, value in reply.headers.items()}
            return Reply(reply.status, headers, reply.read())


def lesson6(fetch: Fetch) -> Graded:
    """Grade lesson 6: fetch through errors.

    Parameters
    ----------
    fetch
        ``fetch(get, sleep)`` gives the parsed reply, or raises. ``get()`` makes one
        request and gives ``status, headers, body``; wait with ``sleep(seconds)``.

    Examples
    --------
    >>> graded = lesson6(lambda get, sleep: {})
    >>> graded.passed, graded.failed[0]
    (False, 'a plain reply is given back parsed')
    """

    def run(faults: str) -> tuple[Mapping[str, object] | None, Exception | None, _Line]:
        with sandbox.serve(clock=_NOW) as sb:
            line = _Line(sb)
            sb.set_faults(faults)
            try:
                return fetch(line.get, line.slept.append), None, line
            except Exception as refused:  # the learner's error is the outcome
                return None, refused, line

    def answers(faults: str) -> str | None:
        got, refused, line = run(faults)
        if refused is not None:
            return f"after {line.calls} requests your code raised {refused!r:.120}"
        data = (got or {}).get("data")
        whole = isinstance(data, dict) and "securities" in data
        return None if whole else f"your code gave {str(got)[:80]}"

    def raises(faults: str, most: int) -> str | None:
        got, refused, line = run(faults)
        if refused is None:
            return f"your code gave {str(got)[:80]} instead of an error"
        return None if line.calls <= most else f"it took {line.calls} requests"

    def waits() -> str | None:
        _, refused, line = run("holdings: 429 retry-after 3")
        if refused is not None:
            return f"your code raised {refused!r:.120}"
        waited = sum(line.slept)
        return None if waited >= 3 else f"your code waited {waited} seconds in all"

    return grade(
        6,
        [
            Rule(
                "a plain reply is given back parsed",
                "bytes are JSON",
                lambda: answers(""),
            ),
            Rule(
                "after 429 it waits as long as the reply asks, then tries again",
                "the header counts seconds",
                waits,
            ),
            Rule(
                "after 429 without a header it tries again",
                "how long, when nobody says? longer each time",
                lambda: answers("holdings: 429*2"),
            ),
            Rule(
                "a failure of the server is tried again, JSON or HTML",
                "502 pages are no JSON: look at the status first",
                lambda: answers("holdings: 500, 502"),
            ),
            Rule(
                "a truncated reply is not half an answer",
                "JSON that does not parse is no data; may it be asked again?",
                lambda: answers("holdings: truncate"),
            ),
            Rule(
                "401 is an error at once",
                "would the same token fare better?",
                lambda: raises("holdings: 401*20", 1),
            ),
            Rule(
                "403 is an error at once",
                "would the same token fare better?",
                lambda: raises("holdings: 403*20", 1),
            ),
            Rule(
                "success: false is an error, whatever the status",
                "read the envelope before the data",
                lambda: raises("holdings: success false*20", _MOST),
            ),
            Rule(
                "it gives up in the end",
                "without a bound one account stops all the others",
                lambda: raises("holdings: 500*200", _MOST),
            ),
        ],
    )


def lesson8(integrate: Integrate) -> Graded:
    """Grade lesson 8: the whole integration, as it would go live.

    Parameters
    ----------
    integrate
        ``integrate(access, auth_ids)`` gives ISIN → demat quantity for each account,
        ``None`` for one that could not be had.

    Examples
    --------
    >>> graded = lesson8(lambda access, auth_ids: {})
    >>> graded.passed, graded.failed[0]
    (False, "every account's quantities are right, unknown to no one")
    """
    keys = ["asha", "bela", "chirag", "esha", "farid"]

    def run(faults: str = "", *, extra: Sequence[str] = ()) -> _Ran:
        with sandbox.serve(clock=_NOW) as sb, _overheard() as heard:
            accounts = list(_imported(sb, keys).values())
            truth: dict[str, object] = _truth(sb, accounts)
            sb.set_faults(faults)
            access = Access(sb.url, sb.gateway, sb.api_secret, sb.shared_secret, sb.now)
            got = dict(integrate(access, [*accounts, *extra]))
            secrets = [sb.api_secret, sb.shared_secret]
        shown = heard.getvalue()
        leaked = next((s for s in secrets if s in shown), "")
        return _Ran(got, truth | dict.fromkeys(extra), leaked)

    def right(faults: str = "", *, extra: Sequence[str] = ()) -> str | None:
        ran = run(faults, extra=extra)
        return None if ran.got == ran.truth else _difference(ran)

    def quiet() -> str | None:
        return "a secret stands in the log or the output" if run().leaked else None

    return grade(
        8,
        [
            Rule(
                "every account's quantities are right, unknown to no one",
                "an account that sold everything is there, and empty",
                right,
            ),
            Rule(
                "they are right while the source fails now and then",
                "lesson 6, for every account",
                lambda: right("holdings: 429, 500, ok, truncate, 502"),
            ),
            Rule(
                "one account that is refused costs only itself",
                "what is an account worth that raises in the middle of a loop?",
                lambda: right(extra=["f" * 24]),
            ),
            Rule(
                "an empty reply is not a sale of everything",
                "data without securities is no list of holdings",
                lambda: _no_false_sale(run("holdings: empty")),
            ),
            Rule(
                "no secret reaches the log or the output, at any level",
                "some libraries log the headers they send",
                quiet,
            ),
        ],
    )


def _no_false_sale(ran: _Ran) -> str | None:
    got, truth, _ = ran
    sold = [who for who in truth if truth[who] and got.get(who) == {}]
    return f"your code gave no holdings for {sold[0][:8]}…" if sold else None


def _difference(ran: _Ran) -> str:
    got, truth, _ = ran
    wrong = [who for who in truth if who not in got or got[who] != truth[who]]
    shown = f"{wrong[0][:8]}…" if wrong else "an account nobody asked for"
    return f"{len(wrong)} of {len(truth)} accounts differ, the first {shown}"


def _imported(sb: sandbox.Sandbox, keys: Sequence[str]) -> dict[str, str]:
    """Take the personas through an import; gives key → smallcaseAuthId."""
    with gateway_client(sb) as client:
        for key in keys:
            created = client.create_import()
            sb.play(created.transaction_id, persona=key)
    sb.advance(seconds=10)
    return {key: sb.personas[key].auth_id for key in keys}


def _truth(sb: sandbox.Sandbox, accounts: Sequence[str]) -> dict[str, object]:
    with gateway_client(sb) as client:
        found: dict[str, object] = {}
        for account in accounts:
            rows = client.holdings(account).holdings.filter(
                pl.col("isin").is_not_null()
            )
            pairs = rows.select("isin", pl.col("owned_quantity").cast(pl.Int64()))
            found[account] = dict(pairs.rows())
        return found


@contextmanager
def _overheard() -> Generator[io.StringIO]:
    """Collect what is printed and logged, at every level."""
    heard = io.StringIO()
    listener, root = logging.StreamHandler(heard), logging.getLogger()
    level = root.level
    root.addHandler(listener)
    root.setLevel(logging.DEBUG)
    try:
        with redirect_stdout(heard), redirect_stderr(heard):
            yield heard
    finally:
        root.removeHandler(listener)
        root.setLevel(level)
