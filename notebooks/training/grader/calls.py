"""The lesson on errors and retries, and the last one: the whole under faults."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, Final, NamedTuple, Self, cast

import polars as pl

from grader.grade import Graded, Rule, Seen, grade, read_field, read_number
from grader.learner import Learner
from grader.source import Reply, Source, send, share_source
from holdings_kit.sandbox import gateway_client

if TYPE_CHECKING:
    from collections.abc import Generator
    from datetime import datetime

__all__ = ["Access", "Fetch", "Get", "Integrate", "lesson6", "lesson13", "listen"]

_MOST: Final = 10  # requests after which a fetch should have given up
_PATIENCE: Final = 40  # requests after which the line is cut


class Access(NamedTuple):
    """What an integration is given to work with."""

    url: str
    gateway: str
    api_secret: str
    shared_secret: str
    now: Callable[[], datetime]


Get = Callable[[], Reply]
Fetch = Callable[[Get, Callable[[float], object]], Mapping[str, object]]
Integrate = Callable[[Access, Sequence[str]], Mapping[str, "Mapping[str, int] | None"]]


class _EndlessError(BaseException):
    """The learner's code goes on asking."""


class _Line:
    """A connection to one account of the sandbox; it counts what goes over it."""

    def __init__(self, source: Source) -> None:
        self._sb, self._auth_id = source.sandbox, source.find_account("asha")
        self.calls = 0
        self.waits: list[float] = []  # before each request, the first one left out

    def get(self) -> Reply:
        self.calls += 1
        if self.calls > _PATIENCE:
            raise _EndlessError
        if self.calls > 1 and len(self.waits) < self.calls - 1:
            self.waits.append(0.0)
        return send(
            f"{self._sb.url}/v1/{self._sb.gateway}/engine/user/holdings?version=v2",
            {
                "x-gateway-secret": self._sb.api_secret,
                "x-gateway-authtoken": self._sb.token_for("asha"),
            },
        )

    def sleep(self, seconds: float) -> _Slept:
        """Wait, in no time at all."""
        if self.calls and len(self.waits) == self.calls:
            self.waits[-1] += seconds
        elif self.calls:
            self.waits.append(float(seconds))
        return _Slept()


class _Slept:
    """What a wait gives: it may be awaited, for who writes ``await sleep(1)``."""

    def __await__(self) -> Generator[None, None, Self]:
        return self
        yield


class _Tried(NamedTuple):
    """What a fetch came to: an answer or an error, and its requests."""

    got: object
    refused: Exception | None
    line: _Line


def lesson6(fetch: Fetch, *, limit: float = 20.0) -> Graded:
    """Grade lesson 6: fetch through errors.

    Parameters
    ----------
    fetch
        ``fetch(get, sleep)`` gives the parsed reply, or raises. ``get()`` makes one
        request and gives ``status, headers, body``; wait with ``sleep(seconds)``.
    limit
        Seconds that the code may run, in all; waiting with `sleep` takes none.

    Examples
    --------
    >>> graded = lesson6(lambda get, sleep: {})
    >>> graded.passed, graded.failed[0]
    (False, 'a plain reply is given back parsed')
    """
    with Learner(limit) as learner:
        return grade(6, _rules_of_retries(learner.adopt(fetch)))


def _rules_of_retries(fetch: Fetch) -> list[Rule]:
    def run(faults: str) -> _Tried:
        source = share_source().clear()
        line = _Line(source)
        source.sandbox.set_faults(faults)
        try:
            return _Tried(fetch(line.get, line.sleep), None, line)
        except Exception as refused:  # the learner's error is the outcome
            return _Tried(None, refused, line)

    def whole(tried: _Tried, hint: str = "") -> Seen | None:
        if tried.refused is not None:
            many = f"after {tried.line.calls} requests your code"
            if tried.line.calls > _PATIENCE:
                return Seen(f"{many} was still asking", "does every loop end?")
            return Seen(f"{many} raised {tried.refused!r:.120}", hint)
        data = read_field(tried.got, "data")
        found = isinstance(data, Mapping) and "securities" in data
        return None if found else Seen(f"your code gave {tried.got!r:.80}", hint)

    def answers(faults: str, hint: str = "") -> Seen | None:
        return whole(run(faults), hint)

    def raises(faults: str, most: int) -> Seen | None:
        tried = run(faults)
        calls = tried.line.calls
        if calls > _PATIENCE:
            return Seen(
                f"after {_PATIENCE} requests your code was still asking",
                "what ends your loop where nothing ever changes?",
            )
        if tried.refused is None:
            return Seen(f"your code gave {tried.got!r:.80} instead of an error")
        return None if calls <= most else Seen(f"it took {calls} requests")

    def waits() -> Seen | None:
        tried = run("holdings: 429 retry-after 3")
        waited = sum(tried.line.waits[:1])
        if tried.line.calls > 1 and waited < 3:
            return Seen(f"your code waited {waited:g} seconds, and asked again")
        return whole(tried)

    def rests() -> Seen | None:
        for faults in ("holdings: 429*3", "holdings: 500*3"):
            tried = run(faults)
            pauses = tried.line.waits[: tried.line.calls - 1]
            if tried.line.calls > 1 and not all(pause > 0 for pause in pauses):
                number = 2 + next(i for i, pause in enumerate(pauses) if pause <= 0)
                return Seen(f"request {number} came without a wait after a failure")
            if tried.line.calls == 1:
                return Seen("your code asked once", "a failure may pass: ask again")
        return None

    def truncated() -> Seen | None:
        tried = run("holdings: truncate")
        if tried.refused is not None and tried.line.calls <= _MOST:
            return None  # an error is as good as another request
        return whole(tried)

    return [
        Rule(
            "a plain reply is given back parsed",
            "bytes are JSON",
            lambda: answers(""),
        ),
        Rule(
            "after 429 it waits as long as the reply asks, then tries again",
            "the header counts seconds; wait with the function you are given",
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
            "between two requests it waits",
            "a server in trouble is not helped by a loop that never rests",
            rests,
        ),
        Rule(
            "a truncated reply is not half an answer",
            "JSON that does not parse is no data: an error, or one more request",
            truncated,
        ),
        Rule(
            "401 is an error at once",
            "would the same token fare better?",
            lambda: raises("holdings: 401*60", 1),
        ),
        Rule(
            "403 is an error at once",
            "would the same token fare better?",
            lambda: raises("holdings: 403*60", 1),
        ),
        Rule(
            "success: false is an error, whatever the status",
            "read the envelope before the data",
            lambda: raises("holdings: success false*60", _MOST),
        ),
        Rule(
            "it gives up in the end",
            "without a bound one account stops all the others",
            lambda: raises("holdings: 500*60", _MOST),
        ),
    ]


