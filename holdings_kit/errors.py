"""Every error this package raises on purpose.

::

    HoldingsError
    ├── ConfigError            the call itself is wrong: an option, a path, a key
    │   └── MissingExtra           an optional package is not installed (ImportError)
    ├── WireError              a payload is not of the published shape
    ├── FrameError             a frame does not have the columns its name promises
    ├── SourceError            a source system refused or failed
    │   ├── AuthError              401: log in again
    │   ├── PermissionDenied       403: this account may not do that
    │   ├── RateLimited            429: wait `retry_after` seconds
    │   └── SourceUnavailable      5xx, network, time-out: try later
    ├── ImportFailed           the user's import ended without holdings
    ├── SignatureError         a token or checksum does not verify
    ├── StaleSnapshot          the newest snapshot is older than asked for
    └── StoreError             the snapshot store cannot do what was asked

A class exists only where a caller would act differently. Facts are attributes;
no message carries a secret.
"""

from __future__ import annotations

import re
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime, timedelta

_Class = TypeVar("_Class", bound=type[Any])

__all__ = [
    "AuthError",
    "ConfigError",
    "FrameError",
    "HoldingsError",
    "ImportFailed",
    "MissingExtra",
    "PermissionDenied",
    "RateLimited",
    "SignatureError",
    "SourceError",
    "SourceUnavailable",
    "StaleSnapshot",
    "StoreError",
    "WireError",
    "attach_room",
    "load_optional",
    "printable",
    "readable",
    "require_known",
    "suggest",
]

# Which extra of pyproject.toml brings an optional package; a test compares the two.
_EXTRA_OF: Final = {
    "exchange_calendars": "fetch",
    "httpx": "fetch",
    "jwt": "fetch",
    "pyrate_limiter": "fetch",
    "stamina": "fetch",
    "tqdm": "fetch",
    "dask": "store",
    "deltalake": "store",
    "distributed": "store",
    "pyarrow": "store",
    "multipart": "sandbox",
    "starlette": "sandbox",
    "typer": "sandbox",
    "uvicorn": "sandbox",
    "yaml": "sandbox",
    "arch": "risk",
    "numpy": "risk",
    "scipy": "risk",
    "matplotlib": "plot",
    "openpyxl": "export",
    "pandas": "export",
    "xlsxwriter": "export",
    "IPython": "lab",
    "anywidget": "lab",
    "great_tables": "lab",
    "ipywidgets": "lab",
    "jupyterlab": "lab",
    "traitlets": "lab",
}


# C0 and C1 controls but tab and line end, and marks that turn the direction of text or
# end a line unseen: a name could clear the screen, forge a line, or set the title.
_UNSAFE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
)


def printable(text: object) -> str:
    r"""Show what a terminal would obey as an escape that can be read.

    Examples
    --------
    >>> printable("SBIN\x1b[2J\n"), printable("a\x07b\u202e")
    ('SBIN\\x1b[2J\n', 'a\\x07b\\u202e')
    """
    return _UNSAFE.sub(lambda found: repr(found[0])[1:-1], str(text))


def readable(shown: _Class) -> _Class:
    """Let objects of a class be read where a cell ends with them.

    A notebook gets HTML, a terminal a few lines; both are written by
    `holdings_kit.display`, loaded when the first object is shown. A class that is no
    record and has a ``__repr__`` of its own keeps it.

    Examples
    --------
    >>> from typing import NamedTuple
    >>> @readable
    ... class Answer(NamedTuple):
    ...     rows: int
    >>> Answer(3), "<script" in Answer(3)._repr_html_()
    (Answer(rows=3), False)
    """
    untyped: Any = shown
    record = bool(issubclass(shown, tuple)) or hasattr(shown, "__dataclass_fields__")
    if record or untyped.__repr__ is object.__repr__:
        untyped.__repr__ = _write_text
    untyped._repr_html_ = _write_html
    return untyped


def _write_text(shown: object) -> str:
    return import_module("holdings_kit.display._cards").write_text(shown)


