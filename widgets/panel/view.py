"""Controls on the page that set a view-model's traits and press its buttons."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anywidget
from ipywidgets import HTML, VBox, Widget
from traitlets import Dict, Float, HasTraits, List, TraitError, Unicode

from holdings_kit.errors import HoldingsError
from widgets.page import notice, read_script, read_style
from widgets.panel.controls import name_control, read_value, write_value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from widgets.job import Job
    from widgets.panel.controls import Control

_HERE: Final = Path(__file__).parent
_LOST: Final = (
    "The figures below are of before and nothing answers. Run the cell again."
)


class Panel(anywidget.AnyWidget):
    """The controls of one view-model, and its `busy`, `progress` and `error`.

    Parameters
    ----------
    model
        Its traits carry the values; those named by a control are shown and set.
    controls
        Descriptions made by `widgets.panel.controls`.
    press
        What each button does. A button that sends secrets gets them as text by name.
    shows_work
        Whether this is the panel of several that says what is being done, and why it
        failed.
    lost
        What a person is told to do once the kernel is gone, from this panel for the
        whole tool; empty where another panel of the tool tells it.

    Attributes
    ----------
    beside
        Row of a grid → what stands beside its sliders: ``value``, ``effect``, ``way``,
        ``part``, ``why`` where they are unknown, and for a row without sliders its
        ``label`` and ``small`` line.
    """

    _esm = read_script(_HERE / "panel.js")
    _css = read_style(_HERE / "panel.css")

    title = Unicode().tag(sync=True)
    controls = List(Dict()).tag(sync=True)
    values = Dict().tag(sync=True)
    problems = Dict().tag(sync=True)
    busy = Unicode().tag(sync=True)
    progress = Float(None, allow_none=True).tag(sync=True)
    error = Unicode().tag(sync=True)
    lost = Unicode().tag(sync=True)
    beside = Dict().tag(sync=True)

    def __init__(
        self,
        model: HasTraits,
        controls: Sequence[Control],
        *,
        title: str = "",
        press: Mapping[str, Callable[..., object]] | None = None,
        shows_work: bool = True,
        lost: str | None = None,
    ) -> None:
        self._model, self._press = model, press or {}
        silent = {"button", "secret"}
        named = [c["name"] for c in controls if c["kind"] not in silent]
        names = [name for name in named if model.has_trait(name)]
        state = ("busy", "progress", "error", "problems")
        state = state if shows_work else ("problems",)
        shown = [name for name in state if model.has_trait(name)]
        super().__init__(
            title=title,
            lost=(_LOST if title else "") if lost is None else lost,
            controls=list(controls),
            values={name: getattr(model, name) for name in names},
            **{name: getattr(model, name) for name in shown},
        )
        if names:
            model.observe(self._copy_to_page, names=names)
        if shown:
            model.observe(lambda change: setattr(self, change.name, change.new), shown)
        self.on_msg(self._receive_message)

    def change(self, name: str, **more: Any) -> None:
        """Describe one control anew: its options, its label, `disabled`."""
        self.controls = [
            {**control, **more} if control["name"] == name else control
            for control in self.controls
        ]

    def _copy_to_page(self, change: Any) -> None:
        if change.name in self.problems:  # set from Python: the field is right again
            kept = {k: v for k, v in self.problems.items() if k != change.name}
            self._set_problems(kept)
        self.values = {**self.values, change.name: change.new}

    def _receive_message(
        self, _widget: object, content: dict[str, Any], _buffers: object
    ) -> None:
        if content.get("type") == "ping":
            self.send({"type": "pong"})
            return
        name = content.get("name", "")
        known = {control["name"]: control for control in self.controls}
        if name not in known or known[name].get("disabled"):
            return
        if content.get("type") == "set":
            self._set_choice(known[name], content.get("value"))
        elif content.get("type") == "press":
            self.error = ""
            sent = content.get("secrets") or {}
            wanted = known[name].get("sends", [])
            try:
                self._press[name](**{key: str(sent.get(key, "")) for key in wanted})
            except HoldingsError as error:
                self.error = str(error)

    def _set_choice(self, control: Control, value: object) -> None:
        """Set the trait; what cannot be used is said at the field and sets nothing."""
        name = control["name"]
        problems = {key: text for key, text in self.problems.items() if key != name}
        trait = self._model.traits()[name]
        try:
            setattr(self._model, name, read_value(control, value, trait))
        except HoldingsError as error:
            problems[name] = str(error)
        except TraitError:
            problems[name] = "This cannot be used here; choose or write another."
        if name in problems:
            used = write_value(control, getattr(self._model, name))
            problems[name] += f" The figures below still show {used}."
        self._set_problems(problems)

    def _set_problems(self, problems: dict[str, str]) -> None:
        owner: Any = self._model if self._model.has_trait("problems") else self
        owner.problems = problems


class Results(VBox):
    """What a view-model made, greyed with a reason once its inputs have changed.

    Parameters
    ----------
    model
        Says by `stale` which inputs of a result differ.
    result
        The result's name.
    panels
        Where the inputs are: their labels and how their values are written.
    press
        The button that makes the result anew; empty where a change does.
    says_why
        Whether the reason stands here too, not only in other results of the model.

    Attributes
    ----------
    band
        The line with the reason; there is none before it is first needed.
    """

    def __init__(
        self,
        model: Job,
        result: str,
        panels: Sequence[Panel],
        *,
        press: str = "",
        says_why: bool = True,
    ) -> None:
        self._model, self._result = model, result
        self._panels, self._press = panels, press
        self._says_why, self._parts = says_why, ()
        self.band: HTML | None = None
        super().__init__([])
        model.observe(self._mark, "stale")

    def show(self, *parts: Widget) -> None:
        """Show these parts, below the line that says whether they are stale."""
        self._parts = parts
        self.children = [*([] if self.band is None else [self.band]), *parts]

    def _mark(self, _change: object) -> None:
        changed: list[str] = list(self._model.stale.get(self._result, []))
        if changed:
            self.add_class("hk-stale")
        else:
            self.remove_class("hk-stale")
        if not self._says_why or not (changed or self.band):
            return
        if self.band is None:
            self.band = HTML()
            self.show(*self._parts)
        self.band.value = self._describe_changes(changed) if changed else ""

    def _describe_changes(self, changed: Sequence[str]) -> str:
        controls = {c["name"]: c for panel in self._panels for c in panel.controls}
        used = self._model.made_from[self._result]
        says = "; ".join(
            self._describe(controls[name], used[name])
            for name in changed
            if name in controls
        )
        again = f" Press {self._press} to make it anew." if self._press else ""
        return notice(f"Made from other inputs: {says}.{again}", "stale")

    def _describe(self, control: Control, used: object) -> str:
        name, label = control["name"], name_control(control)
        if control["kind"] == "grid":
            return "the sliders have moved"
        was = write_value(control, used)
        if name in self._model.problems:
            return f"{label} {was}, not what is written now"
        return f"{label} {was}, now {write_value(control, getattr(self._model, name))}"
