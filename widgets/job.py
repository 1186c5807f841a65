"""Work that takes longer than a second, and its results: no error is lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from traitlets import Float, HasTraits, TraitType, Unicode

from holdings_kit.errors import HoldingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ["Job", "Result"]

P = ParamSpec("P")
T = TypeVar("T")


class Job(HasTraits):
    """A view-model that does one thing at a time, beside the page.

    In a notebook the work is a task of the running loop, so that it can be cancelled
    while it waits; in a script `begin` returns when it is done.

    Attributes
    ----------
    busy
        What is being done, in words; empty when nothing is.
    progress
        Fraction done, null where nobody can tell.
    error
        Why the last work failed, in words; empty when it did not.
    """

    busy = Unicode()
    progress = Float(None, allow_none=True)
    error = Unicode()

    _task: asyncio.Task[None] | None = None
    _bug: BaseException | None = None

    def begin(self, work: Coroutine[object, object, None], *, what: str) -> None:
        """Start the work; work that is still going on is cancelled first."""
        self.cancel()
        self.error, self._bug, self.busy, self.progress = "", None, what, None
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            asyncio.run(self._guard(work))
        else:
            self._task = loop.create_task(self._guard(work))

    def cancel(self) -> None:
        """Stop the work where it waits; what it made so far stays."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            self.busy, self.progress = "", None
            self.cancelled()
        self._task = None

    def cancelled(self) -> None:
        """Say so where the state is shown; a tool that shows steps overrides it."""

    async def done(self) -> None:
        """Wait for the end; raise what went wrong that nobody foresaw.

        An error made on purpose is not raised: it stands in `error`.
        """
        task = self._task
        if task is not None:
            await asyncio.wait([task])
        if self._bug is not None:
            raise self._bug

    async def run_in_thread(
        self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run blocking work in a thread, so that the page stays alive."""
        return await asyncio.to_thread(work, *args, **kwargs)

    async def _guard(self, work: Coroutine[object, object, None]) -> None:
        mine = asyncio.current_task()
        try:
            await work
        except HoldingsError as error:
            self.error = str(error)
            self.failed(error)
        except Exception as error:  # noqa: BLE001  (shown and kept: a task loses it)
            self._bug = error
            self.error = f"This should not have happened: {type(error).__name__}"
            self.failed(error)
        finally:
            if self._task in {None, mine}:
                self.busy, self.progress = "", None

    def failed(self, error: Exception) -> None:
        """Say so where the state is shown; a tool that shows steps overrides it."""


class Result(TraitType[Any, Any]):
    """Hold any object, ``None`` at first; every assignment is a change.

    Frames are not compared: two of them are the same only if they are one object.
    """

    default_value = None
    allow_none = True

    def set(self, obj: HasTraits, value: Any) -> None:
        """Keep the value and notify observers, without asking whether it is equal."""
        name = str(self.name)
        old = obj._trait_values.get(name)  # noqa: SLF001
        obj._trait_values[name] = value  # noqa: SLF001
        obj._notify_trait(name, old, value)  # noqa: SLF001
