"""What a panel can show, each control a plain description in JSON.

`name` is the trait of the view-model that a control sets. `group` puts controls into
one frame with a legend; `when` shows a control only while another has a value.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from holdings_kit.display._numbers import percent, quantity, rupees
from holdings_kit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from traitlets import TraitType

Control: TypeAlias = dict[str, Any]
Options: TypeAlias = "Sequence[tuple[str, str]]"

_NO_DIGIT: Final = str.maketrans({"−": "-", **dict.fromkeys(",₹_ \u202f\u00a0")})


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

    A number with ``percent`` is a fraction in Python and hundredths on the page.

    A secret is no trait: it goes with the press of the button that names it and is
    cleared on the page at once.
    """
    return {"kind": kind, "name": name, "label": label, **more}


def check(name: str, label: str, **more: Any) -> Control:
    """Ask yes or no."""
    return {"kind": "check", "name": name, "label": label, **more}


def chips(name: str, label: str, options: Options, **more: Any) -> Control:
    """Offer any of several values, as buttons that stay pressed."""
    return {**select(name, label, options, **more), "kind": "chips"}


def cards(name: str, label: str, options: Options, **more: Any) -> Control:
    """Offer one of several values, each a card, headed by what stands before ``: ``."""
    return {**select(name, label, options, **more), "kind": "cards"}


def grid(
    name: str,
    label: str,
    rows: Sequence[tuple[str, str, str, str]],
    columns: Sequence[tuple[str, str, float, float, float, str]],
    **more: Any,
) -> Control:
    """Offer a table of sliders with typed values, one for each row and column.

    A row is name, label, the wider row that it follows where its own value is 0 (empty
    for the widest), and what stands small below the label. A column is name, label,
    lowest, highest, step and the unit of a hundredth. The trait is a mapping row →
    column → number. ``beside`` heads two figures of each row, ``rest`` names a last row
    that has figures alone; the panel's `beside` carries them.
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


def read_value(control: Control, value: object, trait: TraitType[Any, Any]) -> Any:
    """Read what the page sent for a control, as the trait takes it.

    Raises
    ------
    ConfigError
        It cannot be used; the text says what can.

    Examples
    --------
    >>> from traitlets import Float
    >>> read_value(field("cash", "Cash, ₹", kind="number"), "₹20,000", Float())
    20000.0
    """
    kind = control["kind"]
    if kind == "number":
        return _read_number(control, value, trait)
    if kind in {"select", "cards", "chips"}:
        chosen = value if isinstance(value, list) else [value]
        offered = [option for option, _ in control["options"]]
        if any(one not in offered for one in chosen):
            raise ConfigError("Choose one of those on offer.")
    if kind == "grid":
        _check_grid(control, value)
    return value


def name_control(control: Control) -> str:
    """Name a control by its label, without the unit at its end.

    >>> name_control(field("cash", "Cash, ₹", kind="number"))
    'Cash'
    """
    return control["label"].removesuffix(", ₹").removesuffix(", %")


def write_value(control: Control, value: object) -> str:
    """Write the value of a control as the page shows it.

    >>> write_value(field("cash", "Cash, ₹", kind="number"), 20000.0)
    '₹20,000'
    >>> write_value(select("way", "Way", [("a", "first")]), "a")
    'first'
    """
    kind = control["kind"]
    if kind == "number":
        if control.get("percent"):
            return percent(value, places=2)
        money = "₹" in control["label"]
        return rupees(value).removesuffix(".00") if money else quantity(value)
    if kind in {"select", "cards", "chips"}:
        chosen = value if isinstance(value, list) else [value]
        labels: dict[object, str] = dict(control["options"])
        return ", ".join(labels.get(one, str(one)) for one in chosen) or "none"
    if kind == "grid":
        return "the sliders as they were"
    return {True: "yes", False: "no"}.get(value, str(value))  # pyright: ignore[reportArgumentType, reportCallIssue]


def _read_number(control: Control, value: object, trait: TraitType[Any, Any]) -> Any:
    low = control.get("min", getattr(trait, "min", None))
    high = control.get("max", getattr(trait, "max", None))
    whole = isinstance(trait.default_value, int)
    number = _parse_number(value)
    if (
        number is None
        or (whole and number != int(number))
        or (low is not None and number < low)
        or (high is not None and number > high)
    ):
        raise ConfigError(_ask_for_number(control, low, high, whole=whole))
    return int(number) if whole else number


def _parse_number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = str(value).translate(_NO_DIGIT)
    try:
        number = float(text.removesuffix("%"))
    except ValueError:
        return None
    number = round(number / 100, 12) if text.endswith("%") else number
    return number if math.isfinite(number) else None


def _ask_for_number(
    control: Control, low: float | None, high: float | None, *, whole: bool
) -> str:
    what = "a whole number" if whole else "a number"
    if "₹" in control["label"]:
        what = "an amount in rupees"
    bounds = [one for one in (low, high) if one is not None and math.isfinite(one)]
    if control.get("percent") and len(bounds) > 1:
        ends = " to ".join(quantity(100 * one) for one in bounds)
        return f"Write a percentage from {ends}."
    if len(bounds) > 1:
        what += f" from {quantity(low)} to {quantity(high)}"
    elif low is not None and math.isfinite(low):
        what += f", {quantity(low)} or more"
    return f"Write {what}."


def _check_grid(control: Control, value: object) -> None:
    limits = {name: more for name, *more in control["columns"]}
    cells = value if isinstance(value, dict) else {"": None}
    for row in cells.values():
        for name, cell in row.items() if isinstance(row, dict) else [("", None)]:
            if name not in limits:
                raise ConfigError("A slider stands outside its rail; move it again.")
            label, low, high, _step, unit = limits[name]
            if not isinstance(cell, int | float) or not low <= cell <= high:
                ends = f"{quantity(100 * low)} to {quantity(100 * high)} {unit}"
                raise ConfigError(f"{label}: write a number from {ends}.")
