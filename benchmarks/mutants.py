"""Change one thing at a time that safety rests on, and see whether a test notices.

    python benchmarks/mutants.py            # all
    python benchmarks/mutants.py fsync 0600 # those whose name has a word

Each mutant is a copy of the package with one text replaced; the tests that are named
with it must fail. One that lives is a hole in the tests.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[1]


class Mutant(NamedTuple):
    """One change, and the tests that must not pass with it."""

    name: str
    file: str  # below holdings_kit
    old: str
    new: str
    tests: str  # files below tests, and words for -k after a colon


DISK, LOG, FILES = "store/_disk.py", "store/_log.py", "store/_files.py"
VIEW, STORE, RULES = "store/_view.py", "store/_store.py", "store/_rules.py"
INBOX, RECEIVER = "clients/_inbox.py", "clients/_receiver.py"
HTTP, POLICY, SIGN = "clients/_http.py", "clients/_policy.py", "wire/_signing.py"
POWER, MISSING = "store/test_power_cut.py", "store/test_missing_rows.py"
ERASE, STRANGERS = "store/test_erase.py", "store/test_strangers.py"
HOSTILE, INBOXES = "clients/test_hostile_source.py", "store/test_inbox.py"

MUTANTS: Final = [
    Mutant(
        "file fsync",
        DISK,
        "            if flushed:\n",
        "            if False:\n",
        POWER,
    ),
    Mutant(
        "part fsync",
        DISK,
        "            os.fsync(descriptor)\n        finally:\n            os.close(descriptor)\n        up =",
        "            pass\n        finally:\n            os.close(descriptor)\n        up =",
        POWER,
    ),
    Mutant("folder fsync", DISK, "    if not _FOLDER_FLAG:", "    if True:", POWER),
    Mutant(
        "entry before the last is flushed",
        LOG,
        "        flush_folder(log)  # or",
        "        # or",
        f"{POWER} store/test_mutant_guards.py",
    ),
    Mutant(
        "snapshots committed first",
        FILES,
        '(*(name for name in TABLES if name != "snapshots"), "snapshots")',
        '("snapshots", *(name for name in TABLES if name != "snapshots"))',
        POWER,
    ),
    Mutant("owner's files 0600", DISK, "0o600", "0o644", f"{MISSING}:owners"),
    Mutant("owner's folders 0700", DISK, "0o700", "0o755", f"{MISSING}:owners"),
    Mutant(
        "an entry may be replaced",
        DISK,
        "        target.hardlink_to(part)\n",
        "        target.unlink(missing_ok=True)\n        target.hardlink_to(part)\n",
        "store/test_mutant_guards.py",
    ),
    Mutant("part size", FILES, "!= file.size:", "!= size:", f"{MISSING}:part_whose"),
    Mutant(
        "row count",
        VIEW,
        "lacking = (rows != of_rows) |",
        "lacking = (rows < 0) |",
        f"{MISSING}:mended",
    ),
    Mutant(
        "part of the rows",
        VIEW,
        "(rows != of_rows)",
        "(rows == 0) & (of_rows > 0)",
        f"{MISSING}:enough",
    ),
    Mutant(
        "listings count",
        VIEW,
        "(listings != of_listings)",
        "(listings < 0)",
        f"{MISSING}:mended",
    ),
    Mutant(
        "append mends",
        STORE,
        "whole = self._leave_out_short(known.collect(), placed)",
        "whole = known.collect()",
        f"{MISSING}:mended",
    ),
    Mutant(
        "missing rows promoted",
        STORE,
        'or row["missing"] is not None',
        "",
        f"{MISSING}:mended",
    ),
    Mutant("vacuum rounds down", STORE, "math.ceil(", "int(", f"{MISSING}:compacting"),
    Mutant(
        "later format read",
        "store/_tables.py",
        '    if facts["format"] > FORMAT:',
        "    if False:",
        "store/test_format.py",
    ),
    Mutant(
        "compaction conflict",
        "store/_tables.py",
        'still_true=lambda: paths <= set(self.files(table)["path"])',
        "still_true=None",
        "store/test_mutant_guards.py",
    ),
    Mutant(
        "rivals",
        RULES,
        'pl.col("rivals") > 1',
        'pl.col("rivals") > 2',
        "store/test_rivals.py",
    ),
    Mutant(
        "strangers are rivals",
        RULES,
        'rivals=pl.col("reason").is_null().sum().over(same)',
        "rivals=pl.len().over(same)",
        "store/test_rivals.py",
    ),
    Mutant(
        "one-day future rule",
        RULES,
        "pl.duration(days=1)",
        "pl.duration(days=2)",
        "store/test_rules.py store/test_mutant_guards.py",
    ),
    Mutant(
        "share of missing rows at the limit",
        RULES,
        '< pl.col("few_rows"),',
        '<= pl.col("few_rows"),',
        "store/test_rules.py store/test_mutant_guards.py",
    ),
    Mutant(
        "wrong checksum accepted",
        RULES,
        'Rule(~pl.col("checksum_ok")',
        'Rule(pl.col("checksum_ok").is_null() & False',
        "store/test_rules.py store/test_store.py",
    ),
    Mutant(
        "erased come back",
        STORE,
        "self._leave_out_erased(_put_events_among_rejects(loaded))",
        "_put_events_among_rejects(loaded)",
        ERASE,
    ),
    Mutant(
        "erased rows stay",
        "store/_erase.py",
        'keep=~goes, operation="DELETE"',
        'keep=pl.lit(True), operation="DELETE"',
        ERASE,
    ),
    Mutant(
        "unused files stay",
        "store/_erase.py",
        "            path.unlink(missing_ok=True)\n            deleted.add(path)",
        "            deleted.add(path)",
        ERASE,
    ),
    Mutant(
        "statistics stay",
        "store/_erase.py",
        "        if mention in body:",
        "        if False:",
        ERASE,
    ),
    Mutant(
        "two bodies believed",
        INBOX,
        "        if self._contradicting(name, body, noted):\n            return self._distrust_all(name, body, noted)\n        path",
        "        path",
        STRANGERS,
    ),
    Mutant(
        "two at once believed",
        INBOX,
        '        path = self._write_safe("accepted", name, body)\n        if self._contradicting(name, body, noted):',
        '        path = self._write_safe("accepted", name, body)\n        if False:',
        f"{STRANGERS}:two_at_once",
    ),
    Mutant(
        "replay window",
        INBOX,
        "self._clock() - sent > self._replay_window",
        "False",
        f"{STRANGERS}:replay",
    ),
    Mutant(
        "long junk parsed",
        INBOX,
        "if len(body) > _SMALL and not",
        "if False and not",
        f"{STRANGERS}:never_parsed",
    ),
    Mutant(
        "refused bytes",
        INBOX,
        " or total > self._keep_refused_bytes",
        "",
        f"{STRANGERS}:bounded_in_bytes",
    ),
    Mutant(
        "refused number",
        INBOX,
        "self._refused >= self._keep_refused or ",
        "",
        f"{INBOXES}:fill",
    ),
    Mutant(
        "no room made",
        INBOX,
        "or not self._forget_refused()",
        "or True",
        f"{STRANGERS}:makes_room",
    ),
    Mutant(
        "moved folder",
        INBOX,
        "if folder in self._made and folder.is_dir():",
        "if folder in self._made:",
        f"{STRANGERS}:moved",
    ),
    Mutant(
        "fetch at once again",
        INBOX,
        "if due_only and time.monotonic() < due:",
        "if False:",
        f"{STRANGERS}:fetched_once",
    ),
    Mutant(
        "header time-out",
        RECEIVER,
        "later(self._header_seconds, self.cut)",
        "later(1e6, self.cut)",
        f"{STRANGERS}:no_headers",
    ),
    Mutant(
        "oldest is cut",
        RECEIVER,
        "elif self._count > self.most:",
        "elif False:",
        f"{STRANGERS}:descriptors",
    ),
    Mutant(
        "whole-call time-out",
        HTTP,
        "ended.get(timeout=max(0.0, deadline.left()))",
        "ended.get()",
        f"{HOSTILE}:whole_call",
    ),
    Mutant(
        "unpacked bytes",
        HTTP,
        "member.decompress(chunk, most - len(found))",
        "member.decompress(chunk)",
        f"{HOSTILE}:max_bytes",
    ),
    Mutant(
        "other encodings",
        HTTP,
        'if name not in {"gzip", "x-gzip"}:',
        "if False:",
        f"{HOSTILE}:max_bytes",
    ),
    Mutant(
        "cookies",
        HTTP,
        '            "cookies": CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # keeps none\n',
        "",
        f"{HOSTILE}:cookies",
    ),
    Mutant(
        "Retry-After overflow",
        POLICY,
        "except (ValueError, OverflowError, TypeError, IndexError):",
        "except ValueError:",
        f"{HOSTILE}:nonsense",
    ),
    Mutant(
        "digits",
        POLICY,
        "return int(text) if len(text) <= _WHOLE else float(text)",
        "return int(text)",
        f"{HOSTILE}:digits",
    ),
    Mutant(
        "compare_digest",
        SIGN,
        "fits |= hmac.compare_digest(ours.encode(), claimed.lower().encode())",
        "fits |= ours == claimed.lower()",
        "store/test_mutant_guards.py",
    ),
    Mutant(
        "checksum of nothing",
        SIGN,
        "(timestamp + subject).encode()",
        "timestamp.encode()",
        "clients/test_signing.py",
    ),
    Mutant(
        "base URL in the clear",
        POLICY,
        'parts.scheme == "https" or local',
        "True",
        "clients/test_http.py",
    ),
    Mutant(
        "redirects followed",
        HTTP,
        '"follow_redirects": False',
        '"follow_redirects": True',
        "clients/test_http.py:redirect",
    ),
    Mutant(
        "POST asked again",
        POLICY,
        "return safe or error.code in NOT_SENT",
        "return True",
        "clients/test_http.py",
    ),
    Mutant(
        "last eligible day",
        "risk/_collateral.py",
        'pl.col("on") <= pl.col("eligible_to")',
        'pl.col("on") < pl.col("eligible_to")',
        "risk/test_margin.py:eligibility",
    ),
    Mutant(
        "redaction factor 1",
        "read/_redact.py",
        "        account: 2\n",
        "        account: 1\n",
        "store/test_redaction.py:factor",
    ),
    Mutant(
        "a sale today",
        "wire/_gateway_facts.py",
        'pl.col("quantity") + _TRADED.fill_null(pl.lit(0, MONEY))',
        'pl.col("quantity") + _TRADED.clip(0).fill_null(pl.lit(0, MONEY))',
        "wire/test_gateway.py:traded_today",
    ),
    Mutant(
        "a purchase today beside an unknown trade",
        "wire/_gateway_facts.py",
        'pl.col("nse.quantity") + pl.col("bse.quantity"), "nse.quantity", "bse.quantity"',
        'pl.col("nse.quantity") + pl.col("bse.quantity"), "nse.quantity"',
        "wire/test_gateway.py",
    ),
    Mutant(
        "epochs of 12 digits",
        "wire/_rows.py",
        r'r"^\d{12,13}$"',
        r'r"^\d{13}$"',
        "wire/test_instants.py",
    ),
    Mutant(
        "epochs of 11 digits",
        "wire/_rows.py",
        r'r"^\d{12,13}$"',
        r'r"^\d{11,13}$"',
        "wire/test_instants.py",
    ),
    Mutant(
        "scan mark without the content",
        "store/_scan_blocks.py",
        "if done.mark != mark:",
        "if done.lines != mark >> 32:",
        "scale/test_scan.py:replaced",
    ),
    Mutant(
        "scan mark a line short",
        "store/_scan_blocks.py",
        "return self.lines << 32 | self.crc",
        "return (self.lines - 1) << 32 | self.crc",
        "scale/test_scan.py:again",
    ),
    Mutant(
        "scan mark passes over a line more",
        "store/_scan_blocks.py",
        "while done.lines < mark >> 32:",
        "while done.lines <= mark >> 32:",
        "scale/test_scan.py:again",
    ),
]


def run(mutant: Mutant, folder: Path) -> str:
    """Copy, change, test: `caught`, `lived`, or `no such text`."""
    source = ROOT / "holdings_kit" / mutant.file
    if mutant.old not in source.read_text():
        return "no such text"
    for name in ("holdings_kit", "tests", "benchmarks"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "pyproject.toml", folder)
    changed = folder / "holdings_kit" / mutant.file
    changed.write_text(changed.read_text().replace(mutant.old, mutant.new, 1))
    for words in mutant.tests.split():
        path, _, only = words.partition(":")
        command = [sys.executable, "-m", "pytest", "-qx", "-p", "no:cacheprovider"]
        command += [f"tests/{path}", *(["-k", only] if only else [])]
        environment = {**os.environ, "PYTHONPATH": str(folder)}
        try:
            done = subprocess.run(
                command,
                check=False,
                cwd=folder,
                env=environment,
                capture_output=True,
                timeout=120,
            )
        except subprocess.TimeoutExpired:
            return "caught"  # it hangs
        if done.returncode == 1:
            return "caught"
        if done.returncode != 0:
            return f"pytest ended with {done.returncode}"
    return "lived"


def main() -> None:
    words = sys.argv[1:]
    wanted = [m for m in MUTANTS if not words or any(w in m.name for w in words)]
    odd = 0
    for mutant in wanted:
        begun = time.monotonic()
        with TemporaryDirectory() as folder:
            outcome = run(mutant, Path(folder))
        odd += outcome != "caught"
        seconds = time.monotonic() - begun
        print(
            f"{outcome:14} {mutant.name} ({mutant.file}, {seconds:.0f} s)", flush=True
        )
    print(f"{len(wanted) - odd} of {len(wanted)} caught")
    sys.exit(1 if odd else 0)


if __name__ == "__main__":
    main()
