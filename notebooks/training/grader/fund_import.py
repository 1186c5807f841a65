"""The second half of lesson 12: the import of all funds, by PAN and OTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from grader.calls import listen
from grader.grade import Rule, Seen, is_not, read_word
from grader.source import Reply, Source, send, share_source
from holdings_kit.wire import mint_token

__all__ = ["Ask", "ImportFunds", "Post", "rules_of_fund_import"]

Post = Callable[[str, Mapping[str, object]], Reply]
Ask = Callable[[str], "str | None"]
ImportFunds = Callable[[str, Post, Ask], str]

_OTP: Final = "123456"
_WRONG: Final = "987654"
_NO_INVESTOR: Final = "ABCDE1234F"
_GET: Final = "/gateway/mf/getOtp"
_VERIFY: Final = "/gateway/mf/verifyOtp"
_MOST: Final = 10  # requests after which an import should have ended
_PATIENCE: Final = 40  # requests, or questions, after which the line is cut


class _EndlessError(BaseException):
    """The learner's code goes on asking."""


class _User:
    """A user who answers questions, the last answer again and again; and a line."""

    def __init__(self, source: Source, token: str | None, **answers: list[Any]) -> None:
        self._sb, self._token = source.sandbox, token
        self._answers = answers
        self.asked: list[str] = []
        self.calls: list[str] = []

    def ask(self, what: str) -> str | None:
        """Answer a question: ``pan``, ``email`` or ``otp``."""
        what = what.lower()
        number = self.asked.count(what)
        self.asked.append(what)
        if len(self.asked) > _PATIENCE:
            raise _EndlessError
        answers = self._answers[what]
        return answers[min(number, len(answers) - 1)]

    def post(self, path: str, body: Mapping[str, object]) -> Reply:
        """Make one request of the sandbox, with both headers."""
        self.calls.append("/" + path.lstrip("/"))
        if len(self.calls) > _PATIENCE:
            raise _EndlessError
        return self._send(self.calls[-1], json.dumps(body).encode())

    def get(self, path: str) -> Reply:
        """Read something, which does not count."""
        return self._send(path, None)

    def _send(self, path: str, body: bytes | None) -> Reply:
        headers = {
            "content-type": "application/json",
            "x-gateway-secret": self._sb.api_secret,
            "x-gateway-authtoken": self._token or mint_token(self._sb.shared_secret),
        }
        return send(f"{self._sb.url}{path}", headers, body=body)


class _Tried(NamedTuple):
    """What an import came to, the word or the error, and what it showed."""

    got: object
    refused: Exception | None
    user: _User
    status: str
    shown: str

    def count(self, path: str) -> int:
        return self.user.calls.count(path)


class _Registrars:
    """A learner's import against the sandbox, with users of all kinds."""

    def __init__(self, import_funds: ImportFunds) -> None:
        self._import = import_funds
        self.source = share_source().clear()
        self._sb = self.source.sandbox
        people = json.loads(send(f"{self._sb.url}/_sandbox/personas", {}).body)
        self.pan = next(str(one["pan"]) for one in people if one["key"] == "bela")

    def begin(self, intent: str = "MF_HOLDINGS_IMPORT") -> str:
        """Create a transaction; gives its id."""
        user = _User(self.source, None)
        path = f"/gateway/{self._sb.gateway}/transaction"
        reply = user.post(path, {"intent": intent, "version": "v2"})
        return str(json.loads(reply.body)["data"]["transactionId"])

    def use_up(self) -> str:
        """Take a transaction to its end; gives its id."""
        begun, user = self.begin(), _User(self.source, None)
        email = "bela@example.invalid"
        user.post(_GET, {"transactionId": begun, "pan": self.pan, "email": email})
        user.post(_VERIFY, {"transactionId": begun, "otp": _OTP})
        return begun

    def run(
        self,
        transaction_id: str | None = None,
        *,
        faults: str = "",
        token: str | None = None,
        **answers: list[Any],
    ) -> _Tried:
        """Let the learner's code import for a user with these answers."""
        given = {"pan": [self.pan], "email": ["bela@example.invalid"], "otp": [_OTP]}
        user = _User(self.source, token, **(given | answers))
        begun = transaction_id or self.begin()
        self._sb.set_faults(faults)
        got: object = None
        refused: Exception | None = None
        try:
            with listen() as heard:
                got = read_word(self._import(begun, user.post, user.ask))
        except Exception as error:  # the learner's error is the outcome
            refused = error
        finally:
            self._sb.set_faults("")
        status = self._read_status(begun)
        return _Tried(got, refused, user, status, heard.getvalue())

    def _read_status(self, transaction_id: str) -> str:
        path = f"/v1/{self._sb.gateway}/engine/transactiondetails"
        reply = _User(self.source, None).get(f"{path}?transactionId={transaction_id}")
        data = json.loads(reply.body).get("data") or {}
        return str(data.get("transactionDetails", {}).get("status"))


def rules_of_fund_import(import_funds: ImportFunds) -> list[Rule]:
    """List the rules of an import of funds from the registrars."""
    registrars = _Registrars(import_funds)
    return [*_rules_of_its_way(registrars), *_rules_of_its_end(registrars)]


