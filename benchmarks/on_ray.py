"""The same questions on Ray; run by hand, Ray is no dependency of ours.

    pip install ray && python -m benchmarks.on_ray

Loads, values and backtests on Ray beside this process, and kills a worker on the way.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar

import holdings_kit as hk
from benchmarks.bench_haircuts import universe
from holdings_kit.sandbox import generate
from holdings_kit.store.population import account_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from holdings_kit.store import StoreView

T = TypeVar("T")
Item = TypeVar("Item")
ray: Any = import_module("ray")


class OnRay:
    def map(self, task: Callable[[Item], T], items: Iterable[Item]) -> list[T]:
        def do(item: Item) -> T:  # Ray takes no partial
            return task(item)

        remote = ray.remote(max_retries=3)(do)
        return ray.get([remote.remote(item) for item in items])


def check(said: str, *, holds: bool) -> None:
    if not holds:
        raise SystemExit(f"{said}: NO")
    print(f"{said}: yes", flush=True)


def main() -> None:
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        logging_level="error",
        runtime_env={"env_vars": {"POLARS_MAX_THREADS": "1"}},
    )
    on = OnRay()
    with TemporaryDirectory() as name:
        folder = Path(name)
        generate(folder / "dumps", accounts=200, days=2, wire="arrow")
        one, two = (hk.Store(folder / part, buckets=4) for part in ("one", "two"))
        plain = hk.scan_arrow(folder / "dumps", into=one, progress=False)
        spread = hk.scan_arrow(folder / "dumps", into=two, progress=False, on=on)
        check("loads as one process", holds=spread.deliveries == plain.deliveries)
        values = account_values(two, on=on)
        check("values as one process", holds=values.equals(account_values(one)))

        def slow(view: StoreView) -> int:
            (folder / f"pid-{os.getpid()}").touch()
            time.sleep(0.5)
            return view.current().holdings.height

        def kill() -> None:
            while not (found := list(folder.glob("pid-*"))):
                time.sleep(0.05)
            os.kill(int(found[0].name[4:]), signal.SIGKILL)

        threading.Thread(target=kill, daemon=True).start()
        rows = sum(two.map(slow, on=on))
        kept = rows == one.current().holdings.height
        check("a killed worker loses nothing", holds=kept)
        universe(40, 400).prices.write_parquet(folder / "prices.parquet")
        closes = hk.haircuts.Universe(folder / "prices.parquet", slices=4)
        models = {"ewma": hk.haircuts.ewma}
        same = closes.backtest(models, on=on).equals(closes.backtest(models))
        check("backtests as one process", holds=same)
    print(f"ray {ray.__version__}")
    ray.shutdown()


if __name__ == "__main__":
    main()
