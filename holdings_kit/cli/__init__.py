"""``holdings-kit``, the command line; a command imports what it needs when it runs."""

from __future__ import annotations

import sys

import typer

from holdings_kit.cli._frames import demo, generate, load, report
from holdings_kit.cli._servers import app_, lab, receive, sandbox
from holdings_kit.errors import HoldingsError

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # locals may hold secrets
    help="Equity holdings as exact polars frames.",
)
for _command in (demo, load, report, generate, sandbox, receive, lab):
    app.command()(_command)
app.command("app")(app_)


@app.callback()
def _root() -> None:
    """Equity holdings from the smallcase Gateway and the Arrow API."""


def main() -> None:
    """Run the command line; an error made on purpose is one line, not a traceback."""
    try:
        app()
    except HoldingsError as error:
        print(f"holdings-kit: {error}", file=sys.stderr)
        sys.exit(1)
