"""Commands that read, keep and report."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from holdings_kit.errors import ConfigError
from holdings_kit.show import number_of

__all__ = ["demo", "generate", "load", "report"]


def demo(
    *,
    folder: Annotated[
        Path | None, typer.Option(help="Keep inbox and store here.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where the report goes; artefacts/demo.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the simulated lives.")] = 0,
) -> None:
    """Import, receive, fetch, store and report, with a simulated broker; no keys."""
    from holdings_kit.cli._demo import OUT, run

    run(folder=folder, out=out or OUT, seed=seed)


def load(
    dumps: Annotated[
        list[Path], typer.Argument(help="Dumps: files, folders or globs.")
    ],
    *,
    into: Annotated[Path, typer.Option(help="Folder of the snapshot store.")],
    arrow: Annotated[bool, typer.Option(help="The lines are Arrow replies.")] = False,
    instruments: Annotated[
        Path | None, typer.Option(help="Instrument master, the Arrow CSV.")
    ] = None,
) -> None:
    """Load dumps of any size into a store; the same dumps again load nothing.

    The key of the webhook checksums is taken from GATEWAY_API_SECRET, never from the
    command line, where others could see it.
    """
    import holdings_kit as hk

    names = [str(path) for path in dumps]
    master = hk.read_instruments(instruments) if instruments else None
    store = hk.Store(into)
    if arrow:
        done = hk.scan_arrow(names, into=store, instruments=master)
    else:
        secret = os.environ.get("GATEWAY_API_SECRET")
        done = hk.scan_webhooks(
            names, into=store, api_secret=secret, instruments=master
        )
    print(
        f"{number_of(done.deliveries, 'delivery', 'deliveries')} loaded, "
        f"{done.skipped} loaded before, "
        f"{done.rejects.height} set aside"
    )
    for row in done.rejects.head(20).iter_rows(named=True):
        print(f"  {row['file']}:{row['line_no'] or ''} {row['reason']}")


def report(
    dumps: Annotated[
        list[Path] | None, typer.Argument(help="Dumps: files, folders or globs.")
    ] = None,
    *,
    store: Annotated[
        Path | None, typer.Option(help="The current snapshots of this store.")
    ] = None,
    instruments: Annotated[
        Path | None, typer.Option(help="Instrument master, the Arrow CSV.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write an HTML page and parquet files into this folder."),
    ] = None,
) -> None:
    """Print webhook dumps, or a store, as one consolidated, valued portfolio.

    Of each account the newest plausible snapshot counts. The key of the webhook
    checksums is taken from GATEWAY_API_SECRET.
    """
    import holdings_kit as hk
    from holdings_kit.show import counted, portfolio_report

    if (store is None) == (not dumps):
        raise ConfigError("report: name dumps, or --store; one of the two")
    with TemporaryDirectory(prefix="holdings-") as folder:
        kept = hk.Store(store or folder)
        if dumps:
            kept.append(
                hk.read_webhooks(
                    [str(path) for path in dumps],
                    api_secret=os.environ.get("GATEWAY_API_SECRET"),
                    instruments=hk.read_instruments(instruments)
                    if instruments
                    else None,
                )
            )
        loaded = counted(kept)
    print(portfolio_report(loaded))
    if out is not None:
        from holdings_kit.show import write_report

        print(f"\nreport      {write_report(loaded, out)}")


def generate(
    folder: Annotated[Path, typer.Argument(help="Where the dumps go.")],
    *,
    accounts: Annotated[int, typer.Option(help="How many invented accounts.")],
    days: Annotated[int, typer.Option(help="Over how many weekdays.")] = 1,
    seed: Annotated[int, typer.Option(help="Same seed, same population.")] = 0,
    arrow: Annotated[
        bool, typer.Option("--arrow", help="Arrow replies instead of webhooks.")
    ] = False,
) -> None:
    """Write dumps of an invented population, one a day, with its prices."""
    from holdings_kit.sandbox import generate as write_population

    paths = write_population(
        folder,
        accounts=accounts,
        days=days,
        seed=seed,
        wire="arrow" if arrow else "gateway",
    )
    for path in paths:
        print(path)
