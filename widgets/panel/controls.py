"""What a panel can show, each control a plain description in JSON.

`name` is the trait of the view-model that a control sets. `group` puts controls into
one frame with a legend; `when` shows a control only while another has a value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Control", "button", "check", "chips", "field", "grid", "select", "slide"]

Control: TypeAlias = dict[str, Any]
Options: TypeAlias = "Sequence[tuple[str, str]]"


def select(name: str, label: str, options: Options, **more: Any) -> Control:
    """Offer one of several values."""
    return {
        "kind": "select",
        "name": name,
        "label": label,
        "options": [list(option) for option in options],
        **more,
    }


def field(name: str, label: str, *, kind: str = "text", **more: Any) -> Control:
    """Ask for a line of text, a ``number``, or a ``secret``.

    A secret is no trait: it goes with the press of the button that names it and is
    cleared on the page at once.
    """
    return {"kind": kind, "name": name, "label": label, **more}


def check(name: str, label: str, **more: Any) -> Control:
    """Ask yes or no."""
    return {"kind": "check", "name": name, "label": label, **more}


def slide(
    name: str,
    label: str,
    low: float,
    high: float,
    step: float,
    **more: Any,
) -> Control:
    """Offer a number between two limits; fractions are shown as percentages."""
    return {
        "kind": "range",
        "name": name,
        "label": label,
        "min": low,
        "max": high,
        "step": step,
        **more,
    }


def chips(name: str, label: str, options: Options, **more: Any) -> Control:
    """Offer any of several values, as buttons that stay pressed."""
    return {**select(name, label, options, **more), "kind": "chips"}


def grid(
    name: str,
    label: str,
    rows: Options,
    columns: Sequence[tuple[str, str, float, float, float]],
    **more: Any,
) -> Control:
    """Offer a table of sliders, one value for each row and column.

    A column is name, label, lowest, highest, step. The trait is a mapping
    row → column → number.
    """
    return {
        "kind": "grid",
        "name": name,
        "label": label,
        "rows": [list(row) for row in rows],
        "columns": [list(column) for column in columns],
        **more,
    }


def button(name: str, label: str, **more: Any) -> Control:
    """Offer something to do; `sends` names the secrets that go with it."""
    return {"kind": "button", "name": name, "label": label, **more}
