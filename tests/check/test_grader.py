"""The grader passes the solutions, and names the rule that a naive answer breaks."""

import hashlib
import hmac
import json
import logging
import runpy
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import jwt
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
    8: ("integrate",),
}
Code = Callable[..., Any]


def solution(lesson: int) -> list[Code]:
    names = runpy.run_path(str(SOLUTIONS / f"lesson_{lesson}.py"))
    return [names[name] for name in ASKED[lesson]]


def grade(lesson: int, *code: Code) -> check.Graded:
    return getattr(check, f"lesson{lesson}")(*code)


@pytest.mark.parametrize("lesson", ASKED)
def test_the_solution_passes(lesson: int) -> None:
    graded = grade(lesson, *solution(lesson))
    assert graded.passed, graded


@pytest.mark.parametrize("lesson", ASKED)
def test_an_empty_answer_fails_and_gets_one_hint(lesson: int) -> None:
    def nothing(*_: object) -> None:
        return None

    graded = grade(lesson, *(nothing for _ in ASKED[lesson]))
    assert not graded.passed
    assert repr(graded).count("hint:") == 1


def unsigned(body: bytes, api_secret: str) -> int:
    del api_secret
    return 200 if json.loads(body) else 400


def reparsed(body: bytes, api_secret: str) -> int:
    """Signs the user only, and what it read instead of what came."""
    try:
        said = json.loads(body)
        message = said["timestamp"].upper() + said["smallcaseAuthId"]
    except (ValueError, KeyError, TypeError, AttributeError):
        return 401
    key = api_secret.encode()
    wanted = hmac.new(key, message.encode(), hashlib.sha256).hexdigest()
    return 200 if wanted == said.get("checksum") else 401


def trusting(_secret: str, token: str, _now: object) -> str:
    return jwt.decode(token, options={"verify_signature": False})["smallcaseAuthId"]


def as_floats(row: dict[str, str]) -> dict[str, object]:
    """What most readers do: blanks are 0, listings are added up."""
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


def once(get: Code, _sleep: Code) -> object:
    return json.loads(get()[2])


def forever(get: Code, sleep: Code) -> object:
    for _ in range(300):
        status, _headers, body = get()
        if status == 200:
            return json.loads(body)
        sleep(1)
    raise TimeoutError


def last_wins(_kept: object, delivery: object) -> object:
    return delivery


def upsert(kept: dict[str, Any] | None, delivery: dict[str, Any]) -> dict[str, Any]:
    old = (kept or {}).get("securities", {})
    return delivery | {"securities": old | delivery["securities"]}


def chatty(access: Any, auth_ids: list[str]) -> dict[str, None]:
    logging.getLogger("integration").debug("calling with %s", access.api_secret)
    return dict.fromkeys(auth_ids)


@pytest.mark.parametrize(
    ("lesson", "code", "broken"),
    [
        (1, (solution(1)[0], trusting), {"another secret", "none", "expired"}),
        (3, (unsigned,), {"wrong checksum", "missing", "another user", "no JSON"}),
        (3, (reparsed,), {"mutual funds", "exactly as received"}),
        (4, (lambda *_: "use",), {"needs an import", "is fetched", "without an"}),
        (
            5,
            (as_floats,),
            {"counted once", "pledged is found", "not a loss", "not all profit"},
        ),
        (6, (once,), {"429", "server", "truncated", "success: false"}),
        (6, (forever,), {"401", "403", "gives up", "success: false"}),
        (7, (last_wins,), {"late retry", "no order", "empty snapshot"}),
        (7, (upsert,), {"replaces the older one whole"}),
        (8, (chatty,), {"quantities are right", "no secret"}),
    ],
)
def test_a_naive_answer_breaks_the_rules_it_should(
    lesson: int, code: tuple[Code, ...], broken: set[str]
) -> None:
    graded = grade(lesson, *code)
    for words in broken:
        assert any(words in rule for rule in graded.failed), (words, graded)


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
