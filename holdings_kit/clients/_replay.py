"""Play recorded webhooks again: late, twice, not at all, in the order of nobody."""

from __future__ import annotations

import random
import time
from datetime import datetime
from itertools import count
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from holdings_kit.clients._inbox import Inbox
from holdings_kit.errors import ConfigError, WireError, readable
from holdings_kit.read._files import find_dumps
from holdings_kit.read._texts import lines
from holdings_kit.wire import Torn
from holdings_kit.wire._parse import parse
from holdings_kit.wire._rows import is_object

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdings_kit.read._files import Paths


@readable
class Replayed(NamedTuple):
    """What `replay` did, in deliveries."""

    recorded: int
    delivered: int
    dropped: int
    duplicated: int
    reordered: int


def replay(
    dumps: Paths,
    *,
    into: Inbox | Path | Callable[[bytes], object],
    reorder: float = 0,
    duplicate: float = 0,
    drop: float = 0,
    speed: float | None = None,
    seed: int = 0,
    sleep: Callable[[float], object] = time.sleep,
) -> Replayed:
    r"""Deliver the webhooks of dumps again, damaged as asked, the same for one seed.

    The bodies are the recorded bytes, so checksums stay right. They are held in memory.

    Parameters
    ----------
    dumps
        What `hk.read_webhooks` takes; also ``inbox.accepted``.
    into
        An inbox; a folder, which then holds one numbered file per delivery for
        `hk.read_webhooks`; or any function of the body.
    reorder, duplicate, drop
        Fractions of the deliveries: moved to a later place, delivered once more at a
        later place, never delivered.
    speed
        Recorded seconds (by ``timestamp``) per real second; None delivers at once.
    seed
        Equal seeds damage equally.
    sleep
        Waits so many seconds.

    Raises
    ------
    ConfigError
        A fraction is not in [0, 1], `speed` is not positive, or a dump cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> got = []
    >>> with tempfile.NamedTemporaryFile(suffix=".ndjson") as dump:
    ...     _ = dump.write(b'{"n": 1}\n{"n": 2}\n')
    ...     dump.flush()
    ...     done = replay(dump.name, into=got.append, duplicate=1, seed=1)
    >>> done.delivered, sorted(got)
    (4, [b'{"n": 1}', b'{"n": 1}', b'{"n": 2}', b'{"n": 2}'])
    """
    for name, part in (("reorder", reorder), ("duplicate", duplicate), ("drop", drop)):
        if not 0 <= part <= 1:
            raise ConfigError(f"{name}={part}: a fraction of the deliveries, 0 to 1")
    if speed is not None and speed <= 0:
        raise ConfigError(f"speed={speed}: recorded seconds per real second, above 0")
    recorded = _read_bodies(dumps)
    deliver = _choose_receiver(into)
    rng = random.Random(seed)
    kept = [body for body in recorded if rng.random() >= drop]
    moved = [rng.random() < reorder for _ in kept]
    again = [rng.random() < duplicate for _ in kept]

    def late() -> float:
        return rng.uniform(0, len(kept))

    plan = [(n + late() * moved[n], body) for n, body in enumerate(kept)]
    plan += [(n + late(), body) for n, body in enumerate(kept) if again[n]]
    plan.sort(key=itemgetter(0))
    times = _list_seconds(kept) if speed else []
    clock = times[0] if times else 0.0
    for place, body in plan:
        if speed:
            due = times[min(int(place), len(times) - 1)]
            sleep((due - clock) / speed)
            clock = due
        deliver(body)
    dropped = len(recorded) - len(kept)
    return Replayed(len(recorded), len(plan), dropped, sum(again), sum(moved))


def _read_bodies(dumps: Paths) -> list[bytes]:
    bodies: list[bytes] = []
    found = find_dumps(dumps)
    for torn in found.unread:
        raise ConfigError(f"{torn.file}: {torn.reason}")
    for path in found.files:
        for line in lines(path):
            if isinstance(line, Torn):
                raise ConfigError(f"{line.file}: {line.reason}")
            bodies.append(line.body)
    return bodies


def _choose_receiver(
    into: Inbox | Path | Callable[[bytes], object],
) -> Callable[[bytes], object]:
    """Give the function that takes a body."""
    if isinstance(into, Inbox):
        return into.receive
    if not isinstance(into, Path):
        return into
    into.mkdir(parents=True, exist_ok=True)
    numbers = count(1)

    def to_file(body: bytes) -> None:
        (into / f"{next(numbers):08}.json").write_bytes(body)

    return to_file


def _list_seconds(bodies: Sequence[bytes]) -> list[float]:
    """Give the seconds of each body's timestamp; never back, none is that before."""
    times: list[float] = []
    for body in bodies:
        said = _read_timestamp(body)
        before = times[-1] if times else said or 0.0
        times.append(max(before, said or before))
    return times


def _read_timestamp(body: bytes) -> float | None:
    try:
        payload = parse(body, source="replay")
    except WireError:
        return None
    said = payload.get("timestamp") if is_object(payload) else None
    try:
        return datetime.fromisoformat(str(said)).timestamp()
    except ValueError:
        return None