class _Ran(NamedTuple):
    """What an integration gave, what is true, and the secret it showed, if any."""

    got: Mapping[str, object]
    truth: Mapping[str, object]
    leaked: bool


def lesson13(integrate: Integrate, *, limit: float = 60.0) -> Graded:
    """Grade the last lesson: the whole integration, as it would go live.

    Parameters
    ----------
    integrate
        ``integrate(access, auth_ids)`` gives ISIN → demat quantity for each account,
        ``None`` for one that could not be had.
    limit
        Seconds that the code may run, in all.

    Examples
    --------
    >>> graded = lesson13(lambda access, auth_ids: {})
    >>> graded.passed, graded.failed[0]
    (False, "every account's quantities are right, unknown to no one")
    """
    with Learner(limit) as learner:
        return grade(13, _rules_of_integration(learner.adopt(integrate)))


def _rules_of_integration(integrate: Integrate) -> list[Rule]:
    source = share_source().clear()
    sb = source.sandbox
    keys = ["asha", "bela", "chirag", "esha", "farid"]
    accounts = [source.find_account(key) for key in keys]
    truth = _find_truth(source, accounts)

    def run(faults: str = "", *, extra: Sequence[str] = ()) -> _Ran:
        sb.set_faults(faults)
        access = Access(sb.url, sb.gateway, sb.api_secret, sb.shared_secret, sb.now)
        try:
            with listen() as heard:
                got: object = integrate(access, [*accounts, *extra])
        finally:
            sb.set_faults("")
        shown = heard.getvalue()
        leaked = any(secret in shown for secret in (sb.api_secret, sb.shared_secret))
        given = dict(cast("Mapping[str, object]", got)) if got else {}
        return _Ran(given, truth | dict.fromkeys(extra), leaked)

    def right(faults: str = "", *, extra: Sequence[str] = ()) -> Seen | None:
        return _difference(run(faults, extra=extra))

    def quiet() -> Seen | None:
        leaked = run(extra=["f" * 24]).leaked
        return Seen("a secret stands in the log or the output") if leaked else None

    def no_false_sale() -> Seen | None:
        got, wanted, _ = run("holdings: empty*5")
        sold = [who for who in wanted if wanted[who] and got.get(who) == {}]
        return Seen(f"your code gave no holdings for {sold[0][:8]}…") if sold else None

    return [
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
            no_false_sale,
        ),
        Rule(
            "no secret reaches the log or the output, at any level",
            "some libraries log the headers they send",
            quiet,
        ),
    ]


def _difference(ran: _Ran) -> Seen | None:
    got, truth, _ = ran
    wrong = [who for who in truth if who not in got or not _same(got[who], truth[who])]
    if not wrong and got.keys() <= truth.keys():
        return None
    if not wrong:
        return Seen("your code gave an account nobody asked for")
    first = wrong[0]
    mine, hint = got.get(first), ""
    if isinstance(mine, Mapping):
        names = [str(name) for name in cast("Mapping[object, object]", mine)]
        if any(len(name) != 12 for name in names):
            hint = "a ticker is a name at one exchange: what names the share itself?"
    elif first in got and truth[first] is not None:
        hint = "None is for an account that could not be had: this one could"
    shown = f"{first[:8]}… {'is missing' if first not in got else f'{mine!r:.60}'}"
    return Seen(f"{len(wrong)} of {len(truth)} accounts differ; {shown}", hint)


def _same(mine: object, true: object) -> bool:
    if not isinstance(mine, Mapping) or not isinstance(true, Mapping):
        return mine is None and true is None
    ours = cast("Mapping[object, object]", mine)
    wanted = cast("Mapping[object, object]", true)
    return ours.keys() == wanted.keys() and all(
        read_number(ours[isin]) == read_number(wanted[isin]) for isin in wanted
    )


def _find_truth(source: Source, accounts: Sequence[str]) -> dict[str, object]:
    with gateway_client(source.sandbox) as client:
        found: dict[str, object] = {}
        for account in accounts:
            rows = client.holdings(account).holdings.filter(
                pl.col("isin").is_not_null()
            )
            pairs = rows.select("isin", pl.col("owned_quantity").cast(pl.Int64()))
            found[account] = dict(pairs.rows())
        return found


@contextmanager
def listen() -> Generator[io.StringIO]:
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
