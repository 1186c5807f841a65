# pyright: basic
"""``holdings-kit``, the command line; a command imports what it needs when it runs."""

import sys

from holdings_kit.errors import HoldingsError, attach_room

_load, __dir__, __all__ = attach_room(__name__, __file__)
__getattr__ = _load


def main() -> None:
    """Run the command line; an error made on purpose is one line, not a traceback."""
    try:
        _load("app")()
    except HoldingsError as error:
        from holdings_kit.cli._terminal import say

        say(f"holdings-kit: {error}", error=True)
        sys.exit(1)
