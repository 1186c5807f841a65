"""Commands of the sandbox: run it, fire an event, send one again, pass them on."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, cast
from urllib.parse import urlsplit

import typer

from holdings_kit.cli._terminal import catch_stop, say
from holdings_kit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from holdings_kit.sandbox._world import World

_HERE: Final = "http://127.0.0.1:8400"
_PATIENCE: Final = 30.0
_OK: Final = range(200, 300)
_REFUSED: Final = range(400, 500)

AllowHosts = Annotated[
    list[str] | None,
    typer.Option("--allow-host", help="A host beside this machine's; repeatable."),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON value on a line.")]
Running = Annotated[
    str, typer.Option("--sandbox", help="Address of the running sandbox.")
]


def sandbox(
    *,
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 8400,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 in a container.")
    ] = "127.0.0.1",
    allow_host: AllowHosts = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(help="A page that may use the browser SDK; repeatable."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same people and prices.")] = 0,
    faults: Annotated[
        str, typer.Option(help='Plan, e.g. "holdings: 429*2; webhook: late 24h".')
    ] = "",
    start: Annotated[
        str, typer.Option(help="First instant, ISO 8601; now unless given.")
    ] = "",
    speed: Annotated[
        float | None,
        typer.Option(
            help="Virtual seconds per second, 1 unless given; 0 stands still."
        ),
    ] = None,
    webhook: Annotated[
        str | None, typer.Option(help="URL on this machine for webhooks.")
    ] = None,
    personas: Annotated[
        Path | None, typer.Option(help="People of your own, YAML or JSON.")
    ] = None,
    redirect_url: Annotated[
        str | None, typer.Option(help="Where Arrow's login page sends the browser.")
    ] = None,
    crowd: Annotated[int, typer.Option(help="So many more accounts, for load.")] = 0,
    rate_limit: Annotated[
        int | None,
        typer.Option(help="Arrow calls of a kind per second; published: 10."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run simulated brokers and the gateway on this machine until stopped.

    Where the environment says CI, the clock stands still at the same instant each time
    unless --start or --speed say otherwise.
    """
    from holdings_kit.sandbox import Clock, serve
    from holdings_kit.sandbox._clock import START

    steady = os.environ.get("CI", "").lower() in {"1", "true"}
    first = read_instant(start) if start or not steady else START
    if speed is None:
        speed = 0.0 if steady else 1.0
    running = serve(
        port=port,
        host=host,
        allow_hosts=allow_host or (),
        origins=origin,
        seed=seed,
        faults=faults,
        clock=Clock(first, speed=speed),
        webhook_url=webhook,
        personas=personas,
        redirect_url=redirect_url,
        crowd=crowd,
        rate_limit=rate_limit,
    )
    with running as sb:
        access = sb.access()
        if as_json:
            say(json.dumps(access), at_once=True)
        else:
            say(f"front page     {sb.url}/")
            say(f"inspector      {access['inspector']}")
            say(f"contracts      {sb.url}/docs, {access['openapi']}")
            say(f"base URL       {sb.base_url} (Gateway and Arrow)")
            secrets = ("gateway", "api_secret", "shared_secret", "app_id", "app_secret")
            for name in secrets:
                say(f"{name:<14} {access[name]}")
            say("The secrets are invented. Ctrl-C stops it.", at_once=True)
        catch_stop().wait()


