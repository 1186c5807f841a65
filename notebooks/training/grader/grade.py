"""Rules, and what a learner's code made of them."""

from __future__ import annotations

import enum
import traceback
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

import polars as pl

from grader.learner import NotRunError, StillRunningError
from holdings_kit.display import show

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "Graded",
    "Rule",
    "Seen",
    "grade",
    "is_not",
    "read_field",
    "read_number",
    "read_status",
    "read_word",
]

_HERE = str(Path(__file__).parent)


class Seen(NamedTuple):
    """What was seen where a rule does not hold.

    Attributes
    ----------
    text
        What the learner's code gave or did.
    hint
        Where to look for this failure; empty where the rule's own hint fits.
    """

    text: str
    hint: str = ""


class Rule(NamedTuple):
    """One thing an integration must do.

    Attributes
    ----------
    states
        The rule in words.
    hint
        Where to look when it does not hold, without the answer.
    probe
        Runs the learner's code; gives what was seen where the rule does not hold, and
        ``None`` where it does.

    Examples
    --------
    >>> rule = Rule("one is two", "count again", lambda: Seen("1"))
    >>> grade(0, [rule]).failed
    ('one is two',)
    """

    states: str
    hint: str
    probe: Callable[[], Seen | None]


class Outcome(NamedTuple):
    """A rule and what was seen; `seen` is ``None`` where the rule holds."""

    rule: Rule
    seen: str | None
    hint: str


class Graded:
    """The result of one lesson's exercises; shows itself as text and as a table.

    Attributes
    ----------
    passed
        Whether every rule holds.
    outcomes
        One per rule, in the order of the lesson.

    Examples
    --------
    >>> grade(0, [Rule("one is two", "count again", lambda: Seen("1"))])
    lesson 0: 0 of 1 rules hold
      ✗ one is two
          seen: 1
          hint: count again
    """

    def __init__(self, lesson: int, outcomes: Sequence[Outcome]) -> None:
        self.lesson, self.outcomes = lesson, tuple(outcomes)
        self.passed = all(outcome.seen is None for outcome in self.outcomes)

    @property
    def failed(self) -> tuple[str, ...]:
        """The rules that do not hold, in words.

        Examples
        --------
        >>> grade(0, [Rule("one is one", "", lambda: None)]).failed
        ()
        """
        return tuple(o.rule.states for o in self.outcomes if o.seen is not None)

    def _say_how_many(self) -> str:
        good = len(self.outcomes) - len(self.failed)
        return f"lesson {self.lesson}: {good} of {len(self.outcomes)} rules hold"

    def _repr_html_(self) -> str:
        """Show one row a rule, with what was seen and a hint where it does not hold.

        Examples
        --------
        >>> page = grade(0, [Rule("one is two", "", lambda: None)])._repr_html_()
        >>> "lesson 0: 1 of 1 rules hold" in page, "✓" in page
        (True, True)
        """
        rows = pl.DataFrame(
            {
                "holds": "✓" if seen is None else "✗",
                "rule": rule.states,
                "what_your_code_did": seen or "",
                "hint": "" if seen is None else hint,
            }
            for rule, seen, hint in self.outcomes
        )
        told = rows.columns[:2] if self.passed else rows.columns
        title = self._say_how_many()
        return show(rows, columns=told, rows=rows.height, title=title)._repr_html_()

    def __repr__(self) -> str:
        lines = [self._say_how_many()]
        for rule, seen, hint in self.outcomes:
            lines.append(f"  {'✓' if seen is None else '✗'} {rule.states}")
            if seen is not None:
                lines += [f"      seen: {seen}", f"      hint: {hint}"]
        return "\n".join(lines)


def grade(lesson: int, rules: Sequence[Rule]) -> Graded:
    """Probe every rule; an exception in the learner's code is an outcome, not ours."""
    return Graded(lesson, [_probe(rule) for rule in rules])


def is_not(
    got: object, wanted: object, *, of: str, hint: str = "", returned: bool = False
) -> Seen | None:
    """Say what was given where it is not what was wanted; the wanted is not shown.

    What is `returned` by the code itself has a hint of its own where it is ``None``.

    >>> is_not(401, 401, of="a forged delivery") is None
    True
    >>> is_not(200, 401, of="a forged delivery").text
    'for a forged delivery your code gave 200'
    """
    if got == wanted:
        return None
    if got is None and returned:
        hint = "None is what a function gives that returns nothing: on which way?"
    return Seen(f"for {of} your code gave {got!r:.160}", hint)


def read_field(value: object, name: str) -> object:
    """Take a field of a dictionary, or of an object of the learner's own class."""
    if isinstance(value, Mapping):
        return cast("Mapping[str, object]", value).get(name)
    return getattr(value, name, None)


def read_number(value: object) -> object:
    """Bring numbers of any type to one, exactly; leave the rest.

    >>> read_number("1550.0") == read_number(1550), read_number(None)
    (True, None)
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Fraction):
        return value
    try:
        return Fraction(Decimal(str(value)))
    except (InvalidOperation, ValueError, OverflowError):
        return value


def read_status(answer: object) -> object:
    """Read an HTTP status: a number, a reply with one, or a pair that begins with one.

    >>> read_status((401, "no")), read_status(200)
    (401, 200)
    """
    if isinstance(answer, tuple) and answer:
        answer = cast("tuple[object, ...]", answer)[0]
    for name in ("status_code", "status"):
        answer = getattr(answer, name, answer)
    return int(answer) if isinstance(answer, int) else answer


def read_word(answer: object) -> object:
    """Read a word of the learner's: text or an enumeration, however it is joined.

    >>> read_word("NEW_TRANSACTION")
    'new transaction'
    """
    text = answer.value if isinstance(answer, enum.Enum) else answer
    if not isinstance(text, str):
        return answer
    return " ".join(text.lower().replace("_", " ").replace("-", " ").split())


def _probe(rule: Rule) -> Outcome:
    try:
        seen = rule.probe()
    except StillRunningError as error:
        seen = Seen(str(error), "does every loop end, and does time pass by itself?")
    except NotRunError:
        seen = Seen("not run", "first mend what did not end above")
    except Exception as error:  # a learner's code may raise anything
        seen = Seen(
            f"your code raised {type(error).__name__}: {str(error)[:160]}"
            + _find_line(error)
        )
    if seen is None:
        return Outcome(rule, None, "")
    return Outcome(rule, seen.text, seen.hint or rule.hint)


def _find_line(error: Exception) -> str:
    """Name the line of the learner's code that an error came from."""
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(_HERE) and "/lib/python" not in frame.filename
    ]
    return f" (line {own[-1].lineno} of {own[-1].name})" if own else ""
