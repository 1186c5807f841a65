"""Who does many tasks: this process by turns, its threads, or another engine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol, TypeVar

from holdings_kit.errors import ConfigError, readable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")
Item = TypeVar("Item")


class Mapper(Protocol):
    """Who does many tasks: one method, so any engine is an adapter of a few lines."""

    def map(self, task: Callable[[Item], T], items: Iterable[Item]) -> list[T]:
        """Do the task for every item; the results in the order of the items."""
        ...


@readable
class Threads:
    """Do so many tasks at once in threads of this process.

    For questions about a store (``on=Threads(2)``): one bucket alone does not keep all
    cores busy. Memory is that of as many buckets.

    Parameters
    ----------
    at_once
        How many tasks run at the same time.

    Raises
    ------
    ConfigError
        `at_once` is below 1.

    Examples
    --------
    >>> Threads(2).map(len, ["one", "three"])
    [3, 5]
    """

    def __init__(self, at_once: int) -> None:
        if at_once < 1:
            raise ConfigError(f"at_once={at_once}: at least 1 is needed")
        self._at_once = at_once

    def __repr__(self) -> str:
        return f"Threads({self._at_once})"

    def map(self, task: Callable[[Item], T], items: Iterable[Item]) -> list[T]:
        """Do the task for every item; the results in order, the first error raised."""
        with ThreadPoolExecutor(self._at_once) as pool:
            return list(pool.map(task, items))
