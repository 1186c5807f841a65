"""Work that takes longer than a second, and its results: no error is lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar, ParamSpec, TypeVar

from traitlets import (
    All,
    Dict,
    Float,
    HasTraits,
    TraitError,
    TraitType,
    Unicode,
    observe,
)

from holdings_kit.errors import ConfigError, HoldingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping

P = ParamSpec("P")
T = TypeVar("T")


class Job(HasTraits):
    """A view-model that does one thing at a time, beside the page.

    In a notebook the work is a task of the running loop, so that it can be cancelled
    while it waits; in a script `begin` returns when it is done.

    A result carries the inputs it was made from. Where they differ from those on the
    page, or one of those is wrong, the result is stale: views mark it, and
    `require_current` gives it to nobody.

    Attributes
    ----------
    busy
        What is being done, in words; empty when nothing is.
    progress
        Fraction done, null where nobody can tell.
    error
        Why the last work failed, in words; empty when it did not.
    problems
        Input → what is wrong with what stands in its field.
    made_from
        Result → the inputs it was made from; a result that is not there is not in it.
    stale
        Result → the inputs that differ from those it was made from, as they are now.
    """

    inputs: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Result → the traits it is made from."""

    busy = Unicode()
    progress = Float(None, allow_none=True)
    error = Unicode()
    problems = Dict()
    made_from = Dict()
    stale = Dict()

    _task: asyncio.Task[None] | None = None
    _bug: BaseException | None = None
    _makes: tuple[str, ...] = ()

    def __init__(self, **choices: object) -> None:
        unknown = [name for name in choices if not self.has_trait(name)]
        if unknown:
            known = sorted({name for names in self.inputs.values() for name in names})
            raise ConfigError(
                f"there is no choice {unknown[0]!r}; there are {', '.join(known)}"
            )
        try:
            super().__init__(**choices)
        except TraitError as error:
            raise ConfigError(f"a start value cannot be used: {error}") from error

    def capture_inputs(self, result: str) -> dict[str, Any]:
        """Take the inputs of a result as they stand."""
        return {name: getattr(self, name) for name in self.inputs[result]}

    def set_result(
        self, result: str, value: object, made_from: Mapping[str, Any]
    ) -> None:
        """Show a result with the inputs it was made from, taken before the work."""
        self.made_from = {**self.made_from, result: dict(made_from)}
        setattr(self, result, value)

    def drop_results(self, *results: str) -> None:
        """Take results away, so that none stands beside inputs it is not made from."""
        self.made_from = {k: v for k, v in self.made_from.items() if k not in results}
        for result in results:
            if getattr(self, result) is not None:
                setattr(self, result, None)

    def require_current(self, result: str, *, nothing: str) -> Any:
        """Give a result that was made from the inputs as they stand.

        Raises
        ------
        ConfigError
            There is none: nothing was made yet, or an input has changed since.
        """
        if result not in self.made_from:
            raise ConfigError(nothing)
        if result in self.stale:
            changed = ", ".join(self.stale[result])
            way_out = nothing.partition("; ")[2] or "make it anew"
            raise ConfigError(
                f"the {result} was made from another {changed} than stands there now; "
                f"{way_out}"
            )
        return getattr(self, result)

    @observe(All)
    def _compare_inputs(self, change: Any) -> None:
        names = {name for inputs in self.inputs.values() for name in inputs}
        if change.name in names or change.name in {"problems", "made_from"}:
            self.stale = {
                result: changed
                for result, used in self.made_from.items()
                if (changed := dict(self._changed_inputs(used)))
            }

    def _changed_inputs(self, used: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
        for name, value in used.items():
            now = getattr(self, name)
            if name in self.problems or now != value:
                yield name, now

    def begin(
        self, work: Coroutine[object, object, None], *, what: str, makes: Iterable[str]
    ) -> None:
        """Start the work; work that is still going on is cancelled first.

        If it fails, or an input of `makes` cannot be used, these results are gone and
        `error` says why.
        """
        self.cancel()
        self.error, self._bug, self.busy, self.progress = "", None, what, None
        self._makes = tuple(makes)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            asyncio.run(self._guard(work))
        else:
            self._task = loop.create_task(self._guard(work))
            self._task.add_done_callback(lambda _: work.close())

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
            self._refuse_wrong_inputs()
            await work
        except HoldingsError as error:
            self.error = str(error)
            self.failed(error)
        except Exception as error:  # noqa: BLE001  (shown and kept: a task loses it)
            self._bug = error
            self.error = f"This should not have happened: {type(error).__name__}"
            self.failed(error)
        finally:
            work.close()
            if self._task in {None, mine}:
                self.busy, self.progress = "", None

    def _refuse_wrong_inputs(self) -> None:
        for result in self._makes:
            for name in self.inputs.get(result, ()):
                if name in self.problems:
                    field = name.replace("_", " ")
                    raise ConfigError(f"Correct {field} first: {self.problems[name]}")

    def failed(self, error: Exception) -> None:  # noqa: ARG002
        """Take away what the work should have made; a tool with steps overrides it."""
        self.drop_results(*self._makes)


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
