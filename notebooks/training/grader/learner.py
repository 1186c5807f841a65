"""Runs a learner's code: in a thread of its own, with a time limit, async or not.

No signal and no tracing: it works in a notebook, whose event loop runs, and in pytest.
"""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import dis
import inspect
import sys
import sysconfig
import threading
import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType

__all__ = ["Learner", "NotRunError", "StillRunningError"]

_INSTALLED = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "purelib"))
_SAFE = frozenset({"compare_digest", "_compare_digest"})
_TRIES = 200  # a bare `except:` may swallow the first


class StillRunningError(BaseException):
    """The code did not end in time; no refusal of the learner's, so no `Exception`."""


class NotRunError(BaseException):
    """The code was not run again after it had not ended."""


class _StopError(BaseException):
    """Ends the thread of code that runs on."""


class _Call(NamedTuple):
    code: Callable[..., Any]
    args: tuple[object, ...]
    context: contextvars.Context
    outcome: SimpleQueue[tuple[object, BaseException | None]]


class Learner:
    """A learner's functions, callable like any; an endless one is ended.

    Parameters
    ----------
    limit
        Seconds for all calls together.
    watch
        Whether to note which functions the code calls; it is slower so.

    Attributes
    ----------
    compares_safely
        Whether a call compared in constant time: by the library, or bit by bit.

    Examples
    --------
    >>> async def double(number):
    ...     return 2 * number
    >>> with Learner() as learner:
    ...     learner.adopt(double)(4)
    8
    """

    def __init__(self, limit: float = 10.0, *, watch: bool = False) -> None:
        self._limit, self._left, self._watch = limit, limit, watch
        self._calls = SimpleQueue[_Call | None]()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._work, name="learner", daemon=True)
        self._ended = False
        self.compares_safely = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._calls.put(None)
        if not self._ended:
            self._thread.join(1)

    def adopt(self, code: Callable[..., Any]) -> Callable[..., Any]:
        """Give a function that runs the learner's one."""
        return lambda *args: self._run(code, args)

    def _run(self, code: Callable[..., Any], args: tuple[object, ...]) -> object:
        if self._ended:
            raise NotRunError
        outcome = SimpleQueue[tuple[object, BaseException | None]]()
        began = time.monotonic()
        self._calls.put(_Call(code, args, contextvars.copy_context(), outcome))
        try:
            got, error = outcome.get(timeout=max(0.0, self._left))
        except Empty:
            self._end()
            raise StillRunningError(
                f"your code was still running after {self._limit:g} seconds"
            ) from None
        except BaseException:  # the user interrupts
            self._end()
            raise
        self._left -= time.monotonic() - began
        if error is None:
            return got
        if isinstance(error, Exception):
            raise error
        raise RuntimeError(f"{type(error).__name__}: {error}".rstrip(": ")) from error

    def _work(self) -> None:
        loop = self._loop = asyncio.new_event_loop()
        try:
            while (call := self._calls.get()) is not None:
                call.outcome.put(call.context.run(self._call, loop, call))
        except _StopError:
            pass
        finally:
            with suppress(BaseException):
                loop.close()

    def _call(
        self, loop: asyncio.AbstractEventLoop, call: _Call
    ) -> tuple[object, BaseException | None]:
        if self._watch:
            threading.setprofile(self._note)
            sys.setprofile(self._note)
        try:
            got = call.code(*call.args)
            if inspect.isawaitable(got):
                got = loop.run_until_complete(_finish(got))
        except _StopError:
            raise
        except BaseException as error:
            return None, error
        else:
            return got, None
        finally:
            if self._watch:
                sys.setprofile(None)
                threading.setprofile(None)

    def _note(self, frame: FrameType, event: str, arg: object) -> None:
        if event == "c_call" and getattr(arg, "__name__", "") in _SAFE:
            self.compares_safely = True
        elif event == "call" and not self.compares_safely:
            code = frame.f_code
            if not code.co_filename.startswith(_INSTALLED) and _compares_bits(code):
                self.compares_safely = True

    def _end(self) -> None:
        """Make the thread stop; one that waits in the system is left behind."""
        self._ended = True
        loop, ident = self._loop, ctypes.c_ulong(self._thread.ident or 0)
        if loop is not None:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_cancel_all, loop)
        for _ in range(_TRIES):
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ident, ctypes.py_object(_StopError)
            )
            self._thread.join(0.005)
            if not self._thread.is_alive():
                return


async def _finish(wanted: Any) -> object:
    return await wanted


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    for task in asyncio.all_tasks(loop):
        task.cancel()


def _compares_bits(code: CodeType) -> bool:
    """Tell whether a function compares by exclusive or, as a loop of one's own does."""
    return any(step.argrepr in {"^", "^="} for step in dis.get_instructions(code))