def _write_html(shown: object) -> str:
    return import_module("holdings_kit.display._cards").write_html(shown)


@readable
class HoldingsError(Exception):
    """Base of every error raised on purpose by this package.

    Attributes
    ----------
    now
        What to do about it, in words.

    Examples
    --------
    >>> import holdings_kit as hk
    >>> try:
    ...     hk.read_webhooks("no/such/folder")
    ... except hk.HoldingsError as error:
    ...     print(f"{type(error).__name__}: {error}")
    ConfigError: no such file or folder: 'no/such/folder'
    """

    now: str = "read what it says and mend that"

    def __str__(self) -> str:
        return printable(super().__str__())  # it may repeat what a stranger sent


class ConfigError(HoldingsError):
    """The call is wrong, not the data: mend the argument and call again."""

    now = "mend the argument it names and call again"


class MissingExtra(ConfigError, ImportError):
    """An optional package is not installed; `extra` names what brings it.

    It is an `ImportError` too, so ``except ImportError`` keeps its meaning.
    """

    now = "install what it names and start Python again"

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"{package} is not installed; run: pip install 'holdings-kit[{extra}]'"
        )
        self.package, self.extra = package, extra


class WireError(HoldingsError):
    """A payload is not of the published shape.

    Attributes
    ----------
    source
        Where the bytes came from: a path, or the name of the door.
    pointer
        JSON pointer (RFC 6901) to the offending place, ``""`` for the whole.
    """

    now = "look at that place of the payload; hk.lint lists every such place"

    def __init__(self, source: str, pointer: str, reason: str) -> None:
        super().__init__(f"{source}: at {pointer or 'the top'}: {reason}")
        self.source, self.pointer, self.reason = source, pointer, reason


class FrameError(HoldingsError):
    """A frame does not have the columns its name promises."""

    now = "pass the frame that the call asks for, or mend the column"

    def __init__(self, frame: str, column: str, reason: str) -> None:
        super().__init__(f"{frame}: column {column!r}: {reason}")
        self.frame, self.column, self.reason = frame, column, reason


class SourceError(HoldingsError):
    """A source system answered with a refusal or a failure.

    Attributes
    ----------
    source
        ``arrow`` or ``gateway``.
    status
        HTTP status, ``None`` when only a body is at hand.
    code
        The source's own code as text, ``None`` when it sent none.
    message
        The source's own words, shortened to 200 characters.
    """

    now = "the source's own words are above; they say what it wants"

    def __init__(
        self, source: str, status: int | None, code: str | None, message: str
    ) -> None:
        facts = " ".join(part for part in (str(status or ""), code or "") if part)
        shown = " ".join(message.split())[:200]
        super().__init__(f"{source}: {facts + ': ' if facts else ''}{shown}")
        self.source, self.status, self.code, self.message = source, status, code, shown


class AuthError(SourceError):
    """401, or a body that says so: the token is wrong or expired; log in again."""

    now = "log in again for a new token"


class PermissionDenied(SourceError):
    """403, or a body that says so: this token may not read that."""

    now = "ask for the permission; the same call will fail again"


