"""What other people wrote, made safe for a terminal."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["printable"]

# C0 and C1 controls but tab and line end, and marks that turn the direction of text: a
# name could clear the screen, forge a line, or set the title of the window.
_UNSAFE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def printable(text: object) -> str:
    r"""Show what a terminal would obey as an escape that can be read.

    Examples
    --------
    >>> printable("SBIN\x1b[2J\n"), printable("a\x07b\u202e")
    ('SBIN\\x1b[2J\n', 'a\\x07b\\u202e')
    """
    return _UNSAFE.sub(_escape, str(text))


def _escape(match: re.Match[str]) -> str:
    return repr(match[0])[1:-1]
