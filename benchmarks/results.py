"""Keep what each benchmark said at each scale, and put RESULTS.md together from it.

One file a scale and benchmark, `benchmarks/results/<scale>/<name>.json`, so that one
can be run again without the others. What is slower than a peer is taken from the
measured times; `REASONS` adds why, where there is a word to say.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple, TypedDict

HERE = Path(__file__).parent
KEPT = HERE / "results"
PAGE = HERE / "RESULTS.md"
FIRST = ["load", "questions", "compare", "cluster", "haircuts", "capacity", "widgets"]

HEAD = """# Results

Written by `make bench`; do not edit. Times are ratios of runs side by side; a machine
that does other work meanwhile moves them by a fifth, and absolute times by more. 1.00
is the row the others are measured against, memory is the peak of the whole process. A
block is one benchmark at one scale, with its own date:
`python -m benchmarks.run --scale full --only questions` replaces that block alone.
"""

_LOADED, _ASKED = "scan_webhooks", ("bucket by bucket", "two buckets at once")
REASONS: dict[tuple[str, str, str], str] = {  # question, ours, peer → why, in a line
    ("Load clean webhook dumps", _LOADED, "DuckDB, same tables"): (
        "ours proves each number exact and each line whole"
    ),
    ("Load webhook dumps with 1 % broken lines", _LOADED, "DuckDB, same tables"): (
        "DuckDB drops the broken lines without a word; ours names each"
    ),
    (
        "EWMA haircut",
        "hk.haircuts.ewma, prices to frame",
        "pandas, matrix to matrix",
    ): "pandas smooths a matrix that is there; ours reads, audits and makes a frame",
}
_SUMS = "it gives the sums alone, and is told which snapshots count"
REASONS[
    "Explain ten days", "holdings_kit: timeline and bridge", "DuckDB, the same joins"
] = "it names no cause and adds no bridge up"
_CAUSES = "ours also finds splits, links and transfers, and gives parts and evidence"
for _ours in _ASKED:
    REASONS |= {
        ("Consolidate per account and instrument", _ours, "DuckDB, plain sums"): _SUMS,
        (
            "P&L, concentration and collateral per account",
            _ours,
            "DuckDB, plain sums",
        ): _SUMS,
        ("Compare two days", _ours, "DuckDB, bare join"): "it names no cause",
        ("Compare two days", _ours, "DuckDB, plain causes"): _CAUSES,
    }


class Ratio(TypedDict):
    """Our time and a peer's, seconds; None where one did not come to its end."""

    question: str
    size: str
    ours: str
    peer: str
    our_seconds: float | None
    peer_seconds: float | None
    peer_said: str


class Block(NamedTuple):
    """What one benchmark said at one scale."""

    scale: str
    name: str
    facts: str  # date, machine, versions
    tables: str  # Markdown
    ended: str  # how it ended: the command and its time, or why not
    ratios: list[Ratio]
    measured: dict[str, float]  # numbers that `benchmarks.plan` needs


def keep(block: Block) -> None:
    """Replace the block of its scale and name, and write the page again."""
    target = KEPT / block.scale / f"{block.name}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    facts = block._asdict() | {"tables": block.tables.splitlines()}
    text = json.dumps(facts, indent=1, ensure_ascii=False)
    target.write_text(text + "\n", encoding="utf-8")
    PAGE.write_text(page(blocks()), encoding="utf-8")


def blocks() -> list[Block]:
    """Read all blocks: larger scales first."""
    found: list[Block] = []
    for path in KEPT.glob("*/*.json"):
        facts = json.loads(path.read_text(encoding="utf-8"))
        facts["tables"] = "\n".join(facts["tables"])
        found.append(Block(**facts))

    def place(block: Block) -> tuple[bool, str, int, str]:
        known = FIRST.index(block.name) if block.name in FIRST else len(FIRST)
        return block.scale == "small", block.scale, known, block.name

    return sorted(found, key=place)


def page(found: list[Block]) -> str:
    """Write all blocks as one page."""
    parts = [HEAD, slower(found)]
    for block in found:
        title = block.name.replace("_", " ").capitalize()
        parts.append(f"## {title}, scale {block.scale}\n\n{block.facts}\n")
        parts.append(f"{block.tables.strip()}\n\n{block.ended}\n")
    return "\n".join(parts)


def slower(found: list[Block]) -> str:
    """Name every measured time of ours that is above a peer's, and every peer lost."""
    above: dict[tuple[str, str, str], list[str]] = {}
    lost: dict[tuple[str, str, str], list[str]] = {}
    for block in found:
        for one in block.ratios:
            key = (one["question"], one["ours"], one["peer"])
            size = one["size"] or f"scale {block.scale}"
            ours, theirs = one["our_seconds"], one["peer_seconds"]
            if ours is not None and theirs is not None:
                if ours / theirs >= 1.005:
                    above.setdefault(key, []).append(f"{ours / theirs:.2f} ({size})")
            elif ours is not None:
                lost.setdefault(key, []).append(f"{one['peer_said']} ({size})")
            else:
                above.setdefault(key, []).append(f"ours did not end ({size})")
    lines = ["## What is slower than a peer", ""]
    lines += [
        f"- {question}: {ours} takes {', '.join(ratios)} × the time of {peer}."
        f"{_because(REASONS.get((question, ours, peer), ''))}"
        for (question, ours, peer), ratios in above.items()
    ] or ["Nothing."]
    if lost:
        lines += ["", "Peers that gave no answer:", ""]
        lines += [
            f"- {question}: {peer} {', '.join(words)}."
            for (question, _, peer), words in lost.items()
        ]
    return "\n".join(lines) + "\n"


def _because(reason: str) -> str:
    return f" {reason[:1].upper()}{reason[1:]}." if reason else ""


if __name__ == "__main__":
    PAGE.write_text(page(blocks()), encoding="utf-8")
