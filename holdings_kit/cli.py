"""``holdings-kit``, the command line; a command imports what it needs when it runs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from holdings_kit.errors import HoldingsError

if TYPE_CHECKING:
    from pathlib import Path

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # locals may hold secrets
    help="Equity holdings as exact polars frames.",
)


@app.callback()
def _root() -> None:
    """Equity holdings from the smallcase Gateway and the Arrow API."""


@app.command()
def report(
    dumps: Annotated[
        list[Path], typer.Argument(help="Webhook dumps: files, folders or globs.")
    ],
    *,
    instruments: Annotated[
        Path | None, typer.Option(help="Instrument master, the Arrow CSV.")
    ] = None,
) -> None:
    """Read webhook dumps and print one consolidated, valued portfolio."""
    import holdings_kit as hk
    from holdings_kit.report import portfolio_report

    master = hk.read_instruments(instruments) if instruments else None
    loaded = hk.read_webhooks([str(path) for path in dumps], instruments=master)
    print(portfolio_report(loaded))


def main() -> None:
    """Run the command line; an error made on purpose is one line, not a traceback."""
    try:
        app()
    except HoldingsError as error:
        print(f"holdings-kit: {error}", file=sys.stderr)
        sys.exit(1)
