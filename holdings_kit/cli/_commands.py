"""The commands: the docstring of each is its help."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from holdings_kit.cli._sandbox import listen, resend, sandbox, trigger
from holdings_kit.cli._store import store_app
from holdings_kit.cli._terminal import join_lines, say
from holdings_kit.display._numbers import number_of, quantity
from holdings_kit.errors import ConfigError

if TYPE_CHECKING:
    from datetime import date

    import polars as pl

    from holdings_kit.read import Market
    from holdings_kit.wire import Secret

Dumps = typer.Argument(help="Dumps: files, folders or globs.")
Master = Annotated[Path | None, typer.Option(help="Instrument master, the Arrow CSV.")]
Folder = Annotated[
    Path | None, typer.Argument(help="For copies of the notebooks, store, logs.")
]
Port = Annotated[int, typer.Option(help="0 takes a free one.")]
Seed = Annotated[int, typer.Option(help="Of the sandbox.")]
Browser = Annotated[bool, typer.Option(help="Open the start page.")]


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
    dumps: Annotated[list[Path], Dumps],
    *,
    into: Annotated[Path, typer.Option(help="Folder of the snapshot store.")],
    arrow: Annotated[bool, typer.Option(help="The lines are Arrow replies.")] = False,
    instruments: Master = None,
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
        secret = _read_optional_secret("GATEWAY_API_SECRET")
        done = hk.scan_webhooks(
            names, into=store, api_secret=secret, instruments=master
        )
    say(
        f"{number_of(done.deliveries, 'delivery', 'deliveries')} loaded, "
        f"{done.skipped} loaded before, "
        f"{quantity(done.rejects.height)} set aside"
    )
    _print_rejects(done.rejects)
    _print_events(done.events)
    if not (done.deliveries or done.skipped or done.events.height):
        raise typer.Exit(1)  # whoever loads expects something to be there


def _print_events(events: pl.DataFrame) -> None:
    """Count the other kinds of event, which are no holdings and nothing broken."""
    kinds = events.group_by("kind").len().sort("kind").rows()
    if kinds:
        counts = ", ".join(f"{kind} {quantity(count)}" for kind, count in kinds)
        say(f"other events: {counts}")


def _print_rejects(rejects: pl.DataFrame) -> None:
    for row in rejects.head(_SHOWN).iter_rows(named=True):
        line = f"  {row['file']}:{row['line_no'] or ''} {row['reason']}"
        say(line.replace("\n", " "))
    if rejects.height > _SHOWN:
        say(f"  and {quantity(rejects.height - _SHOWN)} more")


def report(
    dumps: Annotated[list[Path] | None, Dumps] = None,
    *,
    store: Annotated[
        Path | None, typer.Option(help="The current snapshots of this store.")
    ] = None,
    instruments: Master = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write an HTML page and parquet files into this folder."),
    ] = None,
    prices: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the exchanges' files (bhavcopies, margins, actions) and of "
            "price tables (CSV, parquet)."
        ),
    ] = None,
    population: Annotated[
        bool | None,
        typer.Option(
            "--population/--person",
            help="Spread of the accounts' returns, or the accounts one by one; "
            "by their number if left out.",
        ),
    ] = None,
) -> None:
    """Print webhook dumps, or a store, as one consolidated, valued portfolio.

    Of each account the newest plausible snapshot counts; with a past, the page says
    what changed since. The key of the webhook checksums is taken from
    GATEWAY_API_SECRET.
    """
    import holdings_kit as hk
    from holdings_kit.display import portfolio_report, read_for_report

    if (store is None) == (not dumps):
        raise ConfigError("report: name dumps, or --store; one of the two")
    with TemporaryDirectory(prefix="holdings-") as folder:
        kept = hk.Store(store or folder)
        if dumps:
            found = hk.read_webhooks(
                [str(path) for path in dumps],
                api_secret=_read_optional_secret("GATEWAY_API_SECRET"),
                instruments=hk.read_instruments(instruments) if instruments else None,
            )
            if found.snapshots.is_empty():
                _print_rejects(found.rejects)
                raise ConfigError("report: none of these holds a delivery")
            kept.append(found)
        given, table = _read_price_folder(prices)
        loaded = read_for_report(kept)
        actions = given.actions if given and given.actions.height else None
        shown = portfolio_report(loaded, prices=table, actions=actions)
        say(shown)
        if out is not None:
            from holdings_kit.display import write_report

            page = write_report(
                kept,
                out,
                prices=table,
                haircuts=given.margins if given and given.margins.height else None,
                actions=actions,
                population=population,
                made_at=datetime.now(UTC),
            )
            say(f"\nreport      {page}")


def _read_price_folder(
    folder: Path | None,
) -> tuple[Market | None, pl.DataFrame | None]:
    """Read the exchanges' files, and the user's own price tables among them."""
    import polars as pl

    import holdings_kit as hk

    if folder is None:
        return None, None
    files = sorted(folder.iterdir()) if folder.is_dir() else [folder]
    own = [file for file in files if file.suffix in {".csv", ".parquet"}]
    found = hk.read_market(str(folder))
    known = {Path(name).name for name in found.files.drop_nulls("kind")["file"]}
    tables = [found.prices]
    tables += [hk.read_prices(file) for file in own if file.name not in known]
    rows = pl.concat(tables, how="diagonal_relaxed")
    if rows.is_empty():
        raise ConfigError(
            f"report: no price in {str(folder)!r}; give bhavcopies or CSV"
        )
    # of two tables with one day the exchange's stands
    return found, rows.unique(["instrument_id", "date"], keep="first")


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
        say(path)


def receive(
    *,
    into: Annotated[Path, typer.Option(help="Folder of the inbox.")],
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8401,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    allow_remote: Annotated[
        bool, typer.Option(help="Listen where other machines can reach.")
    ] = False,
    verify_by_fetch: Annotated[
        bool, typer.Option(help="Fetch again and compare: the checksum is not enough.")
    ] = False,
    gateway: Annotated[str, typer.Option(help="Gateway name, to fetch.")] = "",
    replay_hours: Annotated[
        float,
        typer.Option(
            help="Do not trust new bodies that are older; the documented retries end "
            "after 72 hours and 15 minutes. 0 for any age."
        ),
    ] = 73,
    base_url: Annotated[
        str, typer.Option(help="Where to fetch; the production gateway unless given.")
    ] = "",
) -> None:
    """Receive webhooks until stopped; each is on disk before it is answered.

    Secrets come from the environment: GATEWAY_API_SECRET, GATEWAY_API_SECRET_OLD while
    it is changed, and GATEWAY_SHARED_SECRET to fetch.
    """
    from holdings_kit.clients import Inbox, check_host, serve, webhook_app
    from holdings_kit.clients._receiver import Verifying

    check_host(host, allow_remote=allow_remote)
    api_secret = _read_secret("GATEWAY_API_SECRET")
    fetch = None
    if verify_by_fetch:
        from holdings_kit.clients import GATEWAY_URL, GatewayClient

        if not gateway:
            raise ConfigError("--verify-by-fetch needs --gateway, its name")
        fetch = GatewayClient(
            gateway=gateway,
            api_secret=api_secret,
            shared_secret=_read_secret("GATEWAY_SHARED_SECRET"),
            base_url=base_url or GATEWAY_URL,
        ).holdings
    window = timedelta(hours=replay_hours) if replay_hours else None
    old = os.environ.get("GATEWAY_API_SECRET_OLD")  # still good during a rotation
    secrets = [api_secret, *([old] if old else [])]
    inbox = Inbox(into, api_secret=secrets, fetch=fetch, replay_window=window)
    left = inbox.sweep()
    if inbox.verifies:
        threading.Thread(target=Verifying(inbox), daemon=True).start()
    say(f"inbox     {inbox.folder} ({left} unfinished removed)")
    say(f"webhooks  http://{host}:{port}/webhook", at_once=True)
    serve(webhook_app(inbox), host=host, port=port, allow_remote=allow_remote)


def lab(
    folder: Folder = None,
    *,
    port: Port = 0,
    seed: Seed = 7,
    browser: Browser = True,
) -> None:
    """Start sandbox, store and JupyterLab on this machine until stopped.

    Notebooks and sample data are copied into FOLDER; in a checkout, artefacts/lab.
    """
    _serve("lab", folder, port=port, seed=seed, browser=browser)


def app_(
    folder: Folder = None,
    *,
    port: Port = 0,
    seed: Seed = 7,
    browser: Browser = True,
) -> None:
    """Serve the explore notebooks as pages (Voilà) until stopped."""
    _serve("app", folder, port=port, seed=seed, browser=browser)


def _serve(
    server: Literal["lab", "app"],
    folder: Path | None,
    *,
    port: int,
    seed: int,
    browser: bool,
) -> None:
    import webbrowser

    from holdings_kit.cli._lab import Running, run_lab

    def tell(up: Running) -> None:
        say(f"sandbox   {up.sandbox_url}/")
        say(f"store     {up.store}")
        say(f"open      {up.url}")
        say(
            "The address holds the token: it is for you. Ctrl-C stops it.", at_once=True
        )

    code = run_lab(
        folder,
        server=server,
        port=port,
        seed=seed,
        tell=tell,
        open_page=webbrowser.open if browser else None,
    )
    say("stopped")
    if code:
        raise typer.Exit(code)


def _read_secret(name: str) -> Secret:
    secret = _read_optional_secret(name)
    if secret is None:
        raise ConfigError(f"{name} is not set: put the secret into the environment")
    return secret


def _read_optional_secret(name: str) -> Secret | None:
    """Read a secret from the environment, with a hint where it has blank ends."""
    from holdings_kit import wire

    if not os.environ.get(name):
        return None
    secret = wire.Secret(os.environ[name])
    if hint := secret.blank_ends():
        say(f"{name}: {hint}", error=True)
    return secret


def market(
    files: Annotated[
        list[Path], typer.Argument(help="The exchanges' files: folders, files, globs.")
    ],
) -> None:
    """Print what the exchanges' files hold, from when to when, and what is missing.

    Missing are trading days between the first and the last price file of a kind that
    have no file. What could not be read is listed with file, line and reason.
    """
    import holdings_kit as hk
    from holdings_kit.market import calendar_known, trading_days

    found = hk.read_market([str(path) for path in files])
    say(found)
    known = found.files.drop_nulls("kind")
    for kind, part in sorted(known.group_by("kind")):
        first, last = part["first_date"].min(), part["last_date"].max()
        span = f", {first} to {last}" if first is not None else ""
        rows = number_of(int(part["rows_count"].sum()), "row")
        rows += f" in {number_of(part.height, 'file')}"
        say(f"  {kind[0]:<18} {rows}{span}")
    days = sorted(found.prices.filter(exchange="NSE")["date"].unique())
    if days:
        start, end = calendar_known()
        gone = sorted(set(trading_days(days[0], days[-1])) - set(days))
        sure = [d for d in gone if start and end and start <= d <= end]
        _print_days("sessions without an NSE price file", sure)
        _print_days("days without one, sessions or not", sorted({*gone} - {*sure}))
    left = f"set aside: {quantity(found.rejects.height)}"
    say(f"{left}; remarks: {quantity(found.notices.height)}")
    _print_rejects(found.rejects)
    if found.rejects.height and not found.files["kind"].count():
        raise typer.Exit(1)


_SHOWN = 20


def _print_days(what: str, days: list[date]) -> None:
    shown = ", ".join(map(str, days[:_SHOWN]))
    more = f" and {len(days) - _SHOWN} more" if len(days) > _SHOWN else ""
    if days:
        say(f"{what}: {len(days)}: {shown}{more}")


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # locals may hold secrets
    help="Equity holdings as exact polars frames.",
)
for _command in (demo, load, report, market, generate):
    app.command(help=join_lines(_command.__doc__))(_command)
for _command in (sandbox, trigger, resend, listen, receive, lab):
    app.command(help=join_lines(_command.__doc__))(_command)
app.command("app")(app_)
app.add_typer(store_app, name="store")


@app.callback()
def show_help() -> None:
    """Equity holdings from the smallcase Gateway and the Arrow API."""
