"""Faults as data: what the next calls and deliveries will suffer, in order.

::

    plan    := section (";" section)*
    section := target ":" fault ("," fault)*
    fault   := name [argument] ["*" times]

``holdings: 429*2, 500, truncate; webhook: late 24h, duplicate`` makes the first two
holdings requests answer 429, the third 500, the fourth cut its JSON in half, and every
later one come out right; the first webhook comes a day late, the second comes twice.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from holdings_kit.errors import ConfigError
from holdings_kit.sandbox._clock import read_duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_HTTP: Final = {
    "ok": "",  # a call that goes well, to space the others
    "401": "",
    "403": "",
    "429": "retry-after",  # 429 retry-after 3: with that header
    "500": "",  # JSON body
    "502": "",  # HTML body
    "timeout": "duration",  # real time without an answer, then 504
    "slow": "duration",  # real time over which the body drips
    "truncate": "",  # half of the JSON, correctly framed
    "cut": "",  # the connection ends inside the body
    "wrong type": "",  # the right bytes as text/html
    "empty": "",  # success with empty data
    "success false": "",  # a failure that says 200
}
_WEBHOOK: Final = {
    "ok": "",
    "missing": "",
    "late": "duration",  # virtual time
    "duplicate": "",
    "reorder": "",  # after the next delivery
    "bad checksum": "",
}
_IMPORT: Final = {
    "ok": "",
    "processing": "duration",  # virtual time in PROCESSING
    "internal_error": "",
    "intent_not_enabled_for_broker": "",
    "no_broker": "",
    "empty": "",  # the broker hands over no holdings
}
_SDK: Final = {"ok": "", "no_compatible_browser": "", "internal_error": ""}
_CALLS: Final = (
    *("create", "transaction", "holdings", "gateway.holdings", "arrow.holdings"),
    *("limits", "quotes", "candles", "instruments", "mf", "details", "holidays"),
    "login",
)
TARGETS: Final = {
    **dict.fromkeys(_CALLS, _HTTP),
    "webhook": _WEBHOOK,
    "sdk": _SDK,
    "import": _IMPORT,
}
"""Target → fault names it knows → the kind of argument each takes."""
_DEFAULT: Final = timedelta(minutes=1)
_ATOM: Final = re.compile(r"\s*([\w.-]+(?:[ \t]+[\w.-]+)*)[ \t]*(?:\*[ \t]*(\d+))?\s*")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong, once.

    Attributes
    ----------
    name
        As in the plan: ``429``, ``truncate``, ``bad checksum``.
    length
        Its argument; ``None`` where it has none.
    """

    name: str
    length: timedelta | None = None


def parse_faults(plan: str) -> dict[str, tuple[Fault, ...]]:
    """Read a fault plan.

    Raises
    ------
    ConfigError
        The plan is not of the grammar; the message gives the 1-based column.

    Examples
    --------
    >>> [fault.name for fault in parse_faults("holdings: 429*2, 500")["holdings"]]
    ['429', '429', '500']
    >>> parse_faults("holdings: 418")
    Traceback (most recent call last):
        ...
    holdings_kit.errors.ConfigError: fault plan, column 11: 'holdings' knows no \
fault '418'; it knows ok, 401, 403, 429, 500, 502, timeout, slow, truncate, cut, \
wrong type, empty, success false
    """
    found: dict[str, tuple[Fault, ...]] = {}
    for at, section in _split_plan(plan, ";", 0):
        if not section.strip():
            continue
        target, colon, rest = section.partition(":")
        start = at + len(target) - len(target.lstrip())
        if not colon:
            raise _refuse_plan(
                start, f"{section.strip()!r} has no colon after the target"
            )
        name = target.strip()
        if name not in TARGETS:
            raise _refuse_plan(
                start, f"unknown target {name!r}; known: {', '.join(TARGETS)}"
            )
        faults = [
            fault
            for place, atom in _split_plan(rest, ",", at + len(target) + 1)
            for fault in _read_fault(name, atom, place)
        ]
        found[name] = found.get(name, ()) + tuple(faults)
    return found


class Faults:
    """The faults still to come, one queue for each target."""

    def __init__(self, plan: str = "") -> None:
        self._lock = threading.Lock()
        self._queues: dict[str, deque[Fault]] = {}
        self.load(plan)

    def load(self, plan: str) -> None:
        """Forget what was to come; follow `plan` from here on."""
        self.restore(parse_faults(plan))

    def left_plan(self) -> dict[str, tuple[Fault, ...]]:
        """Give the faults still to come, for `restore`."""
        with self._lock:
            return {name: tuple(queue) for name, queue in self._queues.items()}

    def restore(self, plan: Mapping[str, tuple[Fault, ...]]) -> None:
        """Follow a plan again that `left_plan` gave."""
        with self._lock:
            self._queues = {name: deque(faults) for name, faults in plan.items()}

    def take(self, *targets: str) -> Fault | None:
        """Give the next fault of the first target that has one, and use it up."""
        with self._lock:
            for target in targets:
                if queue := self._queues.get(target):
                    fault = queue.popleft()
                    return None if fault.name == "ok" else fault
        return None

    def left(self) -> dict[str, list[str]]:
        """List the faults still to come."""
        with self._lock:
            return {
                name: [fault.name for fault in queue]
                for name, queue in self._queues.items()
                if queue
            }


def _split_plan(text: str, mark: str, start: int) -> Iterator[tuple[int, str]]:
    at = start
    for part in text.split(mark):
        yield at, part
        at += len(part) + 1


def _read_fault(target: str, atom: str, at: int) -> list[Fault]:
    start = at + len(atom) - len(atom.lstrip())
    found = _ATOM.fullmatch(atom)
    if found is None:
        raise _refuse_plan(
            start, f"{atom.strip()!r} is not a fault; write name [argument]*2"
        )
    words, times = found[1].split(), int(found[2] or 1)
    known = TARGETS[target]
    name = next((n for n in known if words[: len(n.split())] == n.split()), None)
    if name is None:
        raise _refuse_plan(
            start,
            f"{target!r} knows no fault {' '.join(words)!r}; it knows "
            + ", ".join(known),
        )
    rest = words[len(name.split()) :]
    return [Fault(name, _read_argument(name, known[name], rest, start))] * times


def _read_argument(name: str, kind: str, words: list[str], at: int) -> timedelta | None:
    if not words:
        return _DEFAULT if kind == "duration" else None
    if kind == "retry-after" and words[0] == kind:
        words = words[1:]
    elif kind != "duration":
        wants = f"takes '{kind} 3s'," if kind else "takes no argument,"
        raise _refuse_plan(at, f"{name!r} {wants} not {' '.join(words)!r}")
    if len(words) != 1:
        raise _refuse_plan(at, f"{name!r} takes one duration, not {' '.join(words)!r}")
    try:
        return read_duration(words[0])
    except ConfigError as error:
        raise _refuse_plan(at, str(error)) from None


def _refuse_plan(at: int, reason: str) -> ConfigError:
    return ConfigError(f"fault plan, column {at + 1}: {reason}")
