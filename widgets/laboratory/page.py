"""The laboratory's answer as HTML: the finding, the models ranked, their names."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from holdings_kit.display import number_of
from holdings_kit.display._numbers import format_value, percent, probability, quantity
from holdings_kit.display._page import unknown
from widgets.board import rest_row
from widgets.laboratory.verdicts import test_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

Row = dict[str, Any]

_TESTS: Final = {"offsets": "offsets", "count": "count under GARCH"}
_LOSSES: Final = {"terminal": "at the end of", "worst": "worst within"}
_NO_WINDOW: Final = "no window is over in these dates"
_UNTESTED: Final = "no test of it keeps its size"
_LISTED: Final = 3
_NAMES: Final = 25
_CHIPS: Final = {
    "holds": ("hk-chip", "✓ holds"),
    "high": ("hk-chip hk-chip-odd", "asks too much"),
    "doubtful": ("hk-chip hk-chip-odd", "in doubt"),
    "fails": ("hk-chip hk-chip-bad", "✗ fails"),
    "untested": ("hk-chip", "not tested"),
    "refused": ("hk-chip", "not built"),
}


def say_finding(judged: pl.DataFrame, labels: Mapping[str, str], used: Row) -> str:
    """Say which models hold, which do not, and by which test.

    Parameters
    ----------
    judged
        Of `judge_models`.
    labels
        Model → its name for people.
    used
        The inputs of the run: its ``level`` and ``horizon``.
    """
    groups: dict[str, list[Row]] = {}
    for row in judged.iter_rows(named=True):
        groups.setdefault(row["verdict"], []).append(row)
    told = [_tell_group(kind, rows, labels) for kind, rows in groups.items()]
    if "holds" not in groups and groups.keys() & {"high", "doubtful", "fails"}:
        told = ["no model holds", *told]
    return f"At {_say_setting(used)}, {'; '.join(told)}"


def write_judgement(
    judged: pl.DataFrame,
    coverage: pl.DataFrame,
    *,
    used: Row,
    labels: Mapping[str, str],
    names: Mapping[str, str],
    span: tuple[date, date],
    refusals: Mapping[str, str],
    opened: Sequence[str],
) -> str:
    """Write the finding, how it is judged, and the models, each with its names below.

    Parameters
    ----------
    judged, coverage
        Of `judge_models` and `haircuts.backtest`.
    used
        The inputs of the run.
    labels, names
        Model and instrument → their names for people.
    span
        First and last date of the haircuts.
    refusals
        Model → why it was not built.
    opened
        The models whose names are shown.
    """
    top = max([1.0, *judged["ratio"].drop_nulls().to_list()])
    body = "".join(
        _write_model(
            row,
            labels,
            names,
            top,
            coverage.filter(model=row["model"]) if row["model"] in opened else None,
        )
        for row in judged.iter_rows(named=True)
    ) + "".join(
        _write_refusal(labels.get(name, name), why) for name, why in refusals.items()
    )
    finding = escape(say_finding(judged, labels, used))
    return (
        f'<div role="status"><h3 class="hk-finding">{finding}</h3></div>'
        f'<p class="hk-for">{_say_source(coverage, used, span)}</p>'
        f'<p class="hk-small">{escape(_say_judging(judged))}</p>'
        '<div class="hk-wide" role="region" aria-label="Models" tabindex="0">'
        '<table class="hk-changes hk-models"><caption class="hk-hidden">Models, those '
        "that hold first, then by the least haircut or the fewest breaches</caption>"
        '<thead><tr><td></td><th scope="col">Model</th><th scope="col">Verdict</th>'
        '<th scope="col" class="hk-num hk-more">Covered</th>'
        '<th scope="col" class="hk-num">Breaches</th>'
        '<th scope="col" class="hk-num">Of expected</th>'
        f"{_write_axis(top)}"
        '<th scope="col" class="hk-num">Mean haircut</th>'
        '<th scope="col" class="hk-num">Lowest p</th></tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
        f"{_write_footer(coverage.height)}"
    )


def write_empty(models: int, names: int, days: int) -> str:
    """Say what to do while nothing is judged."""
    chosen = number_of(models, "model") + (" is" if models == 1 else " are")
    return (
        '<div class="hk-empty"><b>Nothing is judged yet</b>'
        f"<span>{chosen} chosen for {number_of(names, 'name')} over "
        f"{number_of(days, 'day')}. Press Run: each is built and judged by the losses "
        "that followed.</span></div>"
    )


def name_file(what: str, used: Row, span: tuple[date, date]) -> str:
    """Name an export after what it holds: level, days and dates.

    >>> from datetime import date
    >>> days = date(2024, 1, 1), date(2025, 2, 3)
    >>> name_file("coverage", {"level": 0.99, "horizon": 1}, days)
    'coverage-99-percent-1-day-2024-01-01-to-2025-02-03.csv'
    """
    level = f"{100 * used['level']:.4g}".replace(".", "_")
    days = number_of(used["horizon"], "day").replace(" ", "-")
    first, last = (day.isoformat() for day in span)
    return f"{what}-{level}-percent-{days}-{first}-to-{last}.csv"


def _say_setting(used: Row) -> str:
    level = quantity(100 * used["level"]) + "\N{NARROW NO-BREAK SPACE}%"
    return f"{level} over {number_of(used['horizon'], 'day')}"


def _tell_group(kind: str, rows: Sequence[Row], labels: Mapping[str, str]) -> str:
    """Say one verdict of the models that share it."""
    alone = len(rows) == 1
    if kind == "holds":
        named = [labels.get(row["model"], row["model"]) for row in rows]
        verb = "holds" if alone else "hold"
        return f"{_list_words(named)} {verb}"
    if kind == "untested":
        named = [labels.get(row["model"], row["model"]) for row in rows]
        return f"{_list_words(named)} could not be tested"
    named = [
        f"{labels.get(row['model'], row['model'])} ({_say_rejected(row)}, "
        f"{_TESTS[row['test']]})"
        for row in rows
    ]
    verb = {
        "high": "asks for too much" if alone else "ask for too much",
        "doubtful": "is in doubt" if alone else "are in doubt",
        "fails": "fails" if alone else "fail",
    }[kind]
    return f"{_list_words(named)} {verb}"


def _say_rejected(row: Row) -> str:
    rejected = row["above"] + row["below"]
    if row["tested"] == 1:
        return f"p {probability(row['p'])}"
    return f"{rejected} of {number_of(row['tested'], 'name')}"


def _list_words(words: Sequence[str]) -> str:
    more = len(words) - _LISTED
    if more > 1:
        words = [*words[:_LISTED], f"{more} more"]
    head, last = words[:-1], words[-1]
    return f"{', '.join(head)} and {last}" if head else last


def _say_source(coverage: pl.DataFrame, used: Row, span: tuple[date, date]) -> str:
    """Say what was judged: names, windows, dates, and which loss."""
    names = number_of(coverage["instrument_id"].n_unique(), "name")
    first, last = (format_value(day, "date") for day in span)
    days = number_of(used["horizon"], "day")
    return (
        f"<b>{names}</b>, haircuts of <b>{first} to {last}</b>, each judged by the "
        f"loss {_LOSSES[used['loss']]} the next {days}."
    )


def _say_judging(judged: pl.DataFrame) -> str:
    """Say what a verdict is worth: the tests, chance, and what they would find."""
    offsets = judged["offsets"].sum() > 0
    counted = bool((judged["tested"] > judged["offsets"]).any())
    tests = [
        "by offsets where the haircut follows volatility (too many or too few breaches)"
        if offsets
        else "",
        "by the count under a fitted GARCH where it hardly does (too many only)"
        if counted
        else "",
    ]
    said = ", ".join(test for test in tests if test)
    if not said:
        return "No test of these breaches keeps its size, so no p is printed."
    text = (
        f"A name is rejected at 5 %: {said}. A model holds if no more names are "
        "rejected than chance rejects, and fails from half of them on. Names fall "
        "together, so no p speaks of all. "
    )
    weakest = judged.filter(pl.col("tested") > 0)["weakest"]
    if weakest.null_count():
        return text + (
            "To hold is no proof: some of these tests would not even find a rate far "
            "above the promised one."
        )
    return text + (
        "To hold is no proof: the weakest of these tests finds a rate from "
        f"{quantity(round(weakest.max(), 1))} times the promised one on, in 80 of 100 "  # pyright: ignore[reportArgumentType, reportCallIssue]
        "cases."
    )


def _write_axis(top: float) -> str:
    return (
        '<td class="hk-bars2"><span class="hk-axis" aria-hidden="true"><span>0</span>'
        f"<span>{quantity(round(top, 1))} ×</span></span></td>"
    )


def _write_model(
    row: Row,
    labels: Mapping[str, str],
    names: Mapping[str, str],
    top: float,
    below: pl.DataFrame | None,
) -> str:
    model = row["model"]
    name = escape(labels.get(model, model))
    shown = "true" if below is not None else "false"
    twist = "▾" if below is not None else "▸"
    ratio, n = row["ratio"], row["n"]
    held = percent(1 - row["breaches"] / n, places=2) if n else unknown(_NO_WINDOW)
    key = escape(model, quote=True)
    line = (
        f'<tr{" class=hk-open" if below is not None else ""}><td class="hk-tw">'
        '<button type="button" class="hk-twist" data-act="open" '
        f'data-value="{key}" data-key="open/{key}" aria-expanded="{shown}" '
        f'aria-label="Names of {name}">{twist}</button></td>'
        f'<th scope="row">{name}<small>{escape(_say_reason(row))}</small></th>'
        f"<td>{_write_chip(row['verdict'])}</td>"
        f'<td class="hk-num hk-more">{held}</td>'
        f'<td class="hk-num">{quantity(row["breaches"])} '
        f'<span class="hk-more">of {quantity(n)}</span></td>'
        f'<td class="hk-num">{_write_ratio(ratio, row["expected"])}</td>'
        f"{_draw_ratio(ratio, top, row['verdict'])}"
        f'<td class="hk-num">{percent(row["mean_haircut"], places=2)}</td>'
        f'<td class="hk-num">{_write_p(row, names)}</td></tr>'
    )
    if below is None:
        return line
    return line + (
        f'<tr class="hk-ev"><td></td><td colspan="8">{_write_names(below, names)}</td>'
        "</tr>"
    )


def _write_refusal(name: str, why: str) -> str:
    return (
        f'<tr><td class="hk-tw"></td><th scope="row">{escape(name)}</th>'
        f'<td>{_write_chip("refused")}</td><td colspan="6" class="hk-none">'
        f"{escape(why)}</td></tr>"
    )


def _write_chip(verdict: str) -> str:
    kind, said = _CHIPS[verdict]
    return f'<span class="{kind}">{said}</span>'


def _say_reason(row: Row) -> str:
    """Say on how many names a model is rejected, and how often chance does that."""
    tested = row["tested"]
    if not tested:
        return str(row["note"] or _NO_WINDOW).partition("; ")[0]
    rejected = row["above"] + row["below"]
    of = number_of(tested, "name")
    if not rejected:
        said = f"rejected on none of {of}"
    else:
        chance = min(100, round(5 * tested / rejected))
        said = (
            f"rejected on {rejected} of {of}; of right models at most {chance} in 100"
        )
    if row["names"] > tested:
        said += f"; {row['names'] - tested} not tested"
    if not row["offsets"] and row["ratio"] < 1:
        said += "; too few breaches are not tested"
    return said


def _write_ratio(ratio: float | None, expected: float) -> str:
    if ratio is None:
        return unknown(_NO_WINDOW)
    due = f"{quantity(round(expected, 1))} expected"
    said = f"<b>{quantity(round(ratio, 2))} ×</b>"
    return f'<span class="hk-due" title="{due}">{said}</span>'


def _draw_ratio(ratio: float | None, top: float, verdict: str) -> str:
    """Draw breaches from zero; the line is what was promised."""
    way = "down" if verdict in {"fails", "doubtful"} else "bar"
    bar = ""
    if ratio:
        bar = f'<i class="hk-{way}" style="--from:0;--part:{ratio / top:.4f}"></i>'
    return (
        '<td class="hk-way hk-bars2" aria-hidden="true" '
        f'style="--zero:{1 / top:.4f}">{bar}</td>'
    )


def _write_p(row: Row, names: Mapping[str, str]) -> str:
    if row["p"] is None:
        return unknown(str(row["note"] or _UNTESTED))
    where = f"{_name_of(row, names)}, " if row["tested"] > 1 else ""
    return (
        f"{escape(probability(row['p']))}"
        f"<small>{escape(where)}{_TESTS[row['test']]}</small>"
    )


def _name_of(row: Row, names: Mapping[str, str]) -> str:
    return names.get(row["instrument_id"], row["instrument_id"])


def _write_names(rows: pl.DataFrame, names: Mapping[str, str]) -> str:
    """Write the names of a model, those that speak most against it first."""
    tested = test_names(rows).sort(
        "p", "ratio", descending=[False, True], nulls_last=True, maintain_order=True
    )
    body = "".join(
        f'<tr><th scope="row">{escape(_name_of(row, names))}</th>'
        f'<td class="hk-num">{quantity(row["breaches"])} of {quantity(row["n"])}</td>'
        f'<td class="hk-num hk-more">{quantity(round(row["expected"], 1))}</td>'
        f'<td class="hk-num">{percent(row["mean_haircut"], places=2)}</td>'
        f'<td class="hk-num">{percent(row["break_even_haircut"], places=2)}</td>'
        f'<td class="hk-num">{_write_name_p(row)}</td>'
        f"<td>{escape(_say_name(row))}</td></tr>"
        for row in tested.head(_NAMES).iter_rows(named=True)
    )
    body += rest_row(tested.height - _NAMES, after=6)
    heads = (
        ("Breaches", ""),
        ("Expected", " hk-more"),
        ("Mean haircut", ""),
        ("Enough was", ""),
        ("p", ""),
    )
    return (
        '<table class="hk-mini"><caption class="hk-hidden">Name by name</caption>'
        '<thead><tr><th scope="col">Name</th>'
        + "".join(
            f'<th scope="col" class="hk-num{more}">{head}</th>' for head, more in heads
        )
        + f'<th scope="col">Test</th></tr></thead><tbody>{body}</tbody></table>'
    )


def _write_name_p(row: Row) -> str:
    if row["p"] is None:
        return unknown(str(row["note"] or _UNTESTED))
    said = escape(probability(row["p"]))
    return f'<b class="hk-wrong">{said}</b>' if row["rejects"] else said


def _say_name(row: Row) -> str:
    if row["test"] is None:
        return "none"
    told = f"{row['rejects']}, " if row["rejects"] else ""
    found = row["detectable_ratio"]
    sure = "finds no rate surely" if found is None else f"finds {found:.1f} × the rate"
    return f"{told}{_TESTS[row['test']]}, {sure}"


def _write_footer(rows: int) -> str:
    return (
        '<div class="hk-foot"><span>Those that hold first, the lowest mean haircut '
        "first; then the fewest breaches for what is expected.</span>"
        '<span><button type="button" data-act="coverage" data-key="coverage">'
        f"Export {number_of(rows, 'row')} of coverage</button> "
        '<button type="button" data-act="haircuts" data-key="haircuts">'
        'Export the haircuts</button> <span class="hk-said" role="status"></span>'
        "</span></div>"
    )
