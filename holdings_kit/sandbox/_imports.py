"""The life of an import: from the transaction to the consent, without any HTTP."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from holdings_kit.sandbox._personas import BROKERS, derive_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from holdings_kit.sandbox._clock import Clock
    from holdings_kit.sandbox._faults import Faults
    from holdings_kit.sandbox._personas import Persona

MF_INTENT: Final = "MF_HOLDINGS_IMPORT"
LIFETIME: Final = timedelta(minutes=5)
SDK_CODES: Final = {
    "user_mismatch": 1001,
    "consent_denied": 1003,
    "transaction_expired": 1005,
    "no_broker": 1006,
    "user_cancelled": 1011,
    "internal_error": 2000,
    "intent_not_enabled_for_broker": 3000,
    "invalid_transactionId": 3002,
    "timed_out": 4003,
    "no_compatible_browser": 2001,  # its code and the next are invented
    "transaction_in_process": 3003,
    "wrong_attempts_exceeded": 400,  # of the mutual-fund import
    "invalid_jwt": 90,
    "invalid_gateway": 100,
}
USED_UP: Final = 3001
"""Code of transaction_expired when the trigger meets anything but INITIALIZED."""
_OPEN: Final = frozenset({"INITIALIZED", "USED"})
_AT_CHOOSER: Final = frozenset({"no_broker", "intent_not_enabled_for_broker"})


class StepRefusedError(Exception):
    """The flow cannot take that step; `message` and `code` are the SDK's."""

    def __init__(self, message: str, code: int, reason: str) -> None:
        super().__init__(reason)
        self.message, self.code, self.reason = message, code, reason


@dataclass(slots=True)
class Transaction:
    """One import: five minutes, one use."""

    id: str
    intent: str
    version: str
    mutual_funds: bool
    notes: str | None
    auth_id: str | None  # of the connected user it was made for
    expires_at: datetime
    status: str = "INITIALIZED"
    broker: str | None = None
    persona: Persona | None = None
    response_config: Mapping[str, object] = field(default_factory=dict[str, object])
    otps: int = 0  # sent, of a mutual-fund import
    wrong_otps: int = 0
    brokers: tuple[str, ...] | None = None  # what the chooser is limited to
    error: tuple[str, int] | None = None
    fault: str | None = None
    wait: timedelta | None = None
    ready_at: datetime | None = None
    completed_at: datetime | None = None


