"""The grader passes what is right in any style, and names what a mistake breaks."""

import importlib.util
import json
import re
import runpy
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import grader as check
import holdings_kit as hk

SOLUTIONS = Path(__file__).parents[2] / "notebooks/training/solutions"
ASKED = {
    1: ("sign", "read"),
    2: ("build", "follow"),
    3: ("handler",),
    4: ("decide",),
    5: ("read_row",),
    6: ("fetch",),
    7: ("apply",),
    8: ("connect", "merge"),
    9: ("reconcile",),
    10: ("may_use", "erase", "receive"),
    11: ("find", "record"),
    12: ("read_funds", "import_funds"),
    13: ("integrate",),
}
Code = Callable[..., Any]


def load_attempts() -> list[Any]:
    place = Path(__file__).with_name("attempts.py")
    spec = importlib.util.spec_from_file_location("attempts", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.ATTEMPTS


ATTEMPTS = load_attempts()
RIGHT = [one for one in ATTEMPTS if not one.breaks]
WRONG = [one for one in ATTEMPTS if one.breaks]


def name(attempt: Any) -> str:
    return f"{attempt.lesson}-{attempt.name}"


def solution(lesson: int) -> list[Code]:
    names = runpy.run_path(str(SOLUTIONS / f"lesson_{lesson}.py"))
    return [names[name] for name in ASKED[lesson]]


def grade(lesson: int, *code: Code, limit: float | None = None) -> check.Graded:
    limits = {} if limit is None else {"limit": limit}
    return getattr(check, f"lesson{lesson}")(*code, **limits)


def test_the_matrix_is_as_large_as_promised() -> None:
    wrong = Counter(one.lesson for one in WRONG)
    right = Counter(one.lesson for one in RIGHT)
    assert set(wrong) == set(right) == set(ASKED)
    assert min(wrong.values()) >= 4
    assert min(right.values()) >= 2
    assert len(WRONG) >= 30
    assert len(RIGHT) >= 12


@pytest.mark.parametrize("lesson", ASKED)
def test_the_solution_passes(lesson: int) -> None:
    graded = grade(lesson, *solution(lesson))
    assert graded.passed, graded


@pytest.mark.parametrize("attempt", RIGHT, ids=name)
def test_a_right_answer_passes_in_any_style(attempt: Any) -> None:
    graded = grade(attempt.lesson, *attempt.code)
    assert graded.passed, graded


@pytest.mark.parametrize("attempt", WRONG, ids=name)
def test_a_mistake_breaks_its_rules_and_gets_hints(attempt: Any) -> None:
    graded = grade(attempt.lesson, *attempt.code, limit=attempt.limit)
    for words in attempt.breaks:
        assert any(words in rule for rule in graded.failed), (words, graded)
    hints = re.findall(r"^      hint: (.+)$", repr(graded), re.MULTILINE)
    assert len(hints) == len(graded.failed)


@pytest.mark.parametrize("lesson", ASKED)
def test_an_empty_answer_fails(lesson: int) -> None:
    def nothing(*_: object) -> None:
        return None

    graded = grade(lesson, *(nothing for _ in ASKED[lesson]))
    assert not graded.passed


def test_an_endless_answer_is_ended_and_its_thread_with_it() -> None:
    def endless(*_: object) -> None:
        while True:
            pass

    began, before = time.monotonic(), threading.active_count()
    graded = grade(4, endless, limit=0.2)
    assert time.monotonic() - began < 2
    assert "still running after 0.2 seconds" in repr(graded)
    assert len(graded.failed) == len(graded.outcomes)
    assert threading.active_count() <= before


def test_what_is_shown_is_what_was_seen() -> None:
    graded = grade(5, lambda row: {"owned": Decimal(1550), "pledged": 12})
    assert "owned of a share listed twice your code gave Decimal('1550')" in repr(
        graded
    )
    assert "E+" not in repr(graded)


def test_an_error_names_the_line_it_came_from() -> None:
    def apply(kept: object, delivery: dict[str, Any]) -> object:
        return delivery["securitys"]

    shown = repr(grade(7, apply))
    assert re.search(
        r"your code raised KeyError: 'securitys' \(line \d+ of apply\)", shown
    )


def test_a_hint_fits_the_failure() -> None:
    base = ATTEMPTS[[name(one) for one in ATTEMPTS].index("5-rounded floats")]
    assert "nearly: the texts are exact" in repr(grade(5, *base.code))


def test_hints_do_not_give_the_answer() -> None:
    graded = grade(3, lambda *_: 0)
    shown = repr(graded).lower()
    assert "hmac" not in shown
    assert "sha256" not in shown


def test_the_sample_row_of_lesson_5_is_what_the_package_reads() -> None:
    read_row = solution(5)[0]
    path = SOLUTIONS.parents[2] / "sample_data/arrow/holdings.json"
    rows = json.loads(path.read_text())["data"]
    ours = hk.read_arrow(
        path,
        account_id="A",
        snapshot_at=datetime(2026, 1, 5, tzinfo=UTC),
    ).holdings
    for row, held in zip(rows, ours.iter_rows(named=True), strict=True):
        got = read_row(row)
        assert got["owned"] == held["owned_quantity"]
        assert got["reconciles"] is held["reconciles"]
        assert Decimal(got["haircut"]) == held["haircut"]
