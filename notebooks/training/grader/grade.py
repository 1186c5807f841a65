"""Rules, and what a learner's code made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Graded", "Rule", "grade", "is_not"]


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
    >>> rule = Rule("one is two", "count again", lambda: "1")
    >>> grade(0, [rule]).failed
    ('one is two',)
    """

    states: str
    hint: str
    probe: Callable[[], str | None]


class Outcome(NamedTuple):
    """A rule and what was seen; `seen` is ``None`` where the rule holds."""

    rule: Rule
    seen: str | None


class Graded:
    """The result of one lesson's exercises; shows itself as text.

    Attributes
    ----------
    passed
        Whether every rule holds.
    outcomes
        One per rule, in the order of the lesson.

    Examples
    --------
    >>> grade(0, [Rule("one is two", "count again", lambda: "1")])
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

    def __repr__(self) -> str:
        held = len(self.outcomes) - len(self.failed)
        lines = [f"lesson {self.lesson}: {held} of {len(self.outcomes)} rules hold"]
        hinted = False
        for rule, seen in self.outcomes:
            lines.append(f"  {'✓' if seen is None else '✗'} {rule.states}")
            if seen is None:
                continue
            lines.append(f"      seen: {seen}")
            if not hinted:  # one thing at a time
                lines.append(f"      hint: {rule.hint}")
                hinted = True
        return "\n".join(lines)


def grade(lesson: int, rules: Sequence[Rule]) -> Graded:
    """Probe every rule; an exception in the learner's code is an outcome, not ours."""
    return Graded(lesson, [Outcome(rule, _probed(rule)) for rule in rules])


def is_not(got: object, wanted: object, *, of: str) -> str | None:
    """Say what was given where it is not what was wanted; the wanted is not told.

    >>> is_not(401, 401, of="a forged delivery") is None
    True
    >>> is_not(200, 401, of="a forged delivery")
    'for a forged delivery your code gave 200'
    """
    return None if got == wanted else f"for {of} your code gave {got!r}"


def _probed(rule: Rule) -> str | None:
    try:
        return rule.probe()
    except Exception as error:  # a learner's code may raise anything
        return f"your code raised {type(error).__name__}: {str(error)[:200]}"