def _rules_of_its_way(registrars: _Registrars) -> list[Rule]:
    def completes() -> Seen | None:
        tried = registrars.run()
        seen = _ends_with("imported", tried, "the right PAN and OTP")
        if seen is None and tried.status != "COMPLETED":
            return Seen(f"your code said so, and the transaction is {tried.status}")
        return seen

    def asks_again() -> Seen | None:
        tried = registrars.run(otp=[_WRONG, _OTP])
        sent = tried.count(_GET)
        return _ends_with("imported", tried, "an OTP that is wrong once") or (
            Seen(f"for a wrong OTP your code had {sent} sent") if sent != 1 else None
        )

    def names_again() -> Seen | None:
        for wrong in (_NO_INVESTOR, "no PAN"):
            tried = registrars.run(pan=[wrong, registrars.pan])
            seen = _ends_with("imported", tried, "a PAN that is wrong once")
            if seen is not None:
                return seen
        return None

    def user_leaves() -> Seen | None:
        for what in ("pan", "otp"):
            answers: dict[str, list[Any]] = {what: [None]}
            tried = registrars.run(**answers)
            of = f"a user who closes the window at the {what.upper()}"
            seen = _stops(tried, of, 1)
            if seen is not None:
                return seen
            if len(tried.user.asked) > 3:
                return Seen(f"{of} was asked {len(tried.user.asked)} questions")
        return None

    def quiet() -> Seen | None:
        for tried in (
            registrars.run(otp=[_WRONG, _OTP]),
            registrars.run(pan=[_NO_INVESTOR, registrars.pan]),
        ):
            text = f"{tried.shown} {tried.refused}"
            for what, secret in (
                ("PAN", registrars.pan),
                ("OTP", _OTP),
                ("PAN", _NO_INVESTOR),
            ):
                if secret in text:
                    return Seen(f"the {what} stands in the log or the output")
        return None

    return [
        Rule(
            "PAN, then OTP: the import is completed, and your code says so",
            "two calls, each with the transaction's id; which fields do they take?",
            completes,
        ),
        Rule(
            "a wrong OTP is asked for again, and no second one is sent for it",
            "the one in the user's hand is still good: 406 is a slip of a finger",
            asks_again,
        ),
        Rule(
            "a PAN that is refused is asked for again",
            "422 says that the user can mend it; who else could?",
            names_again,
        ),
        Rule(
            "a user who leaves is not asked on",
            "None is what a closed window answers",
            user_leaves,
        ),
        Rule(
            "no PAN and no OTP reaches the log or the output",
            "a PAN names a person for life",
            quiet,
        ),
    ]


def _rules_of_its_end(registrars: _Registrars) -> list[Rule]:
    def too_often() -> Seen | None:
        tried = registrars.run(otp=[_WRONG])
        tries = tried.count(_VERIFY)
        return _ends_with("new transaction", tried, "an OTP that stays wrong") or (
            Seen(f"your code sent {tries} wrong OTPs") if tries > 5 else None
        )

    def used_up() -> Seen | None:
        known, unknown = registrars.use_up(), "TRX_unknown"
        return _ends_with(
            *("new transaction", registrars.run(known), "a transaction that has ended")
        ) or _ends_with(
            *("new transaction", registrars.run(unknown), "one that nobody knows")
        )

    def other_intent() -> Seen | None:
        return _stops(
            registrars.run(registrars.begin("HOLDINGS_IMPORT")),
            "an import of shares",
            1,
        )

    def refused() -> Seen | None:
        return _stops(
            registrars.run(token="forged"), "a token that is refused", 1
        ) or _stops(registrars.run(faults="mf: 429*60"), "too many requests", 1)

    def gives_up() -> Seen | None:
        return _stops(
            registrars.run(faults="mf: 500*60"), "a source that stays down", _MOST
        )

    return [
        Rule(
            "an OTP that stays wrong ends in a new transaction",
            "after the fifth the registrars say 400, and in words why",
            too_often,
        ),
        Rule(
            "a transaction that has ended, or is unknown, gets a new one",
            "a status of 400 has several reasons: read the one that was sent",
            used_up,
        ),
        Rule(
            "a transaction of another intent is given up",
            "would a new transaction by the same program fare better?",
            other_intent,
        ),
        Rule(
            "401 and 429 are given up at once",
            "each OTP is a message to a person: who is waiting for the next?",
            refused,
        ),
        Rule(
            "a source that stays down is given up",
            "what ends your loop where nothing ever changes?",
            gives_up,
        ),
    ]


def _ends_with(word: str, tried: _Tried, of: str) -> Seen | None:
    endless = _is_endless(tried)
    if endless is not None:
        return endless
    if tried.refused is not None:
        return Seen(f"for {of} your code raised {tried.refused!r:.120}")
    return is_not(tried.got, word, of=of, returned=True)


def _stops(tried: _Tried, of: str, most: int) -> Seen | None:
    """Want an end that promises nothing: the words, or an error."""
    endless = _is_endless(tried)
    if endless is not None:
        return endless
    if tried.refused is None and tried.got != "give up":
        return is_not(tried.got, "give up", of=of, returned=True)
    calls = len(tried.user.calls)
    return None if calls <= most else Seen(f"for {of} it took {calls} requests")


def _is_endless(tried: _Tried) -> Seen | None:
    """Tell of code that went on until the line was cut."""
    made = max(len(tried.user.calls), len(tried.user.asked))
    if made <= _PATIENCE:
        return None
    return Seen(
        f"after {_PATIENCE} requests or questions your code was still going on",
        "what ends your loop where nothing ever changes?",
    )