def trigger(
    event: Annotated[
        str,
        typer.Argument(help="holdings-import, order, pending-action or mf-import."),
    ],
    *,
    persona: Annotated[str, typer.Option(help="To whom: asha, bela, …")],
    to: Annotated[
        str | None, typer.Option(help="URL of the receiver, plain HTTP.")
    ] = None,
    late: Annotated[
        str, typer.Option(help="It happened so long ago: 15m, 24h, 2d.")
    ] = "",
    duplicate: Annotated[
        bool, typer.Option("--duplicate", help="Deliver the same bytes twice.")
    ] = False,
    forged: Annotated[
        bool, typer.Option("--forged", help="Sign with a wrong secret.")
    ] = False,
    reorder: Annotated[
        bool, typer.Option("--reorder", help="Two events, the newer first.")
    ] = False,
    running: Annotated[
        str | None,
        typer.Option("--sandbox", help="Let it happen in this running sandbox."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the invented people.")] = 0,
    start: Annotated[
        str, typer.Option(help="When it happens, ISO 8601; now unless given.")
    ] = "",
    allow_host: AllowHosts = None,
    as_json: Json = False,
) -> None:
    """Fire one event at a webhook receiver, signed, at once.

    The checksum's key is GATEWAY_API_SECRET of the environment, else the one that the
    sandbox of that seed prints. Exit status 0: everything genuine was answered with a
    2xx and everything forged refused with a 4xx; 1: not so, or no answer; 2: wrong use.
    With --sandbox it happens there, so that `resend` and a fetch know of it.
    """
    flags = {"duplicate": duplicate, "forged": forged, "reorder": reorder}
    if running is not None:
        asked = {"event": event, "persona": persona, "late": late, "url": to}
        said = _ask_sandbox(running, "trigger", asked | flags)
        sent = cast("list[dict[str, object]]", said)
    else:
        if to is None:
            raise ConfigError("trigger: name the receiver, --to http://127.0.0.1:…")
        world = _make_world(seed, start, allow_host or ())
        made = world.trigger(event, persona, url=to, late=late, **flags)
        sent = [one.shown() for one in made]
    if not _print_deliveries(sent, as_json=as_json):
        raise typer.Exit(1)


def resend(
    delivery: Annotated[str, typer.Argument(help="Its id, such as dlv_0001.")],
    *,
    to: Annotated[
        str | None, typer.Option(help="Another URL than where it went.")
    ] = None,
    running: Running = _HERE,
    as_json: Json = False,
) -> None:
    """Send a delivery of the running sandbox again, byte for byte.

    Exit status as for `trigger`.
    """
    said = _ask_sandbox(running, "resend", {"id": delivery, "url": to})
    if not _print_deliveries([cast("dict[str, object]", said)], as_json=as_json):
        raise typer.Exit(1)


def listen(
    *,
    forward_to: Annotated[
        str, typer.Option(help="Where each webhook is passed on to.")
    ],
    running: Running = _HERE,
    port: Annotated[int, typer.Option(help="Port to listen on; 0 a free one.")] = 0,
    allow_host: AllowHosts = None,
    as_json: Json = False,
) -> None:
    """Show every webhook of the running sandbox and pass it on, until stopped.

    The receiver's answer goes back to the sandbox, so that its retries work as if it
    had been asked itself. Where no sandbox answers, send webhooks to the address that
    is printed.
    """
    from holdings_kit.clients import serving
    from holdings_kit.clients._policy import LOOPBACK
    from holdings_kit.sandbox._listen import make_relay

    hosts = LOOPBACK | {name.lower() for name in allow_host or ()}
    parts = urlsplit(forward_to)
    if parts.scheme != "http" or parts.hostname not in hosts:
        raise ConfigError(
            f"{forward_to!r}: webhooks are passed on to this machine only; use "
            "http://127.0.0.1:PORT/…, or allow the host with --allow-host"
        )

    def show(line: dict[str, object]) -> None:
        if as_json:
            say(json.dumps(line), at_once=True)
        else:
            words = f"{line['kind']} {line['account']} → {line['answer']}"
            say(words, at_once=True)

    with serving(make_relay(forward_to, show), port=port) as address:
        hook = f"{address}/webhook"
        try:
            _ask_sandbox(running, "webhook", {"url": hook})
            source = running
        except ConfigError:
            source = ""
        ready = {"listening": hook, "forward_to": forward_to, "sandbox": source}
        if as_json:
            say(json.dumps(ready), at_once=True)
        else:
            say(f"webhooks   {hook} → {forward_to}")
            say(f"sandbox    {source or 'none answers at ' + running}", at_once=True)
        catch_stop().wait()


def read_instant(text: str) -> datetime:
    """Read an instant of the command line; an empty one is now."""
    try:
        return datetime.fromisoformat(text) if text else datetime.now(UTC)
    except ValueError:
        raise ConfigError(
            f"{text!r} is no instant; write 2026-01-05T04:45:00Z"
        ) from None


def _make_world(seed: int, start: str, allow_host: Sequence[str]) -> World:
    """Make a sandbox that nobody serves."""
    from holdings_kit.sandbox import Clock
    from holdings_kit.sandbox._faults import Faults
    from holdings_kit.sandbox._webhooks import post_json
    from holdings_kit.sandbox._world import Settings, World

    return World(
        seed=seed,
        clock=Clock(read_instant(start)),
        faults=Faults(),
        sender=post_json,
        settings=Settings(hosts=frozenset(name.lower() for name in allow_host)),
        api_secret=os.environ.get("GATEWAY_API_SECRET") or None,
    )


def _print_deliveries(sent: list[dict[str, object]], *, as_json: bool) -> bool:
    """Print what became of deliveries; tell whether all went as they should.

    One that was sent twice stands there twice, each time with its own answer.
    """
    seen: dict[str, int] = {}
    lines: list[dict[str, object]] = []
    for one in sent:
        answers = cast("list[str]", one["answers"])
        name = str(one["id"])
        times = sum(str(other["id"]) == name for other in sent)
        place = seen[name] = seen.get(name, len(answers) - times) + 1
        answer = answers[place - 1] if 0 < place <= len(answers) else "no answer"
        wanted = _REFUSED if one["forged"] else _OK
        good = answer.isdigit() and int(answer) in wanted
        lines.append({**one, "answer": answer, "ok": good})
    whole = bool(lines) and all(line["ok"] is True for line in lines)
    if as_json:
        say(json.dumps({"ok": whole, "deliveries": lines}))
        return whole
    for line in lines:
        forged = " (forged)" if line["forged"] else ""
        words = f"{line['id']} {line['kind']}{forged} {line['transactionId']}"
        say(f"{words} → {line['url']}: {line['answer']}")
    return whole


def _ask_sandbox(running: str, path: str, body: Mapping[str, object]) -> object:
    """Ask a running sandbox; what it refuses is an error with its words."""
    parts = urlsplit(running)
    if parts.scheme != "http" or not parts.hostname:
        raise ConfigError(f"{running!r} is no address of a sandbox; write {_HERE}")
    data = json.dumps({k: v for k, v in body.items() if v is not None})
    link = HTTPConnection(parts.hostname, parts.port or 80, timeout=_PATIENCE)
    try:
        headers = {"Content-Type": "application/json"}
        link.request("POST", f"/_sandbox/{path}", data, headers)
        reply = link.getresponse()
        status, said = reply.status, cast("object", json.loads(reply.read()))
    except (OSError, HTTPException, ValueError) as error:
        raise ConfigError(
            f"no sandbox answers at {running} ({error}); "
            "start one: holdings-kit sandbox"
        ) from None
    finally:
        link.close()
    if status not in _OK:
        reason = cast("dict[str, object]", said).get("error", said)
        raise ConfigError(f"the sandbox at {running} refuses: {reason}")
    return said
