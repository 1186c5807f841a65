"""Controls on the page that set a view-model's traits and press its buttons."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anywidget
from traitlets import Dict, Float, HasTraits, List, TraitError, Unicode

from holdings_kit.errors import HoldingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from widgets.panel.controls import Control

__all__ = ["Panel"]

_HERE: Final = Path(__file__).parent


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
    """

    _esm = _HERE / "panel.js"
    _css = _HERE / "panel.css"

    title = Unicode().tag(sync=True)
    controls = List(Dict()).tag(sync=True)
    values = Dict().tag(sync=True)
    problems = Dict().tag(sync=True)
    busy = Unicode().tag(sync=True)
    progress = Float(None, allow_none=True).tag(sync=True)
    error = Unicode().tag(sync=True)

    def __init__(
        self,
        model: HasTraits,
        controls: Sequence[Control],
        *,
        title: str,
        press: Mapping[str, Callable[..., object]],
    ) -> None:
        self._model, self._press = model, press
        silent = {"button", "secret"}
        named = [c["name"] for c in controls if c["kind"] not in silent]
        names = [name for name in named if model.has_trait(name)]
        shown = [n for n in ("busy", "progress", "error") if model.has_trait(n)]
        super().__init__(
            title=title,
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
        self.values = {**self.values, change.name: change.new}

    def _receive_message(
        self, _widget: object, content: dict[str, Any], _buffers: object
    ) -> None:
        name = content.get("name", "")
        known = {control["name"]: control for control in self.controls}
        if name not in known or known[name].get("disabled"):
            return
        if content.get("type") == "set":
            self._set_choice(name, content.get("value"))
        elif content.get("type") == "press":
            self.error = ""
            sent = content.get("secrets") or {}
            wanted = known[name].get("sends", [])
            try:
                self._press[name](**{key: str(sent.get(key, "")) for key in wanted})
            except HoldingsError as error:
                self.error = str(error)

    def _set_choice(self, name: str, value: object) -> None:
        problems = {key: text for key, text in self.problems.items() if key != name}
        try:
            setattr(self._model, name, value)
        except (HoldingsError, TraitError) as error:
            problems[name] = str(error)
        self.problems = problems
