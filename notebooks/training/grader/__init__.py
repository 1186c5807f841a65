"""The grader of the integrators' course: which rule holds, and a hint where one fails.

``check.lesson3(my_handler)`` runs your code against the sandbox and its faults. It says
which rule failed, what your code did and where to look; never the answer. Your code may
be written in any style: functions, async functions, methods, classes of your own.
"""

from __future__ import annotations

from grader.accounts import lesson8, lesson9, lesson10
from grader.calls import lesson6, lesson13
from grader.grade import Graded, Rule
from grader.imports import lesson1, lesson2
from grader.numbers import lesson4, lesson5, lesson12
from grader.operations import lesson11
from grader.webhooks import lesson3, lesson7

__all__ = [
    "Graded",
    "Rule",
    "lesson1",
    "lesson2",
    "lesson3",
    "lesson4",
    "lesson5",
    "lesson6",
    "lesson7",
    "lesson8",
    "lesson9",
    "lesson10",
    "lesson11",
    "lesson12",
    "lesson13",
]