class RateLimited(SourceError):
    """429: wait `retry_after` seconds (``None`` when the source did not say)."""

    now = "wait, then call again; a Pace keeps below the limit"

    def __init__(
        self,
        source: str,
        status: int | None,
        code: str | None,
        message: str,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(source, status, code, message)
        self.retry_after = retry_after


class SourceUnavailable(SourceError):
    """5xx, a network failure or a time-out: the source may answer later."""

    now = "try again later"


class ImportFailed(HoldingsError):
    """A holdings import ended without holdings; `retryable` and `now` say what now."""

    def __init__(
        self, code: str, message: str, *, retryable: bool, now: str | None = None
    ) -> None:
        if now is None:
            now = "start a new transaction" if retryable else "a retry will not help"
        super().__init__(f"import failed: {message} ({code}); {now}")
        self.code, self.message, self.retryable = code, message, retryable
        self.now = now


class SignatureError(HoldingsError):
    """A token or a webhook checksum does not verify with the secret given."""

    now = "do not use what it signs; check which secret is in use"


class StaleSnapshot(HoldingsError):
    """The newest snapshot is older than the call accepts."""

    now = "refresh it; where the broker needs a login, import again"

    def __init__(self, snapshot_at: datetime | None, age: timedelta | None) -> None:
        when = snapshot_at.isoformat() if snapshot_at else "an unknown instant"
        old = f", {age} ago" if age is not None else ""
        super().__init__(
            f"newest snapshot is of {when}{old}; refresh it, "
            "or import again where the broker needs a login"
        )
        self.snapshot_at, self.age = snapshot_at, age


class StoreError(HoldingsError):
    """The snapshot store cannot do what was asked; nothing was changed."""

    now = "nothing was changed: mend what it names and call again"


def load_optional(name: str) -> ModuleType:
    """Stand for an optional module, imported when an attribute is first asked for.

    Raises `MissingExtra` at that moment where the package is not installed.

    Examples
    --------
    >>> load_optional("fractions").Fraction(1, 2)
    Fraction(1, 2)
    """
    return _OptionalModule(name)


class _OptionalModule(ModuleType):
    def __getattr__(self, attribute: str) -> object:
        try:
            return getattr(import_module(self.__name__), attribute)
        except ModuleNotFoundError as error:
            raise _name_extra(error) from error


def attach_room(
    name: str, file: str
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Load a room's public names, listed in its ``__init__.pyi``, on first use.

    Raises `MissingExtra` where a name needs a package that is not installed; a wrong
    name is answered with the nearest one.

    Examples
    --------
    >>> import holdings_kit.portfolio
    >>> "consolidate" in holdings_kit.portfolio.__dir__()
    True
    >>> holdings_kit.portfolio.consolidat
    Traceback (most recent call last):
        ...
    AttributeError: module 'holdings_kit.portfolio' has no attribute 'consolidat'; \
did you mean consolidate?
    """
    untyped: Any = import_module("lazy_loader")
    load, show_names, names = untyped.attach_stub(name, file)

    def load_name(wanted: str) -> object:
        try:
            return load(wanted)
        except ModuleNotFoundError as error:
            raise _name_extra(error) from error
        except AttributeError as error:
            if wanted in names or wanted.startswith("__"):
                raise
            message = f"module {name!r} has no attribute {wanted!r}"
            raise AttributeError(
                f"{message}{suggest(wanted, names)}",
                name=wanted,
                obj=None,  # with the module Python itself would add another suggestion
            ) from error

    return load_name, show_names, names


def suggest(wrong: str, names: Iterable[str]) -> str:
    """End an error's text with the name that is nearest to a wrong one, if one is.

    Examples
    --------
    >>> suggest("Symbl", ["isin", "symbol"])
    '; did you mean symbol?'
    >>> suggest("price", ["isin", "symbol"])
    ''
    """
    known = {name.lower(): name for name in names}
    near = import_module("difflib").get_close_matches(wrong.lower(), known, 1)
    return f"; did you mean {known[near[0]]}?" if near else ""


def require_known(name: str, what: str, known: Iterable[str]) -> None:
    """Refuse a name that is none of those there are, and list them.

    Examples
    --------
    >>> require_known("slow", "method", ["historical", "ewma"])
    Traceback (most recent call last):
        ...
    holdings_kit.errors.ConfigError: method 'slow' is not known; have historical, ewma
    """
    names = list(known)
    if name not in names:
        raise ConfigError(f"{what} {name!r} is not known; have {', '.join(names)}")


def _name_extra(error: ModuleNotFoundError) -> ImportError:
    """Turn Python's error into ours where an extra would bring the package."""
    package = (error.name or "").partition(".")[0]
    extra = _EXTRA_OF.get(package)
    return MissingExtra(package, extra) if extra else error
