"""What the commands say: a terminal shows it and obeys nothing in it."""

from __future__ import annotations

import sys

from holdings_kit.errors import printable

__all__ = ["say"]


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
