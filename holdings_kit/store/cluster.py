"""The same questions on more processes or machines: Dask, behind one method.

Work is sent as names of buckets and places in files; rows never travel, and nothing is
shuffled. A worker that dies loses nothing: its tasks are done again, and the driver
alone commits. Ray or another engine is an adapter with the one method of `Mapper`.

Nothing listens beyond this machine unless a `security` says how it is protected.
"""

from __future__ import annotations

from contextlib import ExitStack
from os import getpid
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import urlsplit

from holdings_kit.errors import ConfigError, load_optional, readable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    import distributed
    from dask import config as dask_config
    from distributed import Client, Security
else:
    distributed = load_optional("distributed")
    dask_config = load_optional("dask.config")

__all__ = ["Cluster", "connect"]

T = TypeVar("T")
Item = TypeVar("Item")
_RETRIES = 3  # of a task whose worker died
# Answers are small, so there is nothing to spill; and a worker that pauses until memory
# is free waits for ever when its allocator keeps it. It goes on, or is started anew.
_SETTINGS: dict[str, object] = {
    f"distributed.worker.memory.{step}": False for step in ("target", "spill", "pause")
}
# A worker that dies again while it is started anew would else be given up.
_SETTINGS["distributed.deploy.lost-worker-timeout"] = "1 day"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@readable
class Cluster:
    """Workers that do tasks; made by `connect`, closed by ``with`` or `close`."""

    def __init__(self, client: Client, stack: ExitStack) -> None:
        self._client: Any = client  # most of it has no types
        self._stack = stack

    def __repr__(self) -> str:
        return f"Cluster({self._client!r})"  # what it knows: nobody is asked

    @property
    def workers(self) -> dict[str, int]:
        """Address of every worker, and its process id where that is on this machine."""
        return dict(self._client.run(getpid))

    def map(self, task: Callable[[Item], T], items: Iterable[Item]) -> list[T]:
        """Do a task for every item, on any worker; the results in order.

        A task whose worker dies is done again elsewhere, three times at most, so it
        must not matter whether it is done twice. An error of a task is raised here.
        """
        futures = self._client.map(task, list(items), retries=_RETRIES, pure=False)
        return self._client.gather(futures)

    def close(self) -> None:
        """Let go of the workers; those that `connect` started end."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def connect(
    address: str | None = None,
    *,
    workers: int = 2,
    memory_limit: str = "2GiB",
    security: Security | None = None,
) -> Cluster:
    """Start workers on this machine, or use those of a running Dask scheduler.

    Parameters
    ----------
    address
        Of a scheduler, such as ``tls://10.0.0.5:8786``; None starts `workers`
        processes that listen on 127.0.0.1 only. Store and dumps must be at the same
        path, or the same object store, for every worker.
    workers
        How many processes to start, each with one thread: a task uses one core.
    memory_limit
        Of each process started; a worker that needs more is started anew.
    security
        Certificates, as Dask's own ``distributed.Security`` takes them. Needed for an
        address beyond this machine: whoever reaches a scheduler runs code on it.

    Raises
    ------
    ConfigError
        The address is beyond this machine and there is no `security`.

    Examples
    --------
    >>> with connect(workers=1) as cluster:
    ...     cluster.map(len, ["one", "three"])
    [3, 5]
    """
    with ExitStack() as stack:
        if address is None:
            start: Any = distributed.LocalCluster
            stack.enter_context(dask_config.set(_SETTINGS))  # read while it lives
            target = start(
                n_workers=workers,
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                memory_limit=memory_limit,
                env={"POLARS_MAX_THREADS": "1"},
            )
            stack.enter_context(target)
        else:
            target = _check_protected(address, security)
        client = distributed.Client(target, security=security)
        stack.enter_context(client)
        return Cluster(client, stack.pop_all())


def _check_protected(address: str, security: Security | None) -> str:
    host = urlsplit(address).hostname
    if security is None and host not in _LOOPBACK:
        raise ConfigError(
            f"{address}: beyond this machine a scheduler needs TLS; pass "
            "security=distributed.Security(...), see docs/scale.md"
        )
    return address
