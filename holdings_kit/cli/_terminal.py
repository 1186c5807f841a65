"""What the commands say: a terminal shows it and obeys nothing in it."""

from __future__ import annotations

import signal
import sys
import threading
from inspect import cleandoc

from holdings_kit.errors import printable


def say(text: object, *, error: bool = False, at_once: bool = False) -> None:
    """Print a text; controls in it are shown as escapes.

    Parameters
    ----------
    error
        On standard error.
    at_once
        Also where the output is a pipe that somebody waits on.
    """
    into = sys.stderr if error else None
    print(printable(text), file=into, flush=at_once)


def catch_stop() -> threading.Event:
    """Take Ctrl-C, SIGTERM and a closed terminal as the wish to stop, from now on."""
    stopped = threading.Event()

    def stop(*_signal: object) -> None:
        stopped.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    return stopped


def join_lines(text: str | None) -> str:
    r"""Join the lines of each paragraph, which a terminal then breaks as it is wide.

    Examples
    --------
    >>> join_lines("One sentence.\n\n    Another\n    one.")
    'One sentence.\n\nAnother one.'
    """
    paragraphs = cleandoc(text or "").split("\n\n")
    return "\n\n".join(" ".join(each.split()) for each in paragraphs)
