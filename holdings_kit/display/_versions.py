"""Which versions are at work, for a report of a fault."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = (
    *("holdings-kit", "polars", "zstandard", "httpx", "deltalake", "pyarrow", "numpy"),
    *("scipy", "matplotlib", "exchange-calendars", "jupyterlab", "ipywidgets"),
    *("anywidget", "dask", "pandas"),
)


def show_versions() -> None:
    """Print the versions of Python, this package and what it works with.

    Nothing is imported and nothing of yours is shown: it can go into a bug report.

    Examples
    --------
    >>> import holdings_kit as hk
    >>> hk.show_versions()  # doctest: +ELLIPSIS
    python              3...
    """
    rows = [("python", sys.version.split()[0]), ("platform", platform.platform())]
    for package in _PACKAGES:
        try:
            rows.append((package, version(package)))
        except PackageNotFoundError:
            rows.append((package, "not installed"))
    print("\n".join(f"{name:<19} {found}" for name, found in rows))  # noqa: T201
