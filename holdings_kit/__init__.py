# pyright: basic
"""Equity holdings as exact polars frames: read, consolidate, value, compare, risk.

One rule: a number is made only from facts that are there. Unknown is null, never 0;
every price says its basis, every total its coverage; what cannot be read is set aside.
"""

from difflib import get_close_matches

import lazy_loader

# The public names stand once, in __init__.pyi; each is loaded when it is first used.
_load, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> object:
    if name in __all__ or not name.strip("_") or name.startswith("__"):
        return _load(name)
    message = f"module 'holdings_kit' has no attribute {name!r}"
    near = get_close_matches(name, __all__, 1)
    raise AttributeError(message + (f"; did you mean {near[0]}?" if near else ""))
