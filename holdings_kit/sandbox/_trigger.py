"""Fire an event on demand: no broker's page, no waiting, no fault plan."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from holdings_kit.errors import ConfigError

if TYPE_CHECKING:
    from holdings_kit.sandbox._webhooks import Delivery
    from holdings_kit.sandbox._world import World

__all__ = ["EVENTS", "Manner", "trigger"]

EVENTS: Final = ("holdings-import", "order", "pending-action", "mf-import")
"""What can be fired."""
_EARLIER: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Manner:
    """How an event arrives.

    Attributes
    ----------
    late
        The event is of so long ago and is delivered only now.
    duplicate
        The same bytes twice.
    forged
        The checksum is of another secret.
    reorder
        Two events an hour apart, the newer one delivered first.
    """

    late: timedelta = timedelta()
    duplicate: bool = False
    forged: bool = False
    reorder: bool = False


def trigger(
    world: World, event: str, persona: str, *, url: str | None, manner: Manner
) -> list[Delivery]:
    """Let a persona do something, and deliver its webhooks at once.

    Parameters
    ----------
    world
        The sandbox it happens in; a fetch then gives the same holdings.
    event
        One of `EVENTS`.
    persona
        Its key, Arrow user id or smallcaseAuthId.
    url
        Where to; ``None`` is the registered address.

    Returns
    -------
    list of Delivery
        In the order of delivery, each with its answer.

    Raises
    ------
    ConfigError
        No such event or persona, or an address the sandbox does not send to.
    """
    if event not in EVENTS:
        raise ConfigError(f"no event {event!r}; there are {', '.join(EVENTS)}")
    found = world.persona(persona)
    target = world.webhooks.check_url(url or world.webhooks.url)
    happened = world.clock.now() - manner.late
    moments = [happened]
    if manner.reorder:
        moments = [happened - _EARLIER, happened]
    if event == "holdings-import":
        made = [world.import_at_once(found, at, forged=manner.forged) for at in moments]
    else:
        forged = manner.forged
        made = [world.happen(event, found, at, forged=forged) for at in moments]
    sent = made[::-1]
    if manner.duplicate:
        sent = [each for one in sent for each in (one, one)]
    for one in sent:
        world.webhooks.send_now(one, target)
    return sent