class Imports:
    """All transactions of a sandbox.

    Parameters
    ----------
    done
        Called once for each transaction that completes.
    """

    def __init__(
        self,
        seed: int,
        clock: Clock,
        faults: Faults,
        done: Callable[[Transaction], None],
    ) -> None:
        self._seed, self._clock, self._faults, self._done = seed, clock, faults, done
        self._all: dict[str, Transaction] = {}

    def create(
        self,
        *,
        intent: str,
        version: str,
        mutual_funds: bool,
        notes: str | None,
        auth_id: str | None,
    ) -> Transaction:
        """Open a transaction; its id follows from the seed and its number."""
        number = len(self._all)
        made = Transaction(
            f"TRX_{derive_secret(self._seed, 'transaction', number, length=32)}",
            intent,
            version,
            mutual_funds,
            notes,
            auth_id,
            self._clock.now() + LIFETIME,
        )
        self._all[made.id] = made
        return made

    def get(self, transaction_id: str) -> Transaction:
        """Give a transaction, its state brought up to the clock.

        Raises
        ------
        StepRefusedError
            There is none of that id.
        """
        found = self._all.get(transaction_id)
        if found is None:
            message = "invalid_transactionId"
            raise StepRefusedError(message, SDK_CODES[message], "unknown transaction")
        self._advance_status(found)
        return found

    def list_all(self) -> list[Transaction]:
        """Give every transaction, oldest first, brought up to the clock."""
        self.ripen()
        return list(self._all.values())

    def forget(self) -> None:
        """Drop every transaction; the next has the first id again."""
        self._all.clear()

    def complete(self, found: Transaction, persona: Persona, at: datetime) -> None:
        """Let a transaction have completed at `at`, without a step of the user."""
        found.persona, found.broker = persona, persona.broker
        found.status, found.completed_at = "COMPLETED", at

    def ripen(self) -> None:
        """Bring every transaction up to the clock."""
        for one in self._all.values():
            self._advance_status(one)

    def is_processing(self, persona: Persona) -> bool:
        """Tell whether the broker still works on an import of `persona`."""
        self.ripen()
        return any(
            one.status == "PROCESSING" and one.persona == persona
            for one in self._all.values()
        )

    def trigger(self, transaction_id: str) -> Transaction:
        """Begin the flow, as the browser SDK does.

        Raises
        ------
        StepRefusedError
            The transaction is not INITIALIZED any more.
        """
        found = self.get(transaction_id)
        if found.status != "INITIALIZED":
            raise StepRefusedError(
                "transaction_expired", USED_UP, f"the transaction is {found.status}"
            )
        fault = self._faults.take("sdk")
        if fault is not None:
            raise StepRefusedError(fault.name, SDK_CODES[fault.name], "a fault")
        return found

    def choose(self, transaction_id: str, broker: str) -> Transaction:
        """Choose a broker; one that is not on the list ends the import.

        Raises
        ------
        StepRefusedError
            The transaction is over, or an import of mutual funds, which has no broker.
        """
        found = self._find_transaction(transaction_id, "INITIALIZED")
        if found.intent == MF_INTENT:
            reason = "an import of mutual funds has no broker but PAN and OTP"
            raise StepRefusedError("invalid_intent", 0, reason)
        fault = self._faults.take("import")
        if fault is not None:
            found.fault, found.wait = fault.name, fault.length
        allowed = BROKERS if found.brokers is None else found.brokers
        if broker not in BROKERS or broker not in allowed:
            return self.end(found, "no_broker")
        found.broker = broker
        if found.fault in _AT_CHOOSER:
            return self.end(found, found.fault)
        return found

    def login(self, transaction_id: str, persona: Persona) -> Transaction:
        """Log in at the chosen broker.

        Raises
        ------
        StepRefusedError
            No broker is chosen, or the persona is not its customer.
        """
        found = self._find_transaction(transaction_id, "INITIALIZED")
        if found.broker != persona.broker:
            chosen = found.broker or "no broker"
            raise StepRefusedError(
                "login_refused",
                0,
                f"{persona.key} is a customer of {persona.broker}, not of {chosen}",
            )
        found.persona, found.status = persona, "USED"
        if found.auth_id not in {None, persona.auth_id}:
            return self.end(found, "user_mismatch")
        return found

    def consent(self, transaction_id: str) -> Transaction:
        """Allow the import; it completes at once unless a fault delays it."""
        found = self._find_transaction(transaction_id, "USED")
        if found.fault == "internal_error":
            return self.end(found, found.fault)
        found.status = "PROCESSING"
        found.ready_at = self._clock.now()
        if found.fault == "processing" and found.wait is not None:
            found.ready_at += found.wait
        self._advance_status(found)
        return found

    def deny(self, transaction_id: str) -> Transaction:
        """Refuse the holdings consent."""
        found = self._find_transaction(transaction_id, "USED")
        return self.end(found, "consent_denied")

    def cancel(self, transaction_id: str) -> Transaction:
        """Leave the flow: 1010 at the chooser, 1011 before the login, 1012 after it."""
        found = self._find_transaction(transaction_id, *_OPEN)
        place = 1012 if found.status == "USED" else 1011 if found.broker else 1010
        found.status, found.error = "CANCELLED", ("user_cancelled", place)
        return found

    def end(self, found: Transaction, message: str) -> Transaction:
        """End a transaction with an error."""
        found.status, found.error = "ERRORED", (message, SDK_CODES[message])
        return found

    def _find_transaction(self, transaction_id: str, *statuses: str) -> Transaction:
        found = self.get(transaction_id)
        if found.status not in statuses:
            message, code = found.error or ("transaction_expired", USED_UP)
            raise StepRefusedError(message, code, f"the transaction is {found.status}")
        return found

    def _advance_status(self, found: Transaction) -> None:
        now = self._clock.now()
        if found.status in _OPEN and now >= found.expires_at:
            message = "transaction_expired"
            found.status, found.error = "EXPIRED", (message, SDK_CODES[message])
        if found.status == "PROCESSING" and found.ready_at and now >= found.ready_at:
            found.status, found.completed_at = "COMPLETED", found.ready_at
            self._done(found)
